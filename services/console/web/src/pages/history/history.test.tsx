import { Notifications } from "@mantine/notifications";
import { act, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Test } from "../../api/types";
import { render } from "../../test/render";
import { answer, refuse } from "../../test/server";
import { exportLimit } from "./exportLimit";
import { HistoryPage } from "./HistoryPage";
import { belongs, newcomers, patch } from "./live";
import { countFilters, historySearch, parseSpan, toFilter, type HistorySearch } from "./search";

const follow = vi.hoisted(() => ({ tell: (_: unknown) => undefined as void }));
vi.mock("../../api/events", () => ({
  useFeed: (_feed: unknown, tell: (message: unknown) => void) => {
    follow.tell = tell;
  },
  useConnection: () => "open",
}));

const test = (n: number, more: Partial<Test> = {}): Test => ({
  id: `tst_${String(n).padStart(32, "0")}`,
  state: "TEST_STATE_COMPLETED",
  userId: "dev",
  spec: { agentName: `agent ${n}`, agentId: "a", query: `question ${n}` },
  ...more,
});

describe("the address", () => {
  it("keeps what it understands and leaves out the rest", () => {
    expect(historySearch({ state: ["failed", "nonsense"], order: "sideways", text: "", label: "team=blue", archived: "yes", junk: 1 })).toEqual({
      state: ["failed"],
      label: ["team=blue"],
    });
  });

  it("becomes a filter of the API, spans counted from the server's time", () => {
    const now = Date.parse("2026-01-08T00:00:00Z");
    expect(toFilter({ state: ["timed_out"], label: ["team=blue", "urgent"], from: "7d", archived: true }, now)).toMatchObject({
      states: ["TEST_STATE_TIMED_OUT"],
      labels: { team: "blue", urgent: "" },
      submittedFrom: "2026-01-01T00:00:00.000Z",
      includeArchived: true,
    });
  });

  it.each([
    ["24h", 86_400_000],
    ["7d", 604_800_000],
    ["90m", 5_400_000],
    ["7", undefined],
    ["-7d", undefined],
    ["7w", undefined],
  ])("reads the span %s", (text, ms) => expect(parseSpan(text)).toBe(ms));

  it("counts conditions, not order or page", () => expect(countFilters({ text: "x", order: "oldest", page: "t" })).toBe(1));
});

describe("changes", () => {
  it("change rows where they stand and keep the array where none of them is shown", () => {
    const rows = [test(2), test(1)];
    expect(patch(rows, [test(1, { state: "TEST_STATE_RUNNING" })])[1]?.state).toBe("TEST_STATE_RUNNING");
    expect(patch(rows, [test(3)])).toBe(rows);
  });

  it("count as new only what is newer, unknown and fits", () => {
    const rows = [test(5)];
    const found = newcomers(new Set(), rows, [test(6), test(4), test(5), test(7, { state: "TEST_STATE_RUNNING" })], { state: ["completed"] });
    expect([...found]).toEqual([test(6).id]);
    expect(newcomers(found, rows, [test(6)], {})).toBe(found);
  });

  it.each<[string, Partial<Test>, Parameters<typeof belongs>[1], boolean]>([
    ["words in any order", {}, { text: "9 question" }, true],
    ["another word", {}, { text: "answer" }, false],
    ["a label by key", { spec: { labels: { team: "" } } }, { label: ["team"] }, true],
    ["a label with another value", { spec: { labels: { team: "red" } } }, { label: ["team=blue"] }, false],
    ["a failure code", { failure: { code: "OUT_OF_MEMORY" } }, { code: "OUT_OF_MEMORY" }, true],
  ])("fit by %s", (_name, more, search, fits) => expect(belongs(test(9, more), search)).toBe(fits));
});

describe("an export", () => {
  const totals = { TEST_STATE_COMPLETED: 9_000, TEST_STATE_FAILED: 1_000, TEST_STATE_ARCHIVED: 5 };
  const exact = (count: string) => `The first 10,000 of ${count} tests. Narrow the filters for the rest.`;
  const perhaps = "At most the first 10,000 tests. If there are more, narrow the filters for the rest.";

  it.each<[string, HistorySearch, typeof totals | undefined, string | null]>([
    ["as many as a file takes", {}, totals, null],
    ["one more, archived ones with them", { archived: true }, totals, exact("10,005")],
    ["many, of which few are of the state", { state: ["failed"] }, { ...totals, TEST_STATE_COMPLETED: 20_000 }, null],
    ["many of the state", { state: ["completed"], order: "oldest" }, { ...totals, TEST_STATE_COMPLETED: 20_000 }, exact("20,000")],
    ["many that other filters may leave few of", { text: "weather" }, { ...totals, TEST_STATE_COMPLETED: 20_000 }, perhaps],
    ["an unknown number", {}, undefined, perhaps],
  ])("of %s", (_name, search, known, words) => expect(exportLimit(search, known)).toBe(words));
});

describe("the page", () => {
  beforeEach(() => {
    answer("TestService/ListTests", (request: { includeTotals?: boolean }) =>
      request.includeTotals ? { totals: [{ state: "TEST_STATE_COMPLETED", count: "1234" }] } : { tests: [test(2), test(1)], nextPageToken: "more" },
    );
  });

  it("shows tests, totals and where to go on", async () => {
    await render(<HistoryPage />, { at: "/tests" });
    expect(await screen.findByRole("link", { name: "agent 2" })).toHaveAttribute("href", `/tests/${test(2).id}`);
    expect(await screen.findByText("Passed 1,234")).toBeInTheDocument();
    expect(screen.getByRole("button", { name: "Next" })).toBeEnabled();
  });

  it("counts what is new without moving a row", async () => {
    await render(<HistoryPage />, { at: "/tests" });
    await screen.findByRole("link", { name: "agent 2" });
    follow.tell({ kind: "tests", data: { tests: [test(3), test(1, { state: "TEST_STATE_FAILED", failure: { code: "AGENT_EXCEPTION", message: "boom" } })] } });
    expect(await screen.findByRole("button", { name: "1 new test: show" })).toBeInTheDocument();
    expect(screen.queryByText("agent 3")).not.toBeInTheDocument();
    expect(await screen.findByText("AGENT_EXCEPTION: boom")).toBeInTheDocument();
  });

  it("reads the list again when it begins to hear of changes, so that nothing in between is missed", async () => {
    await render(<HistoryPage />, { at: "/tests" });
    await screen.findByRole("link", { name: "agent 2" });
    answer("TestService/ListTests", () => ({ tests: [test(2, { state: "TEST_STATE_FAILED", failure: { code: "AGENT_EXCEPTION", message: "meanwhile" } })] }));
    follow.tell({ kind: "tests", data: {} });
    expect(await screen.findByText("AGENT_EXCEPTION: meanwhile")).toBeInTheDocument();
  });

  it("counts what two messages bring before anything is drawn", async () => {
    await render(<HistoryPage />, { at: "/tests" });
    await screen.findByRole("link", { name: "agent 2" });
    act(() => {
      follow.tell({ kind: "tests", data: { tests: [test(3)] } });
      follow.tell({ kind: "tests", data: { tests: [test(4)] } });
    });
    expect(await screen.findByRole("button", { name: "2 new tests: show" })).toBeInTheDocument();
  });

  it("reads the totals again also where tests change all the time", async () => {
    await render(<HistoryPage />, { at: "/tests" });
    expect(await screen.findByText("Passed 1,234")).toBeInTheDocument();
    answer("TestService/ListTests", () => ({ totals: [{ state: "TEST_STATE_COMPLETED", count: "1235" }] }));
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      for (let at = 0; at < 4; at++) {
        act(() => follow.tell({ kind: "tests", data: { tests: [test(1)] } }));
        await vi.advanceTimersByTimeAsync(1000);
      }
    } finally {
      vi.useRealTimers();
    }
    expect(await screen.findByText("Passed 1,235")).toBeInTheDocument();
  });

  it("lets two be compared, and not one", async () => {
    await render(<HistoryPage />, { at: "/tests" });
    const compare = await screen.findByRole("button", { name: "Compare two" });
    const boxes = await screen.findAllByRole("checkbox", { name: /to compare/ });
    await userEvent.click(boxes[0]!);
    expect(compare).toBeDisabled();
    await userEvent.click(boxes[1]!);
    expect(compare).toBeEnabled();
  });

  it("says before and after an export that it is cut", async () => {
    answer("TestService/ListTests", (request: { includeTotals?: boolean }) => (request.includeTotals ? { totals: [{ state: "TEST_STATE_COMPLETED", count: "12345" }] } : { tests: [test(1)] }));
    await render(
      <>
        <HistoryPage />
        <Notifications />
      </>,
      { at: "/tests" },
    );
    expect(await screen.findByText("Passed 12,345")).toBeInTheDocument();
    await userEvent.click(screen.getByRole("button", { name: "Export" }));
    const words = "The first 10,000 of 12,345 tests. Narrow the filters for the rest.";
    expect(await screen.findByText(words)).toBeInTheDocument();
    const link = screen.getByRole("menuitem", { name: "This list as CSV" });
    // jsdom does not download.
    link.addEventListener("click", (event) => event.preventDefault());
    await userEvent.click(link);
    expect(await screen.findByRole("alert")).toHaveTextContent(`A file takes 10,000 tests${words}`);
  });

  it("says what is wrong and offers to try again", async () => {
    refuse("TestService/ListTests", 400, { code: "INVALID_ARGUMENT", message: "The page token is of another list." });
    await render(<HistoryPage />, { at: "/tests?page=x" });
    expect(await screen.findByRole("alert")).toHaveTextContent("The page token is of another list.");
    expect(screen.getByRole("button", { name: "Try again" })).toBeInTheDocument();
  });
});
