import { expect, test } from "vitest";
import { formatUsd, roughUsd } from "./numbers";

test.each([
  [0, "$0"],
  [1.9e-7, "$0.00000019"],
  [0.00042, "$0.00042"],
  [0.005, "$0.005"],
  [12.345, "$12.35"],
  [undefined, "–"],
])("%s dollars are written out: %s", (usd, words) => {
  expect(formatUsd(usd)).toBe(words);
});

test("a figure has room for a few digits", () => {
  expect(roughUsd(0)).toBe("$0");
  expect(roughUsd(1.9e-7)).toBe("< $0.0001");
  expect(roughUsd(0.00042)).toBe("$0.00042");
});
