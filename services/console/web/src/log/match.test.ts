import { expect, test } from "vitest";
import { fold, matcherOf, plain } from "./match";

// Texts, what is looked for in them, and whether the server (Python: str.casefold, escapes passed over) finds it.
test.each([
  ["Hello", "hello", true],
  ["Straße", "STRASSE", true],
  ["STRASSE", "straße", true],
  ["ΟΔΥΣΣΕΥΣ", "οδυσσευς", true],
  ["οδυσσεύς", "ΟΔΥΣΣΕΎΣ", true],
  ["ﬁle", "FILE", true],
  ["İstanbul", "i̇stanbul", true],
  ["ısı", "isi", false],
  ["µm", "Μm", true],
  ["Kelvin K", "kelvin k", true],
  ["\x1b[31mre\x1b[0md", "red", true],
  ["\x1b]8;;http://x\x07link\x1b]8;;\x07", "link", true],
  ["\x1b]0;title\x1b\\text", "title", false],
  ["cut \x1b[3", "[3", false],
  ["\x9b1mbold", "1m", false],
  ["abc", "abd", false],
  ["😀 smile", "😀 SMILE", true],
])("%j has %j: %s", (line, wanted, found) => {
  const matcher = matcherOf(wanted, false)!;
  expect(matcher.isIn(line)).toBe(found);
  expect(matcher.spans(plain(line)).length > 0).toBe(found);
});

test("case can matter", () => {
  expect(matcherOf("Red", true)!.isIn("red")).toBe(false);
  expect(matcherOf("Red", true)!.isIn("\x1b[1mRe\x1b[0md")).toBe(true);
  expect(matcherOf("", false)).toBeNull();
});

test.each([
  ["a red rEd RED", "red", ["red", "rEd", "RED"]],
  ["aaaa", "aa", ["aa", "aa"]],
  ["Maße in Massen", "mass", ["Maß", "Mass"]],
  ["😀É é", "é", ["É", "é"]],
  ["ẞx", "s", ["ẞ", "ẞ"]],
])("in %j the places of %j are %j", (line, wanted, places) => {
  expect(matcherOf(wanted, false)!.spans(line).map(({ start, end }) => line.slice(start, end))).toEqual(places);
});

test("what is folded twice is folded once", () => {
  for (let code = 0; code < 0x3000; code++) {
    const once = fold(String.fromCodePoint(code));
    expect(fold(once)).toBe(once);
  }
});
