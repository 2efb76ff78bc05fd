import { expect, test } from "vitest";
import { linesAsText } from "./copy";
import { attemptOf, dividerBefore, downloadPath, formatRange, lineOf, parseRange, type Line } from "./lines";
import { filterOf, logSearch, searchOf, SHOW_ALL, showOf } from "./show";
import { account } from "./StatusBar";
import { stamp } from "./stamps";

const at = (seq: number, text = "", continued = false): Line => lineOf({ seq: String(seq), text, continued });

test.each([
  [undefined, 1, false, ""],
  [1, 2, false, ""],
  [2, 5, false, "lines 3 to 4 are missing"],
  [2, 4, false, "line 3 is missing"],
  [2, 4, true, ""],
  [9, 1_000_001, false, "attempt 2"],
  [9, 2_000_001, true, "attempt 3"],
  [undefined, 1_000_001, false, "attempt 2"],
])("between %s and %s (filtered: %s) stands %j", (before, seq, filtered, divider) => {
  expect(dividerBefore(before === undefined ? undefined : at(before), at(seq), filtered)).toBe(divider);
});

test("attempts begin a million lines apart", () => {
  expect([1, 1_000_000, 1_000_001, 3_000_000].map(attemptOf)).toEqual([1, 1, 2, 3]);
});

test.each([
  ["12", { first: 12, last: 12 }],
  ["12-40", { first: 12, last: 40 }],
  [" 40 – 12 ", { first: 12, last: 40 }],
  ["0", null],
  ["-3", null],
  ["a", null],
  [undefined, null],
])("the address %j marks %j", (text, range) => {
  expect(parseRange(text)).toEqual(range);
  if (range) expect(parseRange(formatRange(range.first, range.last))).toEqual(range);
});

test("a download is of all, or of what is shown", () => {
  expect(downloadPath("t/1", "txt")).toBe("/logs/t%2F1.txt");
  const filter = { minLevel: "LOG_LEVEL_ERROR", streams: ["LOG_STREAM_STDOUT", "LOG_STREAM_STDERR"], text: "a&b", matchCase: true } as const;
  expect(downloadPath("t1", "jsonl", filter)).toBe("/logs/t1.jsonl?minLevel=LOG_LEVEL_ERROR&streams=LOG_STREAM_STDOUT&streams=LOG_STREAM_STDERR&text=a%26b&matchCase=true");
});

test("what is shown comes back from its address", () => {
  const show = { text: "42", matchCase: true, only: true, minLevel: "LOG_LEVEL_WARNING", streams: ["LOG_STREAM_BUILD"] } as const;
  expect(showOf(logSearch(JSON.parse(JSON.stringify(searchOf(show)))))).toEqual(show);
  expect(showOf(logSearch({ ...searchOf(show), find: 42 }))).toEqual(show);
  expect(showOf(logSearch({}))).toEqual(SHOW_ALL);
  expect(showOf(logSearch({ find: ["x"], level: "LOUD", streams: ["X", 3], only: "yes" }))).toEqual(SHOW_ALL);
  expect(filterOf({ ...show, only: false })).not.toHaveProperty("text");
});

test.each([
  [{ expected: "5", received: "5", complete: true }, "5 lines, complete."],
  [{ received: "1", expected: "1", complete: true, truncated: true }, "1 line, complete; the agent wrote more than the limit, and the rest was thrown away."],
  [{ expected: "10", received: "8", missing: [{ first: "3", last: "4" }] }, "8 lines of 10; lines 3 to 4 are missing."],
  [{ expected: "10", received: "8" }, "8 lines of 10; 2 at the end are missing."],
  [{ received: "8" }, "8 lines; whether lines are missing at the end is not known, since the agent was stopped before it could say."],
  [
    { expected: "100", received: "90", missing: [1, 11, 21, 31, 41, 51].map((first) => ({ first: String(first), last: String(first) })) },
    "90 lines of 100; line 1 is, line 11 is, line 21 is, line 31 is, line 41 is and 1 more ranges are missing.",
  ],
])("%j is told as %j", (complete, words) => {
  expect(account(complete)).toBe(words);
});

test("times are of the day in UTC, or since the first line", () => {
  const start = Date.parse("2026-01-02T03:04:05.678Z");
  expect(stamp("2026-01-02T03:04:05.678901Z", "utc", start)).toBe("03:04:05.678");
  expect(stamp("2026-01-02T03:05:06.700Z", "relative", start)).toBe("+01:01.022");
  expect(stamp("2026-01-02T05:05:06.700Z", "relative", start)).toBe("+2:01:01.022");
  expect(stamp("2026-01-02T03:04:05Z", "relative", Number.NaN)).toBe("");
  expect(stamp("", "utc", start)).toBe("");
});

test("lines are copied over pages of the server, pieces of one line put together, escapes left out", async () => {
  const lines = [at(1, "\x1b[1mone\x1b[0m"), at(2, "two "), at(3, "goes on", true), at(4, "four"), at(5, "five")];
  const asked: number[] = [];
  const text = await linesAsText(
    (from) => {
      asked.push(from);
      return Promise.resolve({ lines: lines.slice(from - 1, from + 1), nextSeq: from + 2 > 5 ? 0 : from + 2 });
    },
    1,
    4,
    new AbortController().signal,
  );
  expect(text).toBe("one\ntwo goes on\nfour");
  expect(asked).toEqual([1, 3]);
});
