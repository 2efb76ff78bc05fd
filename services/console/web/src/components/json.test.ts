import { describe, expect, test } from "vitest";
import { foldedBelow, parseJson, prettyJson, rowsOf, stringAnswer } from "./json";

const shown = (text: string, folded = new Set<string>()) => {
  const root = parseJson(text);
  if (!root) throw new Error("no JSON");
  return rowsOf(root, folded).map((row) => `${" ".repeat(row.depth)}${row.label ?? ""}=${row.folds ? row.node.kind : text.slice(row.node.start, row.node.end)}`);
};

describe("JSON that is looked at", () => {
  test("keeps every digit of a large integer, and the order of keys", () => {
    expect(shown('{"z": 12345678901234567890, "a": [1e400, -0, true, null]}')).toEqual([
      "=object",
      " z=12345678901234567890",
      " a=array",
      "  0=1e400",
      "  1=-0",
      "  2=true",
      "  3=null",
    ]);
  });

  test("keeps two values of the same key, as the text has them", () => {
    expect(shown('{"a":1,"a":2}')).toEqual(["=object", " a=1", " a=2"]);
  });

  test("reads empty ones, nested ones and escapes", () => {
    expect(shown('{"a":{},"b":[],"c\\"d":"x\\\\","e":[[],[{}]]}')).toEqual([
      "=object",
      " a={}",
      " b=[]",
      ' c"d="x\\\\"',
      " e=array",
      "  0=[]",
      "  1=array",
      "   0={}",
    ]);
  });

  test.each(["", "{", "[1,]", '{"a"}', '{"a":1', "[1}", "nul", '"open', "1 2", "]", "{,}", "[1 2]", "01", '{"a":1,}'])("%s is no JSON", (text) => {
    expect(parseJson(text)).toBeNull();
  });

  test.each(["1", " [ ] ", '"x"', "{ }", "[[1],[2]]", "[ {} , [] ]"])("%s is JSON", (text) => {
    expect(parseJson(text)).not.toBeNull();
  });

  test("is read however deep it is nested", () => {
    const text = "[".repeat(50_000) + "]".repeat(50_000);
    const root = parseJson(text);
    expect(root).not.toBeNull();
    expect(rowsOf(root!, new Set())).toHaveLength(50_000);
    expect(prettyJson(text, root!).split("\n")).toHaveLength(99_999);
  });

  test("folds from a depth on", () => {
    const text = '{"a":{"b":[1,2]},"c":3}';
    expect(shown(text, foldedBelow(parseJson(text)!, 1))).toEqual(["=object", " a=object", " c=3"]);
  });

  test("is laid out without changing a value", () => {
    const text = '{"n":12345678901234567890,"l":[1,{"x":"\\u00e9"}],"e":[]}';
    const pretty = prettyJson(text, parseJson(text)!);
    expect(pretty).toBe('{\n  "n": 12345678901234567890,\n  "l": [\n    1,\n    {\n      "x": "\\u00e9"\n    }\n  ],\n  "e": []\n}');
  });
});

test("an answer that is a string is told from others", () => {
  expect(stringAnswer('"a\\nb"')).toBe("a\nb");
  expect(stringAnswer("12")).toBeNull();
  expect(stringAnswer('"broken')).toBeNull();
});
