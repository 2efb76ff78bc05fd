import { QueryClient } from "@tanstack/react-query";
import { expect, test } from "vitest";
import { answer } from "../../test/server";
import { logStartQuery } from "./compareLogs";

test("a log to compare is its words: pages and pieces put together, without the codes of colours", async () => {
  answer("TestService/GetLogs", ({ fromSeq }: { fromSeq: string }) =>
    fromSeq === "1" ? { lines: [{ text: "\x1b[31mred\x1b[0m" }, { text: "long " }], nextSeq: "3" } : { lines: [{ text: "line", continued: true }] },
  );
  expect(await new QueryClient().fetchQuery(logStartQuery("t1"))).toEqual({ lines: ["red", "long line"], more: false });
});
