// The first lines of a test's log, for comparing: read once, and followed while the log grows.
import { queryOptions, useQuery, useQueryClient, type UseQueryResult } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { call } from "../../../api/call";
import { useFeed } from "../../../api/events";
import type { LogLine, LogMessage } from "../../../api/types";
import { plain } from "../../../log/match";

/** Lines of a side that are compared at most. */
export const MOST_LINES = 5000;
/** Between two drawings of a log that grows: to compare long ones takes a while. */
const DRAW_MS = 500;

export interface LogStart {
  lines: string[];
  /** Whether there is more than was read. */
  more: boolean;
  /** Whether nothing will come any more. */
  complete: boolean;
  /** Number of the line after the last one here. */
  next: number;
  /** The same, of what was read at once: what is followed begins there. */
  readTo: number;
}

/** `start` and what of `lines` comes after it. */
export function grown(start: LogStart, lines: readonly LogLine[], complete: boolean): LogStart {
  const after = { ...start, complete: start.complete || complete, lines: [...start.lines] };
  for (const line of lines) {
    const seq = Number(line.seq ?? 0);
    if (seq < after.next) continue;
    // Colours are no difference, and their codes no words to read.
    const text = plain(line.text ?? "");
    if (line.continued && after.lines.length > 0) after.lines[after.lines.length - 1] += text;
    else if (after.lines.length < MOST_LINES) after.lines.push(text);
    else {
      after.more = true;
      break;
    }
    after.next = seq + 1;
  }
  return after;
}

export const logStartQuery = (testId: string) =>
  queryOptions({
    queryKey: ["log-start", testId],
    // Followed from there on. Read again, it could end before what the feed has told already, and leave a gap.
    staleTime: Infinity,
    queryFn: async ({ signal }): Promise<LogStart> => {
      let start: LogStart = { lines: [], more: false, complete: false, next: 1, readTo: 1 };
      let fromSeq = "1";
      // A page is also cut by its size, so several may be needed.
      while (start.lines.length < MOST_LINES) {
        const page = await call("TestService", "getLogs", { testId, fromSeq, pageSize: MOST_LINES - start.lines.length }, signal);
        const isLast = !page.nextSeq || page.nextSeq === "0";
        start = grown(start, page.lines ?? [], isLast && page.complete !== undefined);
        if (isLast) return { ...start, readTo: start.next };
        fromSeq = page.nextSeq ?? "0";
      }
      return { ...start, more: true, readTo: start.next };
    },
  });

/** The first lines of a log, which go on while more come. One test for the life of the component. */
export function useLogStart(testId: string): UseQueryResult<LogStart> {
  const client = useQueryClient();
  const query = useQuery(logStartQuery(testId));
  const told = useRef<LogMessage[]>([]);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const start = query.data;
  useFeed<"log">(start && !start.more && !start.complete ? { kind: "log", testId, fromSeq: String(start.readTo) } : null, (message) => {
    if (message.kind !== "log") return;
    told.current.push(message.data);
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      const messages = told.current.splice(0);
      client.setQueryData(logStartQuery(testId).queryKey, (known) => known && messages.reduce((before, { lines, complete }) => grown(before, lines ?? [], complete !== undefined), known));
    }, DRAW_MS);
  });
  return query;
}
