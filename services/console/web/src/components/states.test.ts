import { expect, test } from "vitest";
import { queryOf } from "./states";

test("a list tells no query from an empty one", () => {
  expect(queryOf({ spec: {} })).toBe("no query");
  expect(queryOf({ spec: { query: "" } })).toBe("empty query");
  expect(queryOf({ spec: { query: "the sea" } })).toBe("the sea");
});
