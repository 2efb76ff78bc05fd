// The lines of one view, against an API of a few lines: what comes at the same moment gets in nobody's way.
import { waitFor } from "@testing-library/react";
import { expect, test } from "vitest";
import { ApiError } from "../api/call";
import { answer } from "../test/server";
import { PAGE } from "./lines";
import { Pages } from "./pages";
import { LogStore } from "./store";

const line = (seq: number) => ({ seq: String(seq), text: `line ${seq}` });

/** Something that ends when it is told to. */
function gate(): { open: () => void; opened: Promise<void> } {
  let open = () => undefined as void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { open, opened };
}

test("lines that come while their page is read are kept", async () => {
  const { open, opened } = gate();
  let known = 2;
  const pages = new Pages(
    async () => {
      await opened;
      return { lines: [1, 2].map((seq) => ({ ...line(seq), seq }) as never), nextSeq: 0 };
    },
    () => ({ mark: 1, known }),
    () => undefined,
    (error) => expect.unreachable(String(error)),
  );
  const read = pages.whole(0, new AbortController().signal);
  known = 3;
  pages.put(2, { ...line(3), seq: 3 } as never);
  open();
  expect((await read).map(({ seq }) => seq)).toEqual([1, 2, 3]);
  expect([0, 1, 2].map((index) => pages.lineAt(index)?.seq)).toEqual([1, 2, 3]);
});

test("a search that is tried again while it is under way counts its lines once", async () => {
  const lines = PAGE * 2;
  let answers = 0;
  answer("TestService/SearchLogs", () => (answers++, { count: String(lines), marks: ["1", String(PAGE + 1)], lastSeq: String(lines) }));
  answer("TestService/GetLogs", ({ fromSeq, pageSize }: { fromSeq: string; pageSize: number }) => ({ lines: Array.from({ length: pageSize }, (_, at) => line(Number(fromSeq) + at)) }));
  const store = new LogStore("t1", {});
  store.open();
  store.retry();
  await waitFor(() => expect([answers, store.view.ready]).toEqual([2, true]));
  expect(store.view.count).toBe(lines);
  // The last line of the first page is followed by the first one of the second.
  expect([await store.indexOf(PAGE), await store.indexOf(PAGE + 1), await store.indexOf(lines)]).toEqual([PAGE - 1, PAGE, lines - 1]);
  store.close();
});

test("an error of the feed goes when its lines come again", async () => {
  answer("TestService/SearchLogs", () => ({ count: "0", lastSeq: "0" }));
  const store = new LogStore("t1", {});
  store.open();
  await waitFor(() => expect(store.view.ready).toBe(true));
  store.take({ kind: "error", error: new ApiError(200, { code: "INTERNAL", message: "It broke." }) });
  expect(store.view.error).toMatchObject({ code: "INTERNAL" });
  store.take({ kind: "log", data: { lines: [line(1)] } });
  await waitFor(() => expect(store.view.count).toBe(1));
  expect(store.view.error).toBeNull();
  store.close();
});

test("a view that was closed with lines in hand shows them when it is opened again", async () => {
  answer("TestService/SearchLogs", () => ({ count: "0", lastSeq: "0" }));
  const store = new LogStore("t1", {});
  store.open();
  await waitFor(() => expect(store.view.ready).toBe(true));
  store.take({ kind: "log", data: { lines: [line(1)] } });
  store.close();
  store.open();
  store.take({ kind: "log", data: { lines: [line(2)] } });
  await waitFor(() => expect(store.view.count).toBe(2));
  store.close();
});

test("an open line goes when the filter leaves out what has become of it, and a newer one stays", async () => {
  answer("TestService/SearchLogs", () => ({ count: "0", lastSeq: "0" }));
  const store = new LogStore("t1", { text: "so far" });
  store.open();
  await waitFor(() => expect(store.view.ready).toBe(true));
  const tell = (...partialLines: object[]) => store.take({ kind: "log", data: { partialLines: partialLines.map((one) => ({ stream: "LOG_STREAM_STDOUT", ...one })) as never } });
  const shown = () => store.view.partials.map(({ text }) => text);
  tell({ text: "so far", afterSeq: "3" });
  await waitFor(() => expect(shown()).toEqual(["so far"]));
  tell({ gone: true, afterSeq: "2" }, { stream: "LOG_STREAM_STDERR", text: "so far, too" });
  await waitFor(() => expect(shown()).toEqual(["so far", "so far, too"]));
  tell({ gone: true, afterSeq: "3" });
  await waitFor(() => expect(shown()).toEqual(["so far, too"]));
  store.close();
});
