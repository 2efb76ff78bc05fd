import { expect, test } from "vitest";
import { piecesOf, withSymbols } from "./ansi";
import { BACKGROUND, contrast, css, CURRENT, MATCH, readable, rgbOf, TEXT, type Rgb } from "./colors";
import { lineOf } from "./lines";
import { matcherOf, plain } from "./match";
import { FOLD, textOf } from "./text";

const LOOK = { scheme: "light", matcher: null, isCurrent: false, unfolded: false } as const;

test.each([
  ["16 colours", "\x1b[31mx", [[194, 48, 48], null]],
  ["bright", "\x1b[92mx", [[63, 185, 80], null]],
  ["palette, a colour of the cube", "\x1b[38;5;196mx", [[255, 0, 0], null]],
  ["palette, a grey", "\x1b[48;5;232mx", [null, [8, 8, 8]]],
  ["palette, one of the 16", "\x1b[38;5;9mx", [[240, 82, 82], null]],
  ["true colour", "\x1b[38;2;1;2;3;48;2;4;5;6mx", [[1, 2, 3], [4, 5, 6]]],
  ["true colour with colons", "\x1b[38:2::1:2:3mx", [[1, 2, 3], null]],
  ["palette with colons", "\x1b[38:5:196mx", [[255, 0, 0], null]],
  ["8-bit introducer", "\x9b31mx", [[194, 48, 48], null]],
  ["reset without a number", "\x1b[31m\x1b[mx", [null, null]],
])("%s", (_, text, [fg, bg]) => {
  expect(piecesOf(text)).toEqual([expect.objectContaining({ text: "x", fg, bg })]);
});

test.each([
  ["a link", "\x1b]8;;http://evil\x07text\x1b]8;;\x07", "text"],
  ["a title", "\x1b]0;pwned\x1b\\text", "text"],
  ["moves of the cursor", "a\x1b[2J\x1b[1;1Hb\x1b[?25lc", "abc"],
  ["a reset of the terminal", "\x1bctext", "text"],
  ["an escape cut off", "text\x1b[3", "text"],
  ["colours that are none", "\x1b[999;38;5;999mtext", "text"],
  ["control characters", "a\x00b\x07c\td\x7f", "a␀b␇c\td␡"],
  ["what turns the direction of text", "a\u202eb\u2066c", "a⟨U+202E⟩b⟨U+2066⟩c"],
  ["line separators", "a\u2028b", "a␤b"],
  ["HTML", "<img src=x onerror=alert(1)>&amp;", "<img src=x onerror=alert(1)>&amp;"],
])("%s", (_, text, shown) => {
  expect(piecesOf(text).map((piece) => piece.text).join("")).toBe(shown);
});

test("pieces are as long as the text without escapes, whatever an agent writes", () => {
  let seed = 11;
  const random = (below: number) => (seed = (seed * 48271) % 2147483647) % below;
  const parts = ["\x1b", "[", "31m", "38;5;", "m", ";", "]", "\x07", "\x9b", "a", "é", "😀", "\x00", "?", "0", "P", "\\", "\u202e", "<b>", ":", "2"];
  for (let i = 0; i < 5000; i++) {
    const text = Array.from({ length: 1 + random(12) }, () => parts[random(parts.length)]).join("");
    const shown = piecesOf(text).map((piece) => piece.text).join("");
    expect(shown, JSON.stringify(text)).toBe(withSymbols(plain(text)));
    expect(shown).not.toMatch(/[\x00-\x08\x0a-\x1f\x7f-\x9f]/);
  }
});

test("every colour can be read on every background, in both schemes", () => {
  const colors: Rgb[] = Array.from({ length: 256 }, (_, index) => rgbOf(`ansi-palette-${index}`, null)!);
  for (const scheme of ["light", "dark"] as const) {
    for (const background of [BACKGROUND[scheme], MATCH[scheme], CURRENT[scheme], ...colors.slice(0, 16), ...colors.slice(232, 256)]) {
      for (const color of [...colors, TEXT[scheme]]) expect(contrast(readable(color, background), background)).toBeGreaterThanOrEqual(4.5);
    }
  }
});

test("matches keep their colours and are marked over the borders of pieces", () => {
  const line = lineOf({ seq: "1", text: "one \x1b[31mtwo\x1b[0m three" });
  const { runs } = textOf(line, { ...LOOK, matcher: matcherOf("e two t", false) });
  expect(runs.map((run) => [run.text, run.isMatch])).toEqual([
    ["on", false],
    ["e ", true],
    ["two", true],
    [" t", true],
    ["hree", false],
  ]);
  expect(runs[2]!.style).toEqual({ backgroundColor: css(MATCH.light), color: css(readable([194, 48, 48], MATCH.light)) });
});

test("a huge line is folded with what it hides; its further pieces are hidden altogether", () => {
  const long = { seq: "1", text: `${"é".repeat(FOLD)}hidden hidden` };
  const folded = textOf(lineOf(long), { ...LOOK, matcher: matcherOf("hidden", false) });
  expect(folded.runs.map((run) => run.text).join("")).toBe("é".repeat(FOLD));
  expect(folded).toMatchObject({ hiddenBytes: 13, hiddenMatches: 2 });
  expect(textOf(lineOf(long), { ...LOOK, unfolded: true }).hiddenBytes).toBe(0);
  expect(textOf(lineOf({ ...long, continued: true }), LOOK)).toMatchObject({ runs: [], hiddenBytes: 2 * FOLD + 13 });
  expect(textOf(lineOf({ seq: "2", text: "short", continued: true }), LOOK).runs).toHaveLength(1);
});
