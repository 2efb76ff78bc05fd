import { expect, test } from "vitest";
import { isTyping } from "./typing";

test.each([
  ["<input>", true],
  ['<input type="search">', true],
  ["<textarea></textarea>", true],
  ["<select></select>", true],
  ['<input type="checkbox">', false],
  ['<input type="radio">', false],
  ["<button></button>", false],
])("letters in %s are text: %s", (html, typed) => {
  document.body.innerHTML = html;
  expect(isTyping(document.body.firstElementChild)).toBe(typed);
  expect(isTyping(null)).toBe(false);
});
