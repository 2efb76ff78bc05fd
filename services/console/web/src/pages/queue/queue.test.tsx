import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, it, vi } from "vitest";
import { render } from "../../test/render";
import { answer } from "../../test/server";
import { QueuePage } from "./QueuePage";

const follow = vi.hoisted(() => ({ tell: (_: unknown) => undefined as void }));
vi.mock("../../api/events", () => ({
  useFeed: (_feed: unknown, tell: (message: unknown) => void) => {
    follow.tell = tell;
  },
  useConnection: () => "open",
}));

const status = { pending: "2", running: "10", capacity: 10, utilization: 1, ownPending: "1", averageWait: "0.250s" };

beforeEach(() => {
  answer("QueueService/GetQueueStatus", () => ({ status }));
  answer("QueueService/ListQueue", () => ({
    running: [{ testId: "tst_1", name: "mine", state: "TEST_STATE_RUNNING", own: true }],
    waiting: [
      { position: "1", state: "TEST_STATE_QUEUED" },
      { position: "2", testId: "tst_2", name: "next of mine", state: "TEST_STATE_QUEUED", own: true, estimatedWait: "90s" },
    ],
  }));
});

it("shows figures, one's own tests by name, and of others only that they are there", async () => {
  await render(<QueuePage />, { at: "/queue" });
  expect(await screen.findByText("10 of 10")).toBeInTheDocument();
  expect(await screen.findByRole("link", { name: "next of mine" })).toBeInTheDocument();
  expect(screen.getByText("somebody else's")).toBeInTheDocument();
  expect(screen.getByText("1 min 30 s")).toBeInTheDocument();
  expect(screen.queryByRole("button", { name: "Pause…" })).not.toBeInTheDocument();
});

it("follows the figures live", async () => {
  await render(<QueuePage />, { at: "/queue" });
  await screen.findByText("10 of 10");
  follow.tell({ kind: "queue", data: { status: { ...status, running: "3", paused: true, pauseReason: "a new release" } } });
  expect(await screen.findByText("3 of 10")).toBeInTheDocument();
  expect(screen.getByText(/a new release/)).toBeInTheDocument();
});

it("lets an admin pause with a reason and set the capacity", async () => {
  const asked: unknown[] = [];
  answer("AdminService/PauseQueue", (request) => {
    asked.push(request);
    return { status: { ...status, paused: true, pauseReason: "release" } };
  });
  answer("AdminService/SetCapacity", (request: { capacity: number }) => {
    asked.push(request);
    return { status: { ...status, capacity: request.capacity } };
  });
  await render(<QueuePage />, { at: "/queue", admin: true });
  await userEvent.click(await screen.findByRole("button", { name: "Pause…" }));
  await userEvent.type(await screen.findByLabelText(/Why/), "release");
  await userEvent.click(screen.getByRole("button", { name: "Pause" }));
  expect(await screen.findByRole("button", { name: "Resume" })).toBeInTheDocument();
  const field = screen.getByLabelText(/Tests that run at once/);
  await userEvent.clear(field);
  await userEvent.type(field, "20");
  await userEvent.click(screen.getByRole("button", { name: "Set capacity" }));
  await waitFor(() => expect(asked).toEqual([{ reason: "release" }, { capacity: 20 }]));
  expect(await screen.findByText("10 of 20")).toBeInTheDocument();
});
