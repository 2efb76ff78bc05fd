import { describe, expect, test } from "vitest";
import { figuresOf } from "./parts/figures";
import { cancelWords, comeBackWords, deadlineWords, elapsedWords, fileHref, leftUntil, queueWords, ratioWords } from "./words";

const START = Date.parse("2026-03-01T10:00:00Z");

describe("the time of a test", () => {
  test("counts by the server's clock while it goes on", () => {
    const test_ = {
      state: "TEST_STATE_BUILDING" as const,
      times: { submitTime: "2026-03-01T10:00:00Z" },
      history: [{ state: "TEST_STATE_BUILDING" as const, time: "2026-03-01T10:00:10Z" }],
    };
    expect(elapsedWords(test_, START + 15_000)).toBe("Building for 5 s, 15 s in all");
  });

  test("stands still when it has ended", () => {
    expect(elapsedWords({ state: "TEST_STATE_COMPLETED", times: { submitTime: "2026-03-01T10:00:00Z", endTime: "2026-03-01T10:01:05Z" } }, START + 9e9)).toBe("1 min 5 s in all");
  });

  test("says when the limit stops it, not when the platform gives it up", () => {
    const running = { state: "TEST_STATE_RUNNING" as const, spec: { timeout: "60s" }, times: { runStartTime: "2026-03-01T10:00:00Z", deadlineTime: "2026-03-01T10:11:00Z" } };
    expect(deadlineWords(running, START)).toBe("Its time limit stops it in 1 min.");
    expect(deadlineWords(running, START + 61_000)).toMatch(/is being stopped/);
    expect(deadlineWords({ ...running, state: "TEST_STATE_COMPLETED" }, START)).toBe("");
  });
});

test.each([
  [{ position: "1", estimatedWait: "2.500s" }, "Number 1 in the queue: next. It will wait about 2 s."],
  [{ position: "12" }, "Number 12 in the queue. How long it will wait cannot be told now."],
  [undefined, "It waits for a free slot."],
])("a waiting test with place %o says so", (queuePlace, words) => {
  expect(queueWords({ state: "TEST_STATE_QUEUED", ...(queuePlace ? { queuePlace } : {}) })).toBe(words);
});

test("a test that had ended before says how", () => {
  expect(cancelWords("CANCEL_OUTCOME_ALREADY_ENDED", { state: "TEST_STATE_TIMED_OUT" }).text).toBe("It is timed out. Nothing was changed.");
  expect(cancelWords(undefined, undefined).title).toBe("Asked to stop");
});

test.each([
  [1.2, "20 % longer than the mean"],
  [0.5, "50 % shorter than the mean"],
  [1.001, "as the mean"],
  [4, "4.0 times the mean"],
  [undefined, ""],
])("a ratio of %s is %s", (ratio, words) => {
  expect(ratioWords(ratio, "longer", "shorter")).toBe(words);
});

test("the address of a file keeps its folders and escapes the rest", () => {
  expect(fileHref("tst_1", "output", "a b/ü?#.txt")).toBe("/files/tst_1/output/a%20b/%C3%BC%3F%23.txt");
});

test("what is left counts down to nothing", () => {
  expect(leftUntil("2026-03-01T10:00:05Z", START)).toBe("5 s");
  expect(leftUntil("2026-03-01T10:00:00Z", START)).toBeNull();
  expect(leftUntil(undefined, START)).toBeNull();
  expect(comeBackWords(START - 1, START)).toBe("You can try again now.");
});

describe("the figures of a test", () => {
  const ended = { spec: { resources: { memoryMib: 100 } }, result: { metrics: { queueDuration: "1s", runDuration: "4s", peakMemoryBytes: String(50 * 1024 * 1024) } } };

  test("share one scale, and memory has its limit", () => {
    expect(figuresOf(ended).map((one) => [one.label, one.share, one.note])).toEqual([
      ["Waited in the queue", 0.25, ""],
      ["Ran", 1, ""],
      ["Peak memory", 0.5, "50 % of its limit of 100.0 MiB"],
    ]);
  });

  test("stand against the mean of the agent's other tests", () => {
    const figures = figuresOf(ended, { runSeconds: { mean: 8 } }, { runRatio: 0.5 });
    expect(figures[1]).toMatchObject({ share: 0.5, meanShare: 1, note: "50 % shorter than the mean (8.00 s)" });
  });

  test("are none for a test that never ran", () => {
    expect(figuresOf({ state: "TEST_STATE_FAILED" })).toEqual([]);
  });
});
