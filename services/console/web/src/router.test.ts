import { createMemoryHistory, createRouter } from "@tanstack/react-router";
import { expect, test } from "vitest";
import { makeRouter, parseSearch } from "./router";

test.each([
  ["/tests/tst_1/log?streams=zz&level=toString&line=last", {}],
  ["/tests/tst_1?tab=nonsense&streams=%7B%22a%22:1%7D&find=12", { find: "12" }],
  ["/tests?order=constructor&state=%5B%5B%5D%5D&archived=yes", {}],
  ["/compare?a=%5B1%5D&b=tst_2", { b: "tst_2" }],
])("of the address %s nothing stays that is not understood", async (address, understood) => {
  const { routeTree, options } = makeRouter();
  const router = createRouter({ ...options, routeTree, history: createMemoryHistory({ initialEntries: [address] }) } as never);
  await router.load();
  const search = router.state.matches.at(-1)?.search as Record<string, unknown>;
  expect(Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined))).toEqual(understood);
});

test("words of an address are text that a request can carry", () => {
  expect(parseSearch('?text="\\ud800 a"&line=12&label=["\\udc00","b 😀"]')).toEqual({ text: "\ufffd a", line: "12", label: ["\ufffd", "b 😀"] });
});
