// The last word on a log, or how it stands: how many lines, and whether these are all or exactly what is missing.
import { Group, Text } from "@mantine/core";
import type { LogsComplete } from "../api/types";
import { formatCount } from "../components/numbers";
import { rangeWords } from "./lines";
import type { View } from "./store";

const SHOWN_RANGES = 5;

/** What is to be said about output that has ended. */
export function account(complete: LogsComplete): string {
  const received = Number(complete.received ?? 0);
  const expected = Number(complete.expected ?? 0);
  const lines = `${formatCount(received)} ${received === 1 ? "line" : "lines"}`;
  const said: string[] = [complete.complete ? `${lines}, complete` : expected > 0 ? `${lines} of ${formatCount(expected)}` : lines];
  const missing = complete.missing ?? [];
  if (missing.length > 0) {
    const ranges = missing.slice(0, SHOWN_RANGES).map(({ first, last }) => rangeWords(Number(first), Number(last)));
    const more = missing.length > SHOWN_RANGES ? ` and ${missing.length - SHOWN_RANGES} more ranges are` : "";
    said.push(`${ranges.join(", ")}${more} missing`);
  } else if (!complete.complete) {
    said.push(expected > received ? `${formatCount(expected - received)} at the end are missing` : "whether lines are missing at the end is not known, since the agent was stopped before it could say");
  }
  if (complete.truncated) said.push("the agent wrote more than the limit, and the rest was thrown away");
  return `${said.join("; ")}.`;
}

interface StatusBarProps {
  view: View;
  filtered: boolean;
  /** Whether lines may still come. */
  live: boolean;
  note: string;
}

export function StatusBar({ view, filtered, live, note }: StatusBarProps) {
  const shown = `${formatCount(view.count)} ${view.count === 1 ? "line" : "lines"}`;
  return (
    <Group gap="md" justify="space-between">
      <Text size="sm" c="dimmed">
        {view.ready && filtered ? `${shown} shown` : ""}
        {view.ready && filtered ? " · " : ""}
        {view.complete ? account(view.complete) : view.ready ? `${filtered ? "" : `${shown} so far, `}${live ? "live" : "not all of it is here yet"}` : ""}
      </Text>
      <Text size="sm" role="status">
        {note}
      </Text>
    </Group>
  );
}
