// When the output of a test began, for times that count from there.
import { useQuery } from "@tanstack/react-query";
import { call } from "../api/call";

/** Milliseconds since 1970; NaN while it is not known. Asked only when `wanted`. */
export function useStart(testId: string, wanted: boolean): number {
  const { data } = useQuery({
    queryKey: ["log start", testId],
    queryFn: ({ signal }) => call("TestService", "getLogs", { testId, pageSize: 1 }, signal),
    staleTime: Infinity,
    enabled: wanted,
  });
  return Date.parse(data?.lines?.[0]?.time ?? "");
}
