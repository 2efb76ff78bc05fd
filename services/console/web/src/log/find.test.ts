import { expect, test } from "vitest";
import { Find, type Ask } from "./find";
import { lineOf } from "./lines";
import { matcherOf } from "./match";

/** SearchLogs over lines whose numbers are `seqs`, with at most 10,000 marks. */
function server(seqs: number[], lastSeq: number): { ask: Ask; asked: [number, number][] } {
  const asked: [number, number][] = [];
  return {
    asked,
    ask: (fromSeq, step) => {
      asked.push([fromSeq, step]);
      const marks: number[] = [];
      let count = 0;
      for (const seq of seqs.filter((one) => one >= fromSeq)) {
        if (count % step === 0) {
          if (marks.length === 10_000) return Promise.resolve({ count, marks, lastSeq: seq - 1, nextSeq: seq });
          marks.push(seq);
        }
        count++;
      }
      return Promise.resolve({ count, marks, lastSeq, nextSeq: 0 });
    },
  };
}
const MATCHER = matcherOf("x", false)!;
const line = (seq: number, text = "X") => lineOf({ seq: String(seq), text });
const upTo = (count: number, every: number) => Array.from({ length: count }, (_, index) => (index + 1) * every);

test("nothing is found in nothing", async () => {
  const find = new Find(server([], 0).ask, MATCHER);
  await find.run();
  expect(find.count).toBe(0);
  expect(await find.from(1)).toBeNull();
  expect(await find.at(0)).toBeNull();
});

test("it goes from match to match, round at both ends, and begins where the reader is", async () => {
  const find = new Find(server([3, 8, 20], 30).ask, MATCHER);
  await find.run();
  expect(find.count).toBe(3);
  expect(await find.from(8)).toEqual({ seq: 8, index: 1 });
  expect(await find.from(9)).toEqual({ seq: 20, index: 2 });
  expect(await find.from(21), "behind the last: the first").toEqual({ seq: 3, index: 0 });
  expect(await find.at(3)).toEqual({ seq: 3, index: 0 });
  expect(await find.at(-1)).toEqual({ seq: 20, index: 2 });
});

test.each([9_999, 10_000, 10_001, 20_000, 35_123])("%i matches: all are counted, and those are read that are gone to", async (count) => {
  const { ask, asked } = server(upTo(count, 3), count * 3 + 5);
  const find = new Find(ask, MATCHER);
  await find.run();
  expect(find.count).toBe(count);
  expect(asked.length).toBeLessThanOrEqual(2);
  for (const index of [0, 9_998, count - 1, Math.floor(count / 2)]) {
    expect(await find.at(index)).toEqual({ seq: (index + 1) * 3, index });
    expect(await find.from((index + 1) * 3 - 1)).toEqual({ seq: (index + 1) * 3, index });
  }
  expect(await find.from(count * 3 + 1)).toEqual({ seq: 3, index: 0 });
});

test("lines that come are counted once, also those that came while it searched", async () => {
  const find = new Find(server([3, 8], 10).ask, MATCHER);
  const running = find.run();
  find.grow([line(9), line(10), line(11), line(12, "other")]);
  await running;
  expect(find.count, "9 and 10 the server looked at").toBe(3);
  expect(find.grow([line(12), line(13, "other")])).toBe(false);
  expect(find.grow([line(14)])).toBe(true);
  expect(await find.at(-1)).toEqual({ seq: 14, index: 3 });
});

test("it grows over the border of a block", async () => {
  const find = new Find(server(upTo(9_999, 1), 9_999).ask, MATCHER);
  await find.run();
  find.grow([line(10_000), line(10_001), line(10_002)]);
  expect(find.count).toBe(10_002);
  expect(await find.at(10_000)).toEqual({ seq: 10_001, index: 10_000 });
  expect(await find.from(10_002)).toEqual({ seq: 10_002, index: 10_001 });
});
