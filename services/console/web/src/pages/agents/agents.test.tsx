import { screen, within } from "@testing-library/react";
import { describe as group, expect, it, vi } from "vitest";
import { render } from "../../test/render";
import { answer, refuse } from "../../test/server";
import { formatDuration } from "../../time/durations";
import { AgentPage } from "./AgentPage";
import { AgentsPage } from "./AgentsPage";
import { countOutcomes, describe, ofAgentRun, ofTest } from "./runs";

vi.mock("../../api/events", () => ({ useFeed: () => undefined, useConnection: () => "open" }));

group("runs", () => {
  it.each([
    [{ state: "TEST_STATE_COMPLETED" } as const, "passed"],
    [{ state: "TEST_STATE_FAILED", failureCode: "OUT_OF_MEMORY" } as const, "failed"],
    [{ state: "TEST_STATE_FAILED", failureCode: "CANCELLED" } as const, "cancelled"],
    [{ state: "TEST_STATE_TIMED_OUT", failureCode: "TIMED_OUT" } as const, "timed out"],
    [{ state: "TEST_STATE_ARCHIVED" } as const, "passed"],
    [{ state: "TEST_STATE_ARCHIVED", failureCode: "AGENT_EXCEPTION" } as const, "failed"],
  ])("of %o count as %s", (run, outcome) => expect(ofAgentRun(run).outcome).toBe(outcome));

  it("that never ran have no run time, and their outcome counts", () => {
    const runs = [ofTest({ state: "TEST_STATE_FAILED", failure: { code: "DEPENDENCY_INSTALL_FAILED" } }), ofAgentRun({ state: "TEST_STATE_COMPLETED", runDuration: "1.500s" })];
    expect(runs[0]?.runS).toBeNull();
    expect(countOutcomes(runs)).toEqual({ passed: 1, failed: 1, "timed out": 0, cancelled: 0 });
    expect(describe(runs, formatDuration)).toBe("last 1 run times, from 1.50 s to 1.50 s, the newest 1.50 s");
  });
});

group("the pages", () => {
  it("list agents with their figures", async () => {
    answer("TestService/ListAgents", () => ({
      agents: [
        {
          stats: { agentId: "bot", agentName: "Support bot", endedCount: "4", successRate: 0.75, runSeconds: { count: "4", mean: 2 } },
          lastFailure: { testId: "tst_1", failureCode: "AGENT_EXCEPTION" },
          runs: [{ testId: "tst_2", state: "TEST_STATE_COMPLETED", runDuration: "2s" }],
          userId: "dev",
        },
      ],
    }));
    await render(<AgentsPage />, { at: "/agents" });
    const row = (await screen.findByRole("link", { name: "Support bot" })).closest("tr")!;
    expect(within(row).getByText("75 % of 4")).toBeInTheDocument();
    expect(within(row).getByRole("img", { name: /newest 2\.00 s/ })).toBeInTheDocument();
    expect(within(row).getByRole("link", { name: "AGENT_EXCEPTION" })).toHaveAttribute("href", "/tests/tst_1");
  });

  it("say that an agent is not there", async () => {
    refuse("TestService/GetAgentStats", 404, { code: "NOT_FOUND", message: "There is no agent with this id." });
    answer("TestService/ListTests", () => ({}));
    await render(<AgentPage />, { at: "/agents/nobody" });
    expect(await screen.findByRole("alert")).toHaveTextContent("There is no agent with this id.");
  });
});
