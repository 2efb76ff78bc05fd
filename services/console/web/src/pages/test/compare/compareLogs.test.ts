import { QueryClient } from "@tanstack/react-query";
import { afterEach, expect, test, vi } from "vitest";
import { answer } from "../../../test/server";
import { grown, logStartQuery, MOST_LINES } from "./compareLogs";

afterEach(() => vi.useRealTimers());

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

test("a log is not read again under a feed that is further on", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const client = new QueryClient();
  answer("TestService/GetLogs", () => ({ lines: [{ seq: "1", text: "one" }] }));
  await client.fetchQuery(logStartQuery("t1"));
  client.setQueryData(logStartQuery("t1").queryKey, (start) => start && grown(start, [{ seq: "2", text: "two" }], false));
  vi.advanceTimersByTime(3_600_000);
  expect((await client.fetchQuery(logStartQuery("t1"))).lines).toEqual(["one", "two"]);
});
