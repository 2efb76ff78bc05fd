import { act, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it, vi } from "vitest";
import type { ServiceHealth, SystemHealth } from "../../api/types";
import { makeRouter } from "../../router";
import { render } from "../../test/render";
import { answer, refuse } from "../../test/server";
import { AdminOnly } from "./AdminOnly";
import { CostPage } from "./CostPage";
import { DeadLettersPage } from "./DeadLettersPage";
import { HealthPage } from "./HealthPage";
import { byService, lagOf, toldOf, uptime, whatIsWrong } from "./health";
import { KeysPage } from "./KeysPage";
import { LimitsPage } from "./LimitsPage";
import { adminSearch } from "./search";
import { UsagePage } from "./UsagePage";

vi.mock("../../components/Chart", () => ({ Chart: ({ label }: { label: string }) => <div role="img" aria-label={label} /> }));

const replica = (service: string, state: ServiceHealth["state"], more: Partial<ServiceHealth> = {}): ServiceHealth => ({ service, instance: `${service}-1`, version: "1.2.3", state, ...more });

describe("health", () => {
  it("of a service is down without a replica that works, and degraded where only some do", () => {
    const services = [replica("scheduler", "HEALTH_STATE_UNHEALTHY"), replica("gateway", "HEALTH_STATE_HEALTHY"), replica("gateway", "HEALTH_STATE_UNHEALTHY", { instance: "gateway-2" })];
    expect(byService(services).map(({ service, state }) => [service, state])).toEqual([
      ["scheduler", "HEALTH_STATE_UNHEALTHY"],
      ["gateway", "HEALTH_STATE_DEGRADED"],
    ]);
  });

  it("says what is wrong and what that does", () => {
    const health: SystemHealth = {
      state: "HEALTH_STATE_UNHEALTHY",
      services: [replica("logstreamer", "HEALTH_STATE_UNHEALTHY", { checks: [{ name: "alive", state: "HEALTH_STATE_UNHEALTHY", detail: "not heard from for 12 s" }] })],
      dependencies: [{ name: "mongodb", state: "HEALTH_STATE_HEALTHY" }, { name: "aws", detail: "is being asked for the first time" }],
      deadLetterCount: "3",
    };
    expect(whatIsWrong(health)).toEqual([
      "logstreamer: not heard from for 12 s. It reads output: while it is down, logs stand still and come later.",
      "3 dead letters: messages that no service could handle",
    ]);
    expect(whatIsWrong({ state: "HEALTH_STATE_HEALTHY", services: [replica("gateway", "HEALTH_STATE_HEALTHY")] })).toEqual([]);
  });

  it("does not say twice since when nothing was heard from a replica", () => {
    const checks = [
      { name: "report", state: "HEALTH_STATE_UNHEALTHY" as const, detail: "not heard from for 12 s" },
      { name: "mongodb", state: "HEALTH_STATE_UNHEALTHY" as const, detail: "no answer" },
    ];
    expect(toldOf(replica("scheduler", "HEALTH_STATE_UNHEALTHY", { checks, lastSeenTime: "2026-01-01T00:00:00Z" }))).toEqual([{ name: "mongodb", detail: "no answer" }]);
    expect(toldOf(replica("scheduler", "HEALTH_STATE_UNHEALTHY", { checks })).map((one) => one.name)).toEqual(["report", "mongodb"]);
  });

  it("counts uptime from the start and marks a high lag", () => {
    expect(uptime("2026-01-01T00:00:00Z", Date.parse("2026-01-01T02:10:00Z"))).toBe("2 h 10 min");
    expect([lagOf("0.004s").high, lagOf("12s").high, lagOf(undefined).words]).toEqual([false, true, "–"]);
  });

  it("page shows the fault first, with its last error as text", async () => {
    answer("AdminService/GetSystemHealth", () => ({
      state: "HEALTH_STATE_UNHEALTHY",
      services: [replica("logstreamer", "HEALTH_STATE_UNHEALTHY", { lastError: { message: "<b>cannot read</b>", time: "2026-01-01T00:00:00Z" } })],
      dependencies: [{ name: "nats", state: "HEALTH_STATE_HEALTHY", latency: "0.001s" }],
      lastHour: { startTime: "2026-01-01T07:00:00Z", completedCount: "3", failedCount: "1", successRate: 0.75 },
    }));
    await render(<HealthPage />, { at: "/admin/health", admin: true });
    expect(await screen.findByText("A part of Assay is down")).toBeInTheDocument();
    expect(screen.getByText("25 %")).toBeInTheDocument();
    expect(screen.getByText("of 4 that ended since 07:00 UTC")).toBeInTheDocument();
    expect(screen.getByText(/<b>cannot read<\/b>/)).toBeInTheDocument();
  });
});

describe("pages for admins", () => {
  it("tell others that they are for admins", async () => {
    await render(<AdminOnly />);
    expect(await screen.findByText("This page is for admins")).toBeInTheDocument();
  });

  it("are all of them behind the one route that does so", () => {
    const { routesById } = makeRouter();
    const pages = Object.values(routesById).filter((route) => route.fullPath.startsWith("/admin"));
    expect(pages.length).toBeGreaterThan(5);
    for (const page of pages) expect(page.parentRoute?.options.component, page.fullPath).toBe(AdminOnly);
  });
});

it("an address keeps what these pages know", () => {
  expect(adminSearch({ by: "week", span: "30d", ended: true, user: "alice", junk: 1 })).toEqual({ span: "30d", ended: true, user: "alice" });
});

describe("keys", () => {
  it("makes one key, however fast it is asked for, and another one after a refusal", async () => {
    answer("AccountService/GetAccount", () => ({ key: { id: "key_1" } }));
    answer("AdminService/ListApiKeys", () => ({}));
    const asked = vi.fn(() => ({ code: "INVALID_ARGUMENT", message: "no" }));
    answer("AdminService/CreateApiKey", asked, 400);
    await render(<KeysPage />, { at: "/admin/keys", admin: true });
    await userEvent.click(await screen.findByRole("button", { name: "New key" }));
    await userEvent.type(await screen.findByLabelText(/User/, { selector: "[role=dialog] input" }), "alice");
    const form = screen.getByRole("button", { name: "Make the key" }).closest("form")!;
    act(() => {
      form.requestSubmit();
      form.requestSubmit();
    });
    expect(await screen.findByText("no")).toBeVisible();
    expect(asked).toHaveBeenCalledTimes(1);
    act(() => form.requestSubmit());
    await waitFor(() => expect(asked).toHaveBeenCalledTimes(2));
  });

  it("shows the secret of a new key once", async () => {
    answer("AccountService/GetAccount", () => ({ key: { id: "key_1" } }));
    answer("AdminService/ListApiKeys", () => ({ keys: [{ id: "key_1", userId: "dev", name: "laptop", prefix: "assay_ab", role: "ROLE_ADMIN" }] }));
    const asked: unknown[] = [];
    answer("AdminService/CreateApiKey", (request) => {
      asked.push(request);
      return { key: { id: "key_2", userId: "alice" }, secret: "assay_once" };
    });
    await render(<KeysPage />, { at: "/admin/keys", admin: true });
    await userEvent.click(await screen.findByRole("button", { name: "New key" }));
    await userEvent.type(within(await screen.findByRole("dialog")).getByRole("textbox", { name: /^User/ }), "alice");
    await userEvent.click(screen.getByRole("button", { name: "Make the key" }));
    expect(await screen.findByText("assay_once")).toBeInTheDocument();
    expect(asked).toEqual([{ userId: "alice", name: "", role: "ROLE_USER", ttl: "7776000s" }]);
    await userEvent.click(screen.getByRole("button", { name: "Done" }));
    await waitFor(() => expect(screen.queryByText("assay_once")).not.toBeInTheDocument());
  });

  it("are listed of one user while the name is typed, and the field keeps the focus", async () => {
    answer("AccountService/GetAccount", () => ({}));
    const asked: (string | undefined)[] = [];
    answer("AdminService/ListApiKeys", (request: { userId?: string }) => {
      asked.push(request.userId);
      return {};
    });
    await render(<KeysPage />, { at: "/admin/keys", admin: true });
    await userEvent.type(await screen.findByLabelText("User"), "al");
    await waitFor(() => expect(asked).toContain("al"));
    expect(screen.getByLabelText("User")).toHaveFocus();
    await userEvent.keyboard("ice");
    await waitFor(() => expect(asked).toContain("alice"));
  });

  it("asks before it ends one, and says when it is one's own", async () => {
    answer("AccountService/GetAccount", () => ({ key: { id: "key_1" } }));
    answer("AdminService/ListApiKeys", () => ({ keys: [{ id: "key_1", userId: "dev", name: "laptop", prefix: "assay_ab" }] }));
    const asked: unknown[] = [];
    answer("AdminService/RevokeApiKey", (request) => {
      asked.push(request);
      return { revokedCount: 1 };
    });
    await render(<KeysPage />, { at: "/admin/keys", admin: true });
    await screen.findByText("yours");
    await userEvent.click(screen.getByRole("button", { name: "Revoke laptop of dev" }));
    expect(await screen.findByText(/you will be signed out/)).toBeInTheDocument();
    expect(asked).toEqual([]);
    await userEvent.click(within(screen.getByRole("dialog")).getByRole("button", { name: "Revoke" }));
    await waitFor(() => expect(asked).toEqual([{ keyId: "key_1" }]));
  });
});

describe("limits", () => {
  const USERS = () => {
    answer("AdminService/ListApiKeys", (request: { pageToken?: string }) => (request.pageToken ? { keys: [{ userId: "ci" }, { userId: "alice" }] } : { keys: [{ userId: "alice" }], nextPageToken: "2" }));
    answer("AdminService/GetCostReport", () => ({ rows: [{ key: "bob" }, { key: "alice" }] }));
    answer("AdminService/GetUserLimits", (request: { userId: string }) => ({ effective: { weight: request.userId.length } }));
  };

  it("are found by a part of the name of anybody who has a key or tests", async () => {
    USERS();
    await render(<LimitsPage />, { at: "/admin/limits", admin: true });
    const field = await screen.findByRole("combobox", { name: "User" });
    await userEvent.click(field);
    expect((await screen.findAllByRole("option")).map((option) => option.textContent)).toEqual(["alice", "bob", "ci"]);
    await userEvent.type(field, "b");
    await userEvent.click(await screen.findByRole("option", { name: "bob" }));
    expect(await screen.findByRole("heading", { name: "bob" })).toBeInTheDocument();
  });

  it("are those of any name that is typed, also where nobody is known", async () => {
    USERS();
    refuse("AdminService/ListApiKeys", 503, { code: "UNAVAILABLE", message: "away" });
    refuse("AdminService/GetCostReport", 503, { code: "UNAVAILABLE", message: "away" });
    await render(<LimitsPage />, { at: "/admin/limits", admin: true });
    await userEvent.type(await screen.findByRole("combobox", { name: "User" }), "newcomer{Enter}");
    expect(await screen.findByRole("heading", { name: "newcomer" })).toBeInTheDocument();
  });

  it("send only what was changed, and an empty field as back to the default", async () => {
    USERS();
    answer("AdminService/GetUserLimits", () => ({ effective: { submissionsPerHour: 10, maxPending: 100, maxRunning: 0, weight: 2 }, overrides: { weight: 2 } }));
    const asked: unknown[] = [];
    answer("AdminService/SetUserLimits", (request) => {
      asked.push(request);
      return { effective: { submissionsPerHour: 50, weight: 1 }, overrides: { submissionsPerHour: 50 } };
    });
    await render(<LimitsPage />, { at: "/admin/limits?user=alice", admin: true });
    expect(await screen.findByText("no limit")).toBeInTheDocument();
    await userEvent.type(screen.getByLabelText(/^Submissions in any 60 minutes/), "50");
    await userEvent.clear(screen.getByLabelText(/^Share in the queue/));
    await userEvent.click(screen.getByRole("button", { name: "Save" }));
    await waitFor(() => expect(asked).toEqual([{ userId: "alice", overrides: { submissionsPerHour: 50 }, updateMask: "submissionsPerHour,weight" }]));
    expect(await screen.findByText("Saved. It holds from now on.")).toBeInTheDocument();
  });
});

describe("reports", () => {
  it("of usage leave empty steps out of the table and say what the charts show", async () => {
    answer("AdminService/GetUsage", () => ({
      steps: [{ startTime: "2026-01-01T00:00:00Z" }, { startTime: "2026-01-02T00:00:00Z", submittedCount: "4", completedCount: "3", failedCount: "1", successRate: 0.75, runSeconds: { count: "4", p50: 1.5, p95: 3 } }],
      total: { submittedCount: "4", successRate: 0.75 },
    }));
    await render(<UsagePage />, { at: "/admin/usage", admin: true });
    const table = await screen.findByRole("table");
    expect(within(table).getAllByRole("row")).toHaveLength(2);
    expect(within(table).getByText("2026-01-02")).toBeInTheDocument();
    expect(within(table).getByText("1.50 s")).toBeInTheDocument();
    expect(screen.getByRole("img", { name: /Submitted tests/ })).toBeInTheDocument();
  });

  it("of cost ask which label before they read", async () => {
    await render(<CostPage />, { at: "/admin/cost?by=label", admin: true });
    expect(await screen.findByText("Which label?")).toBeInTheDocument();
  });

  it("of cost show rows and the total", async () => {
    answer("AdminService/GetCostReport", () => ({ rows: [{ key: "alice", testCount: "2", cost: { totalUsd: 1.5, cpuUsd: 1, memoryUsd: 0.5 } }], total: { testCount: "2", cost: { totalUsd: 1.5 } } }));
    await render(<CostPage />, { at: "/admin/cost?by=user", admin: true });
    expect(await screen.findByText("alice")).toBeInTheDocument();
    expect(screen.getAllByText("$1.50").length).toBeGreaterThan(0);
  });
});

describe("dead letters", () => {
  it("are shown as text, and one is sent again", async () => {
    answer("AdminService/ListDeadLetters", () => ({ letters: [{ id: "7", subject: "test.scheduled.a.t", service: "orchestrator", reason: "<i>boom</i>", deliveryCount: 5, payloadJson: '{"a":1}' }], totalCount: "1" }));
    refuse("AdminService/ReplayDeadLetter", 400, { code: "FAILED_PRECONDITION", message: "Its stream is gone." });
    await render(<DeadLettersPage />, { at: "/admin/dead-letters", admin: true });
    expect(await screen.findByText("<i>boom</i>")).toBeInTheDocument();
    await userEvent.click(screen.getByRole("button", { name: "Send letter 7 again" }));
    expect(await screen.findByText("Its stream is gone.")).toBeInTheDocument();
  });
});
