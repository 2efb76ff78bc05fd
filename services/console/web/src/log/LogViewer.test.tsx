// The viewer against an API of a few lines: what it shows, asks for and does on keys. jsdom has no layout: heights are made up.
import { act, fireEvent, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { HttpResponse, http } from "msw";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { stream, type EventStream } from "../api/events";
import { render } from "../test/render";
import { answer, refuse, server } from "../test/server";
import { LogViewer } from "./LogViewer";
import { plain } from "./match";
import { SHOW_ALL } from "./show";

interface Wanted {
  fromSeq?: string;
  pageSize?: number;
  step?: number;
  text?: string;
  minLevel?: string;
}
interface Stored {
  seq: string;
  text: string;
  level?: string;
  stream?: string;
  continued?: boolean;
}

/** A log as the API tells it: SearchLogs and GetLogs over `lines`. */
function serve(lines: Stored[], complete: object | undefined): void {
  const fits = (wanted: Wanted) =>
    lines.filter(
      (line) =>
        Number(line.seq) >= Number(wanted.fromSeq ?? 0) &&
        (!wanted.text || plain(line.text).toLowerCase().includes(wanted.text.toLowerCase())) &&
        (wanted.minLevel !== "LOG_LEVEL_ERROR" || line.level === "LOG_LEVEL_ERROR"),
    );
  answer("TestService/SearchLogs", (wanted: Wanted) => {
    const found = fits(wanted);
    return {
      count: String(found.length),
      marks: found.filter((_, index) => index % (wanted.step ?? 500) === 0).map((line) => line.seq),
      firstErrorSeq: found.find((line) => line.level === "LOG_LEVEL_ERROR")?.seq,
      lastSeq: lines.at(-1)?.seq,
      complete,
    };
  });
  answer("TestService/GetLogs", (wanted: Wanted) => ({ lines: fits(wanted).slice(0, wanted.pageSize) }) as never);
}

const FIVE: Stored[] = [
  { seq: "1", text: "begin" },
  { seq: "2", text: "\x1b[31mred\x1b[0m <b>words</b>", stream: "LOG_STREAM_STDERR" },
  { seq: "3", text: "it broke", level: "LOG_LEVEL_ERROR" },
  { seq: "4", text: "x".repeat(5000) },
  { seq: "5", text: "BEGIN again" },
];
const ALL = { expected: "5", received: "5", complete: true };

let tell: (data: object) => void;
beforeEach(() => {
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(400);
  vi.spyOn(HTMLElement.prototype, "offsetHeight", "get").mockReturnValue(18);
  vi.spyOn(stream, "follow").mockImplementation((...args: Parameters<EventStream["follow"]>) => {
    tell = (data) => args[1]({ kind: "log", data });
    return () => undefined;
  });
});
afterEach(() => vi.restoreAllMocks());

test("a log that ended shows its lines as text and says that it is complete", async () => {
  serve(FIVE, ALL);
  await render(<LogViewer testId="t1" testState="TEST_STATE_COMPLETED" />);
  expect(await screen.findByText("<b>words</b>", { exact: false })).toBeVisible();
  expect(screen.getByText("red")).toHaveStyle({ color: "rgb(194 48 48)" });
  expect(screen.getByText("5 lines, complete.")).toBeVisible();
  expect(stream.follow).not.toHaveBeenCalled();
});

test("a log of a running test grows by the feed from the line after the search, and partial lines become lines", async () => {
  serve(FIVE, undefined);
  await render(<LogViewer testId="t1" testState="TEST_STATE_RUNNING" />);
  await screen.findByText("begin");
  expect(stream.follow).toHaveBeenCalledWith({ kind: "log", testId: "t1", fromSeq: "6" }, expect.anything());
  act(() => tell({ partialLines: [{ stream: "LOG_STREAM_STDOUT", text: "six, but not yet" }] }));
  expect(await screen.findByText("six, but not yet")).toBeVisible();
  act(() => tell({ lines: [{ seq: "6", stream: "LOG_STREAM_STDOUT", text: "six is done" }] }));
  expect(await screen.findByText("six is done")).toBeVisible();
  expect(screen.queryByText("six, but not yet")).toBeNull();
  act(() => tell({ lines: [{ seq: "6", stream: "LOG_STREAM_STDOUT", text: "six is done" }], complete: { expected: "9", received: "6", missing: [{ first: "7", last: "9" }] } }));
  expect(await screen.findByText("6 lines of 9; lines 7 to 9 are missing.")).toBeVisible();
  expect(screen.getAllByText("six is done")).toHaveLength(1);
});

test("a search counts over the whole log, goes on by keys, and counts lines that come", async () => {
  serve(FIVE, undefined);
  const user = userEvent.setup();
  await render(<LogViewer testId="t1" testState="TEST_STATE_RUNNING" />);
  await screen.findByText("begin");
  await user.keyboard("/");
  expect(screen.getByLabelText("Search in the whole log")).toHaveFocus();
  await user.keyboard("begin");
  expect(await screen.findByText("1 of 2 lines")).toBeVisible();
  await user.keyboard("{Enter}");
  expect(await screen.findByText("2 of 2 lines")).toBeVisible();
  screen.getByRole("region", { name: "Lines of the log" }).focus();
  await user.keyboard("n");
  expect(await screen.findByText("1 of 2 lines")).toBeVisible();
  act(() => tell({ lines: [{ seq: "6", text: "\x1b[1mbe\x1b[0mgin the third" }] }));
  expect(await screen.findByText("1 of 3 lines")).toBeVisible();
  expect(screen.getAllByText(/^begin$/i, { selector: "mark" }).length).toBeGreaterThanOrEqual(2);
});

test("every key press counts, however fast they come", async () => {
  serve(Array.from({ length: 9 }, (_, index) => ({ seq: String(index + 1), text: `match ${index + 1}` })), ALL);
  const user = userEvent.setup();
  await render(<LogViewer testId="t1" testState="TEST_STATE_COMPLETED" show={{ ...SHOW_ALL, text: "match" }} />);
  expect(await screen.findByText("1 of 9 lines")).toBeVisible();
  const press = (key: string, times: number) => act(() => Array.from({ length: times }, () => fireEvent.keyDown(window, { key })));
  press("n", 5);
  expect(await screen.findByText("6 of 9 lines")).toBeVisible();
  press("N", 3);
  expect(await screen.findByText("3 of 9 lines")).toBeVisible();
  // The last match follows the first one backwards.
  await user.keyboard("NNN");
  expect(await screen.findByText("9 of 9 lines")).toBeVisible();
});

test("only matches asks the server for them, and all lines come back", async () => {
  serve(FIVE, ALL);
  const user = userEvent.setup();
  const told = vi.fn();
  await render(<LogViewer testId="t1" testState="TEST_STATE_COMPLETED" onShow={told} />);
  await screen.findByText("it broke");
  await user.type(screen.getByLabelText("Search in the whole log"), "begin");
  await user.click(screen.getByLabelText("Only matches"));
  expect(await screen.findByText(/2 lines shown/)).toBeVisible();
  expect(screen.queryByText("it broke")).toBeNull();
  await waitFor(() => expect(told).toHaveBeenLastCalledWith(expect.objectContaining({ text: "begin", only: true })));
  await user.click(screen.getByLabelText("Only matches"));
  expect(await screen.findByText("it broke")).toBeVisible();
});

test("a huge line is folded until it is asked for", async () => {
  serve(FIVE, ALL);
  const user = userEvent.setup();
  await render(<LogViewer testId="t1" testState="TEST_STATE_COMPLETED" />);
  const fold = await screen.findByRole("button", { name: "show 2.93 KiB more" });
  expect(screen.queryByText("x".repeat(5000))).toBeNull();
  await user.click(fold);
  expect(screen.getByText("x".repeat(5000))).toBeVisible();
});

test("a click on a number marks its line, with Shift a range, and lines that are marked can be copied", async () => {
  serve(FIVE, ALL);
  const user = userEvent.setup();
  const onLine = vi.fn();
  await render(<LogViewer testId="t1" testState="TEST_STATE_COMPLETED" line="2" onLine={onLine} />);
  await user.click(await screen.findByText("3"));
  expect(onLine).toHaveBeenLastCalledWith("3");
  await user.keyboard("{Shift>}");
  await user.click(screen.getByText("3"));
  await user.keyboard("{/Shift}");
  expect(onLine).toHaveBeenLastCalledWith("2-3");
  await user.click(screen.getByRole("button", { name: "Copy line 2" }));
  await waitFor(async () => expect(await navigator.clipboard.readText()).toBe("red <b>words</b>"));
});

test("a link to a line that is not there says so", async () => {
  serve(FIVE, ALL);
  await render(<LogViewer testId="t1" testState="TEST_STATE_COMPLETED" line="77" />);
  expect(await screen.findByText("There is no line 77 yet.")).toBeVisible();
});

test("a log without lines says whether some may come", async () => {
  serve([], undefined);
  const { unmount } = await render(<LogViewer testId="t1" testState="TEST_STATE_RUNNING" />);
  expect(await screen.findByText("Waiting for the first line")).toBeVisible();
  act(() => tell({ lines: [{ seq: "1", text: "there it is" }] }));
  expect(await screen.findByText("there it is")).toBeVisible();
  unmount();
  serve([], { complete: true });
  await render(<LogViewer testId="t2" testState="TEST_STATE_COMPLETED" />);
  expect(await screen.findByText("This test wrote nothing")).toBeVisible();
});

test("a refusal is told in the server's words and can be tried again", async () => {
  refuse("TestService/SearchLogs", 404, { code: "NOT_FOUND", message: "There is no test t1." });
  const user = userEvent.setup();
  await render(<LogViewer testId="t1" testState={undefined} />);
  expect(await screen.findByText("There is no test t1.")).toBeVisible();
  serve(FIVE, ALL);
  await user.click(screen.getByRole("button", { name: "Try again" }));
  expect(await screen.findByText("it broke")).toBeVisible();
});

test("a server that is away is asked again by itself", async () => {
  let calls = 0;
  serve(FIVE, ALL);
  server.use(
    http.post(
      "*/api/TestService/SearchLogs",
      () => {
        calls++;
        return HttpResponse.json({ code: "UNAVAILABLE", message: "The gateway is away.", retryAfterMs: 10 }, { status: 503 });
      },
      { once: true },
    ),
  );
  await render(<LogViewer testId="t1" testState="TEST_STATE_COMPLETED" />);
  expect(await screen.findByText("it broke")).toBeVisible();
  expect(calls).toBe(1);
});

test("keys switch wrapping and times, and these are kept", async () => {
  serve(FIVE, ALL);
  const user = userEvent.setup();
  await render(<LogViewer testId="t1" testState="TEST_STATE_COMPLETED" />);
  await screen.findByText("begin");
  await user.keyboard("w");
  expect(screen.getByLabelText("Wrap")).toBeChecked();
  await user.keyboard("gt");
  expect(screen.getByLabelText(/^Times/)).not.toBeChecked();
  await user.keyboard("t");
  expect(screen.getByLabelText(/^Times/)).toBeChecked();
  expect(localStorage.getItem("assay-log-wrap")).toBe("true");
});
