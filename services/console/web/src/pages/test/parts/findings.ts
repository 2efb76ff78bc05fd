// What was noticed about a test without running it. Only the answer of SubmitTest tells it, so it is kept for the tab.
import type { QueryClient } from "@tanstack/react-query";
import type { Finding } from "../../../api/types";

export const findingsKey = (testId: string) => ["findings", testId] as const;

/** Keeps what SubmitTest answered for the page of the new test. */
export function keepFindings(client: QueryClient, testId: string, findings: Finding[] | undefined): void {
  client.setQueryDefaults(findingsKey(testId), { gcTime: Infinity });
  client.setQueryData(findingsKey(testId), findings ?? []);
}
