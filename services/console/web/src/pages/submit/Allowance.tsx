import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { accountQuery } from "../../api/queries";
import { formatDuration, parseDuration } from "../../time/durations";

/** How many submissions are left in this hour. */
export function Allowance() {
  const { data } = useQuery({ ...accountQuery, refetchInterval: 30_000 });
  const left = data?.submissionsLeft;
  if (left === undefined) return null;
  const wait = parseDuration(data?.nextSubmissionIn);
  return (
    <Text size="sm" c={left === 0 ? "red" : "dimmed"} aria-live="polite">
      {left === 0 ? `No test is left for this hour${wait === undefined ? "" : `; the next one in ${formatDuration(wait)}`}.` : `${left} ${left === 1 ? "test is" : "tests are"} left in this hour.`}
    </Text>
  );
}
