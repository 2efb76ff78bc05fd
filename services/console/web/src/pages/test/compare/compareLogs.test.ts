import { QueryClient } from "@tanstack/react-query";
import { expect, test } from "vitest";
import { answer } from "../../../test/server";
import { grown, logStartQuery, MOST_LINES } from "./compareLogs";

test("a log to compare is its words: pages and pieces put together, without the codes of colours", async () => {
  answer("TestService/GetLogs", ({ fromSeq }: { fromSeq: string }) =>
    fromSeq === "1" ? { lines: [{ seq: "1", text: "\x1b[31mred\x1b[0m" }, { seq: "2", text: "long " }], nextSeq: "3" } : { lines: [{ seq: "3", text: "line", continued: true }], complete: {} },
  );
  expect(await new QueryClient().fetchQuery(logStartQuery("t1"))).toEqual({ lines: ["red", "long line"], more: false, complete: true, next: 4, readTo: 4 });
});

test("a log to compare grows by what comes after it, up to the most that is compared", () => {
  const start = { lines: ["one", "two, "], more: false, complete: false, next: 3, readTo: 3 };
  const after = grown(start, [{ seq: "2", text: "again" }, { seq: "3", text: "goes on", continued: true }, { seq: "4", text: "four" }], false);
  expect(after).toEqual({ ...start, lines: ["one", "two, goes on", "four"], next: 5 });
  expect(grown(after, [], true).complete).toBe(true);
  const full = grown(after, Array.from({ length: MOST_LINES }, (_, index) => ({ seq: String(5 + index), text: "x" })), false);
  expect([full.lines.length, full.more]).toEqual([MOST_LINES, true]);
});
