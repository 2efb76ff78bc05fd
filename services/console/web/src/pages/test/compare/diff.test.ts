import { describe, expect, test } from "vitest";
import { diffLines, onlyDifferences, stacked } from "./diff";

const shown = (left: string, right: string) => {
  const [a, b] = [left.split(""), right.split("")];
  return diffLines(a, b)
    .map((row) => (row.same ? `${a[row.left!]}` : `(${row.left === null ? "" : a[row.left]}>${row.right === null ? "" : b[row.right]})`))
    .join("");
};

// What is left of each side when the rows are read again.
const sides = (a: string[], b: string[]) => {
  const rows = diffLines(a, b);
  return {
    left: rows.filter((row) => row.left !== null).map((row) => a[row.left!]),
    right: rows.filter((row) => row.right !== null).map((row) => b[row.right!]),
    honest: rows.every((row) => !row.same || a[row.left!] === b[row.right!]),
  };
};

describe("the difference of two texts", () => {
  test.each([
    ["", "", ""],
    ["abc", "abc", "abc"],
    ["abc", "axc", "a(b>x)c"],
    ["abc", "ac", "a(b>)c"],
    ["ac", "abc", "a(>b)c"],
    ["", "ab", "(>a)(>b)"],
    ["abcd", "bcde", "(a>)bcd(>e)"],
    ["aabb", "abab", "a(a>)b(>a)b"],
    ["xaaay", "yaaax", "(x>y)aaa(y>x)"],
  ])("%s against %s is %s", (left, right, expected) => {
    expect(shown(left, right)).toBe(expected);
  });

  test("loses no line of either side, whatever they are", () => {
    let seed = 7;
    const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
    for (let round = 0; round < 200; round++) {
      const a = Array.from({ length: random(30) }, () => String(random(6)));
      const b = Array.from({ length: random(30) }, () => String(random(6)));
      expect(sides(a, b)).toEqual({ left: a, right: b, honest: true });
    }
  });

  test("of two long logs that differ in one line is that line", () => {
    const a = Array.from({ length: 5000 }, (_, index) => `line ${index % 1000}`);
    const b = [...a];
    b[2500] = "another";
    expect(diffLines(a, b).filter((row) => !row.same)).toEqual([{ left: 2500, right: 2500, same: false }]);
  });

  test("of two long logs that share lines here and there keeps those together", () => {
    const a = Array.from({ length: 3000 }, (_, index) => (index % 10 === 0 ? `mark ${index}` : `a ${index}`));
    const b = Array.from({ length: 3000 }, (_, index) => (index % 10 === 0 ? `mark ${index}` : `b ${index}`));
    const rows = diffLines(a, b);
    expect(rows.filter((row) => row.same)).toHaveLength(300);
    expect(rows).toHaveLength(3000);
  });

  test("of two long logs of few different lines, all changed, is still told", () => {
    const a = Array.from({ length: 5000 }, (_, index) => `a ${index % 3}`);
    const b = Array.from({ length: 5000 }, (_, index) => `b ${index % 3}`);
    expect(diffLines(a, b)).toHaveLength(5000);
  });
});

test("differences only leaves out what is the same, and says how much", () => {
  const rows = diffLines("0123456789".split(""), "0123x56789".split(""));
  expect(onlyDifferences(rows, 1)).toEqual([{ skipped: 3 }, rows[3], rows[4], rows[5], { skipped: 4 }]);
});

test("in one column the lines of the left side come before those that took their place", () => {
  const rows = stacked(diffLines(["a", "b", "c"], ["x", "y", "c", "d"]));
  expect(rows.map((row) => [row.left, row.right])).toEqual([
    [0, null],
    [1, null],
    [null, 0],
    [null, 1],
    [2, 2],
    [null, 3],
  ]);
});
