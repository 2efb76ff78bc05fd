import { act, renderHook } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { useNow } from "./times";

test("a time that stood still is right as soon as it counts again", () => {
  vi.useFakeTimers();
  const { result, rerender } = renderHook(({ active }) => useNow(1000, active), { initialProps: { active: false } });
  act(() => void vi.advanceTimersByTime(600_000));
  rerender({ active: true });
  expect(result.current).toBe(Date.now());
  vi.useRealTimers();
});
