import { act, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useState } from "react";
import { afterEach, expect, test, vi } from "vitest";
import { stream, type EventStream, type Feed } from "../../../api/events";
import type { Test } from "../../../api/types";
import { render } from "../../../test/render";
import { answer, refuse } from "../../../test/server";
import type { CompareSearch } from "../search";
import { CompareView } from "./ComparePage";

const [A, B] = ["a", "b"].map((digit) => `tst_${digit.repeat(32)}`) as [string, string];
const make = (id: string, text: string, env: string): Test => ({
  id,
  state: "TEST_STATE_COMPLETED",
  spec: { name: "weather", query: "same query", env: { TOKEN: env }, timeout: "30s" },
  result: { success: true, responseJson: JSON.stringify(text), metrics: { runDuration: id === A ? "1s" : "2s" } },
});
const tests: Record<string, Test> = { [A]: make(A, "first\nshared", "old"), [B]: make(B, "second\nshared", "new") };

afterEach(() => vi.restoreAllMocks());

function Page({ start }: { start: CompareSearch }) {
  const [search, setSearch] = useState(start);
  return <CompareView search={search} onSearch={setSearch} />;
}

const logs = (make: (fromSeq: number) => object) =>
  answer("TestService/GetLogs", (request: { fromSeq: string }) => make(Number(request.fromSeq)) as never);

test("two tests stand side by side, and differences only leaves out the rest", async () => {
  answer("TestService/GetTest", (request: { testId: string }) => ({ test: tests[request.testId] }) as never);
  logs((from) => (from === 1 ? { lines: [{ seq: "1", text: "line one" }], nextSeq: "2" } : { lines: [{ seq: "2", text: "line two" }], complete: {} }));
  const narrow = window.matchMedia("");
  vi.spyOn(window, "matchMedia").mockImplementation((media) => ({ ...narrow, media, matches: media === "(min-width: 48em)" }));
  await render(<Page start={{ a: A, b: B }} />);
  expect(await screen.findByText("+100 %")).toBeInTheDocument();
  const diff = screen.getByRole("region", { name: "Answer side by side" });
  for (const text of ["first", "second"]) expect(within(diff).getByText(text)).toBeInTheDocument();
  expect(within(diff).getAllByText("shared")).toHaveLength(2);
  expect(screen.getByText("Variable TOKEN")).toBeInTheDocument();
  expect(screen.queryByText(/old|new$/)).not.toBeInTheDocument();
  expect(screen.getByText("Time limit")).toBeInTheDocument();
  const log = await screen.findByRole("region", { name: "Logs side by side" });
  expect(within(log).getAllByText("line two")).toHaveLength(2);
  await userEvent.click(screen.getByLabelText("Differences only"));
  expect(screen.queryByText("Time limit")).not.toBeInTheDocument();
  expect(screen.queryByRole("region", { name: "Logs side by side" })).not.toBeInTheDocument();
});

test("one that still runs is followed to its end: state, figures, answer and log", async () => {
  const feeds = new Map<string, (data: object) => void>();
  vi.spyOn(stream, "follow").mockImplementation((...[feed, tell]: Parameters<EventStream["follow"]>) => {
    const key = `${feed.kind} ${(feed as Extract<Feed, { testId: string }>).testId} ${(feed as { fromSeq?: string }).fromSeq ?? ""}`.trim();
    feeds.set(key, (data) => tell({ kind: feed.kind, data } as never));
    return () => feeds.delete(key);
  });
  const { result: _, ...rest } = tests[B]!;
  const running: Test = { ...rest, state: "TEST_STATE_RUNNING", history: [{ state: "TEST_STATE_RUNNING" }] };
  let now = running;
  answer("TestService/GetTest", (request: { testId: string }) => ({ test: request.testId === A ? tests[A] : now }) as never);
  answer("TestService/GetLogs", (request: { testId: string }) => (request.testId === A ? { lines: [{ seq: "1", text: "begin" }], complete: {} } : { lines: [{ seq: "1", text: "begin" }] }));
  await render(<Page start={{ a: A, b: B }} />);
  const second = await screen.findByRole("region", { name: "Second test" });
  expect(within(second).getByText("Running")).toBeInTheDocument();
  await waitFor(() => expect([...feeds.keys()].sort()).toEqual([`log ${B} 2`, `test ${B}`]));

  act(() => feeds.get(`log ${B} 2`)!({ lines: [{ seq: "2", text: "it goes on" }] }));
  expect(await screen.findByText("it goes on")).toBeInTheDocument();

  now = { ...tests[B]!, history: [...running.history!, { state: "TEST_STATE_COMPLETED" }] };
  const { responseJson: _json, ...told } = now.result!;
  act(() => {
    feeds.get(`log ${B} 2`)!({ lines: [{ seq: "3", text: "done" }], complete: {} });
    feeds.get(`test ${B}`)!({ test: { ...now, result: told } });
  });
  expect(await within(second).findByText("Passed")).toBeInTheDocument();
  expect(await screen.findByText("+100 %")).toBeInTheDocument();
  // What the stream leaves out is read when it has ended.
  expect(await within(screen.getByRole("region", { name: "Answer" })).findByText("second")).toBeInTheDocument();
  expect(await screen.findByText("done")).toBeInTheDocument();
  await waitFor(() => expect([...feeds.keys()]).toEqual([]));

  await userEvent.click(screen.getByRole("button", { name: "Swap" }));
  expect(within(await screen.findByRole("region", { name: "First test" })).getByText(B)).toBeInTheDocument();
  expect([...feeds.keys()]).toEqual([]);
});

test("of a long log only the first lines are compared, and that is said", async () => {
  answer("TestService/GetTest", (request: { testId: string }) => ({ test: tests[request.testId] }) as never);
  logs((from) => ({ lines: Array.from({ length: 2500 }, (_, index) => ({ seq: String(from + index), text: `line ${from + index}` })), nextSeq: String(from + 2500) }));
  await render(<Page start={{ a: A, b: B, only: true }} />);
  expect(await screen.findByText(/Of the first and the second test only the first 5,000 lines are compared/)).toBeInTheDocument();
});

test("a test that is not there is named", async () => {
  refuse("TestService/GetTest", 404, { code: "NOT_FOUND", message: "no" });
  await render(<Page start={{ a: A, b: B }} />);
  expect(await screen.findByText(`There is no test ${B} among yours`)).toBeInTheDocument();
});

test("without two ids the page asks for them", async () => {
  await render(<Page start={{ a: "nonsense" }} />);
  expect(screen.getByText("An id is tst_ and 32 hexadecimal digits.")).toBeInTheDocument();
  expect(screen.getByRole("button", { name: "Compare" })).toBeDisabled();
});
