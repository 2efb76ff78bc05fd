// The first lines of a test's log, for comparing.
import { queryOptions } from "@tanstack/react-query";
import { call } from "../../api/call";
import { plain } from "../../log/match";

/** Lines of a side that are compared at most. */
export const MOST_LINES = 5000;

export interface LogStart {
  lines: string[];
  /** Whether there is more than was read. */
  more: boolean;
}

export const logStartQuery = (testId: string) =>
  queryOptions({
    queryKey: ["log-start", testId],
    staleTime: 30_000,
    queryFn: async ({ signal }): Promise<LogStart> => {
      const lines: string[] = [];
      let fromSeq = "1";
      // A page is also cut by its size, so several may be needed.
      while (lines.length < MOST_LINES) {
        const page = await call("TestService", "getLogs", { testId, fromSeq, pageSize: MOST_LINES - lines.length }, signal);
        for (const line of page.lines ?? []) {
          // Colours are no difference, and their codes no words to read.
          const text = plain(line.text ?? "");
          if (line.continued && lines.length > 0) lines[lines.length - 1] += text;
          else lines.push(text);
        }
        if (!page.nextSeq || page.nextSeq === "0") return { lines, more: false };
        fromSeq = page.nextSeq;
      }
      return { lines, more: true };
    },
  });
