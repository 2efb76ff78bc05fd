import { afterEach, expect, test, vi } from "vitest";
import { keep, recall } from "./tabMemory";

afterEach(() => vi.restoreAllMocks());

test("what the browser has no room for is not remembered, and breaks nothing", () => {
  keep("draft", "short");
  vi.spyOn(Storage.prototype, "setItem").mockImplementation(() => {
    throw new DOMException("full", "QuotaExceededError");
  });
  keep("draft", "too long");
  expect(recall("draft")).toBeNull();
});
