import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { testQuery } from "../../api/queries";
import type { Test, WatchMessage } from "../../api/types";
import { useTestActions } from "../../shell/testActions";
import { answer, refuse } from "../../test/server";
import { render } from "../../test/render";
import { TABS, type TestSearch } from "./search";
import { TestView } from "./TestPage";

const feeds = vi.hoisted(() => ({ tell: null as null | ((message: { kind: "test"; data: WatchMessage }) => void), open: "" }));
vi.mock("../../api/events", () => ({
  useFeed: (feed: { testId: string } | null, tell: (message: never) => void) => {
    feeds.open = feed?.testId ?? "";
    feeds.tell = feed ? (tell as never) : null;
  },
}));
// The viewer is another part with tests of its own.
vi.mock("../../log/LogViewer", () => ({ LogViewer: () => <p>the log</p> }));

const ID = `tst_${"1".repeat(32)}`;
const NEW = `tst_${"2".repeat(32)}`;
const TIMES = { submitTime: "2026-03-01T10:00:00Z", runStartTime: "2026-03-01T10:00:03Z" };

const running: Test = {
  id: ID,
  userId: "dev",
  state: "TEST_STATE_RUNNING",
  spec: { name: "weather", agentId: "weather", query: "what is it like?", agentCode: "def run(query): ...", env: { TOKEN: "hidden-value" } },
  times: TIMES,
  history: [{ state: "TEST_STATE_QUEUED", time: TIMES.submitTime }, { state: "TEST_STATE_RUNNING", time: TIMES.runStartTime }],
};
const passed: Test = {
  ...running,
  state: "TEST_STATE_COMPLETED",
  times: { ...TIMES, endTime: "2026-03-01T10:00:05Z" },
  history: [...(running.history ?? []), { state: "TEST_STATE_COMPLETED", time: "2026-03-01T10:00:05Z" }],
  result: { success: true, responseJson: '"it is fine"', entry: { name: "agent:run", kind: "function", call: "run(query)", queryPassed: true } },
};
const failed: Test = {
  ...running,
  state: "TEST_STATE_FAILED",
  times: { ...TIMES, endTime: "2026-03-01T10:00:05Z" },
  history: passed.history!.slice(0, 2),
  failure: {
    code: "AGENT_EXCEPTION",
    stage: "run",
    message: "The agent raised an exception.",
    hint: "Read the traceback.",
    agentError: { type: "ValueError", message: "<img src=x onerror=alert(1)>", traceback: "Traceback\n  ValueError: \u001b[31mred" },
  },
};

function Page({ testId = ID, start = {} }: { testId?: string; start?: TestSearch }) {
  const [search, setSearch] = useState(start);
  return <TestView testId={testId} search={search} onSearch={(part) => setSearch((before) => ({ ...before, ...part }))} />;
}

const shows = (test: Test) => answer("TestService/GetTest", () => ({ test }));

beforeEach(() => {
  answer("TestService/GetRetryChain", () => ({ tests: [] }));
  answer("TestService/GetAgentStats", () => ({}));
  answer("QueueService/GetQueueStatus", () => ({ status: {} }));
});

describe("the page of a test", () => {
  test("opens a running test on its log and counts what it takes", async () => {
    shows(running);
    await render(<Page />);
    expect(await screen.findByText("the log")).toBeInTheDocument();
    expect(screen.getByText(/Running for .* in all/)).toBeInTheDocument();
    expect(screen.getByRole("progressbar")).toHaveAttribute("aria-valuenow", "75");
    expect(screen.getByRole("button", { name: "Cancel" })).toBeInTheDocument();
    expect(screen.queryByRole("button", { name: "Retry" })).not.toBeInTheDocument();
    expect(feeds.open).toBe(ID);
  });

  test("says that a test passed without leaving the log, and leads to the answer", async () => {
    shows(running);
    await render(<Page />);
    await screen.findByText("the log");
    shows(passed);
    const result = { ...passed.result };
    delete result.responseJson;
    feeds.tell?.({ kind: "test", data: { test: { ...passed, result, spec: { name: "weather", query: "what is it like?" } } } });
    const button = await screen.findByRole("button", { name: "Show the answer" });
    expect(screen.getByText("the log")).toBeInTheDocument();
    await userEvent.click(button);
    expect(await screen.findByText("it is fine")).toBeInTheDocument();
    expect(screen.getByText(/The query was passed to it/)).toBeInTheDocument();
    expect(feeds.open).toBe("");
  });

  test("offers the same test again and an edited one, told apart by their words, side by side", async () => {
    shows(passed);
    await render(<Page />);
    const retry = await screen.findByRole("button", { name: "Retry" });
    const edit = screen.getByRole("link", { name: "Edit and run again" });
    expect(retry.nextElementSibling).toBe(edit);
    expect(edit).toHaveAttribute("href", `/submit?again=${ID}`);
    await userEvent.click(retry);
    expect(within(await screen.findByRole("dialog")).getByText(/runs again with the same code and settings/)).toBeInTheDocument();
  });

  test("shows place and wait while the test is queued", async () => {
    shows({ ...running, state: "TEST_STATE_QUEUED", queuePlace: { position: "3", estimatedWait: "40s" } });
    await render(<Page />);
    expect(await screen.findByText(/Number 3 in the queue\. It will wait about 40 s\./)).toBeInTheDocument();
  });

  test("shows a failure with code, hint and traceback, and hostile text as text", async () => {
    shows(failed);
    await render(<Page />);
    expect(await screen.findByText("AGENT_EXCEPTION")).toBeInTheDocument();
    expect(screen.getByText(/Read the traceback\./)).toBeInTheDocument();
    expect(screen.getByText(/<img src=x onerror=alert\(1\)>/)).toBeInTheDocument();
    expect(document.querySelector("img")).toBeNull();
    expect(screen.getByLabelText("Traceback")).toHaveTextContent("Traceback");
  });

  test("says so when the id is another user's, or none at all", async () => {
    refuse("TestService/GetTest", 404, { code: "NOT_FOUND", message: "There is no such test." });
    await render(<Page />);
    expect(await screen.findByText("There is no such test among yours")).toBeInTheDocument();
  });

  test("asks nothing of the server for what is no id", async () => {
    await render(<Page testId="<script>" />);
    expect(screen.getByText("This is no id of a test")).toBeInTheDocument();
  });

  test("can be read again when the server did not answer", async () => {
    refuse("TestService/GetTest", 500, { code: "INTERNAL", message: "Something broke." });
    await render(<Page />);
    expect(await screen.findByText("Something broke.")).toBeInTheDocument();
    shows(passed);
    await userEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByText("it is fine")).toBeInTheDocument();
  });

  test("masks the values of variables until one is asked for", async () => {
    shows(passed);
    await render(<Page />);
    await userEvent.click(await screen.findByRole("tab", { name: "Settings" }));
    expect(await screen.findByText("TOKEN")).toBeInTheDocument();
    expect(screen.queryByText("hidden-value")).not.toBeInTheDocument();
    await userEvent.click(screen.getByRole("button", { name: "Show the value of TOKEN" }));
    expect(screen.getByText("hidden-value")).toBeInTheDocument();
  });
});

describe("cancelling", () => {
  test.each([
    ["CANCEL_OUTCOME_REMOVED_FROM_QUEUE", /it is out of the queue/],
    ["CANCEL_OUTCOME_STOPPING", /ends in a moment/],
    ["CANCEL_OUTCOME_ALREADY_ENDED", /Nothing was changed/],
  ])("asks first, sends the reason and says what came of it: %s", async (outcome, words) => {
    shows(running);
    let sent: unknown;
    answer("TestService/CancelTest", (request) => {
      sent = request;
      return { outcome, test: { ...running, cancellation: { reason: "too long", requestedBy: "dev" } } };
    });
    await render(<Page />);
    await userEvent.click(await screen.findByRole("button", { name: "Cancel" }));
    const dialog = await screen.findByRole("dialog");
    await userEvent.type(within(dialog).getByLabelText("Reason"), "too long");
    await userEvent.click(within(dialog).getByRole("button", { name: "Cancel the test" }));
    expect(await within(dialog).findByText(words)).toBeInTheDocument();
    expect(sent).toEqual({ testId: ID, reason: "too long" });
    expect(await screen.findByText("Asked to stop")).toBeInTheDocument();
  });
});

describe("the palette", () => {
  function Palette() {
    const actions = useTestActions(ID);
    return actions.map((one) => (
      <button key={one.id} onClick={one.onClick as () => void}>
        palette {one.id}
      </button>
    ));
  }

  test.each([
    ["retry", "Retry this test"],
    ["compare", "Compare with another test"],
  ])("opens the dialog to %s", async (action, title) => {
    shows(passed);
    answer("TestService/ListTests", () => ({ tests: [{ id: NEW, spec: { name: "another one" }, state: "TEST_STATE_COMPLETED" }] }));
    await render(<Both />);
    await userEvent.click(await screen.findByRole("button", { name: `palette ${action}` }));
    expect(await screen.findByRole("dialog", { name: title })).toBeInTheDocument();
    if (action === "compare") expect(await screen.findByText("another one")).toBeInTheDocument();
  });

  test("leads to the package", async () => {
    shows(passed);
    answer("PackageService/ListPackages", () => ({ packages: [] }));
    await render(<Both />);
    await userEvent.click(await screen.findByRole("button", { name: "palette package" }));
    expect(await screen.findByRole("button", { name: "Make the package" })).toBeInTheDocument();
  });

  function Both() {
    const { data } = useQuery(testQuery(ID));
    return (
      <>
        <Page />
        {data && <Palette />}
      </>
    );
  }
});

test("the dialog of a cancellation closes by itself when the test has ended", async () => {
  shows(running);
  answer("TestService/CancelTest", () => ({ outcome: "CANCEL_OUTCOME_STOPPING", test: running }));
  await render(<Page />);
  await userEvent.click(await screen.findByRole("button", { name: "Cancel" }));
  await userEvent.click(within(await screen.findByRole("dialog")).getByRole("button", { name: "Cancel the test" }));
  await screen.findByText(/ends in a moment/);
  const cancelled: Test = { ...failed, failure: { code: "CANCELLED", message: "Cancelled." } };
  shows(cancelled);
  feeds.tell?.({ kind: "test", data: { test: cancelled } });
  await waitFor(() => expect(screen.queryByRole("dialog")).not.toBeInTheDocument());
});

test("a test that waits says that the queue is paused, and why", async () => {
  shows({ ...running, state: "TEST_STATE_QUEUED" });
  answer("QueueService/GetQueueStatus", () => ({ status: { paused: true, pauseReason: "new machines" } }));
  await render(<Page />);
  expect(await screen.findByText("The queue is paused")).toBeInTheDocument();
  expect(screen.getByText("Why: new machines")).toBeInTheDocument();
});

test.each(TABS.filter((tab) => tab !== "log"))("nothing that an agent wrote turns the text of the part %s", async (tab) => {
  const evil = "evil\u202eword";
  const { spec } = failed;
  shows({
    ...failed,
    spec: { ...spec, name: evil, agentName: evil, query: evil, agentCode: `# ${evil}`, labels: { [evil]: evil }, model: { modelId: evil }, systemPackages: [evil] },
    failure: { ...failed.failure, message: evil, hint: evil, agentError: { type: evil, message: evil, traceback: evil } },
    result: { entry: { name: evil, call: evil, signature: evil, candidates: [evil] }, conversions: [{ path: evil, type: evil }], filesLeftOut: [evil] },
    history: [{ state: "TEST_STATE_FAILED", reason: evil }],
    task: { stopReason: evil },
    outputFiles: [{ path: evil, size: "1" }],
  });
  answer("TestService/GetRetryChain", () => ({ tests: [{ ...failed, spec: { query: evil } }, { id: NEW, spec: { query: evil } }] }) as never);
  answer("TestService/GetAgentStats", () => ({ stats: { agentName: evil, endedCount: "2" } }));
  answer("PackageService/ListPackages", () => ({}));
  const { container } = await render(<Page start={{ tab }} />);
  await screen.findAllByText("evil⟨U+202E⟩word", { exact: false });
  await waitFor(() => expect(container.querySelector("[aria-busy=true]")).toBeNull());
  expect(container.innerHTML).not.toContain("\u202e");
});

describe("retrying", () => {
  const open = async () => {
    await userEvent.click(await screen.findByRole("button", { name: "Retry" }));
    return screen.findByRole("dialog");
  };

  test("sends no query when it was not changed, and leads to the new test", async () => {
    shows(failed);
    const sent: Record<string, unknown>[] = [];
    answer("TestService/RetryTest", (request) => {
      sent.push(request);
      return { test: { id: NEW } };
    });
    await render(<Page />);
    const dialog = await open();
    expect(within(dialog).getByLabelText("Query")).toHaveValue("what is it like?");
    await userEvent.dblClick(within(dialog).getByRole("button", { name: "Retry" }));
    await waitFor(() => expect(sent.length).toBeGreaterThan(0));
    expect(new Set(sent.map((one) => one.requestId)).size).toBe(1);
    expect(sent[0]).not.toHaveProperty("query");
    await waitFor(() => expect(screen.queryByRole("dialog")).not.toBeInTheDocument());
  });

  test("keeps the request id for the same query, and sends a changed one", async () => {
    shows(failed);
    const sent: Record<string, unknown>[] = [];
    answer(
      "TestService/RetryTest",
      (request) => {
        sent.push(request);
        return { code: "RESOURCE_EXHAUSTED", message: "Too many tests this hour.", reason: "", violations: [], retryAfterMs: 90_000 };
      },
      429,
    );
    await render(<Page />);
    const dialog = await open();
    await userEvent.type(within(dialog).getByLabelText("Query"), " tomorrow");
    const button = within(dialog).getByRole("button", { name: "Retry with this query" });
    await userEvent.click(button);
    expect(await within(dialog).findByText("Too many tests this hour.")).toBeInTheDocument();
    expect(within(dialog).getByText(/You can try again in 1 min/)).toBeInTheDocument();
    await userEvent.click(button);
    await waitFor(() => expect(sent).toHaveLength(2));
    expect(sent[0]).toMatchObject({ query: "what is it like? tomorrow", requestId: sent[1]!.requestId });
    await userEvent.type(within(dialog).getByLabelText("Query"), "?");
    await userEvent.click(button);
    await waitFor(() => expect(sent).toHaveLength(3));
    expect(sent[2]!.requestId).not.toBe(sent[0]!.requestId);
  });
});
