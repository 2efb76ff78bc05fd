import { act, renderHook } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { formatTime, useNow } from "./times";

test("a time that stood still is right as soon as it counts again", () => {
  vi.useFakeTimers();
  const { result, rerender } = renderHook(({ active }) => useNow(1000, active), { initialProps: { active: false } });
  act(() => void vi.advanceTimersByTime(600_000));
  rerender({ active: true });
  expect(result.current).toBe(Date.now());
  vi.useRealTimers();
});

test.each([
  [500, "just now"],
  [59_999, "59 s ago"],
  [119_000, "1 min ago"],
  [3 * 3_600_000 - 1, "2 h ago"],
  [50 * 3_600_000, "2 d ago"],
  [-80_000, "in 1 min"],
  [1000 - 90 * 86_400_000, "in 90 d"],
  [2000 - 24 * 3_600_000, "in 24 h"],
])("%d ms ago is said in one unit: %s", (ms, words) => {
  expect(formatTime(1_000_000_000, "relative", 1_000_000_000 + ms)).toBe(words);
});
