// The addresses of the page. Every page is a chunk of its own; what of the address it reads is checked by its search.ts.
import { createRootRoute, createRoute, createRouter, defaultParseSearch, lazyRouteComponent, redirect, stringifySearchWith } from "@tanstack/react-router";
import { AdminOnly } from "./pages/admin/AdminOnly";
import { adminSearch } from "./pages/admin/search";
import { agentSearch } from "./pages/agents/search";
import { historySearch } from "./pages/history/search";
import { packagesSearch } from "./pages/packages/search";
import { queueSearch } from "./pages/queue/search";
import { submitSearch } from "./pages/submit/search";
import { compareSearch, testSearch } from "./pages/test/search";
import { NotFound } from "./shell/NotFound";
import { PageError } from "./shell/PageError";
import { Shell } from "./shell/Shell";

// The router lays what a check answers over what stands in the address: a word that it leaves out is to be taken away.
export const only =
  <S extends object>(understood: (search: Record<string, unknown>) => S) =>
  (search: Record<string, unknown>): S => ({ ...Object.fromEntries(Object.keys(search).map((word) => [word, undefined])), ...understood(search) });

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound, errorComponent: PageError });

const at = { getParentRoute: () => root };
const index = createRoute({
  ...at,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/tests" });
  },
});
const tests = createRoute({
  ...at,
  path: "/tests",
  validateSearch: only(historySearch),
  component: lazyRouteComponent(() => import("./pages/history/HistoryPage"), "HistoryPage"),
});
const test = createRoute({
  ...at,
  path: "/tests/$testId",
  validateSearch: only(testSearch),
  component: lazyRouteComponent(() => import("./pages/test/TestPage"), "TestPage"),
});
const testLog = createRoute({
  ...at,
  path: "/tests/$testId/log",
  validateSearch: only(testSearch),
  component: lazyRouteComponent(() => import("./pages/test/LogPage"), "LogPage"),
});
const compare = createRoute({
  ...at,
  path: "/compare",
  validateSearch: only(compareSearch),
  component: lazyRouteComponent(() => import("./pages/test/compare/ComparePage"), "ComparePage"),
});
const submit = createRoute({
  ...at,
  path: "/submit",
  validateSearch: only(submitSearch),
  component: lazyRouteComponent(() => import("./pages/submit/SubmitPage"), "SubmitPage"),
});
const agents = createRoute({
  ...at,
  path: "/agents",
  validateSearch: only(agentSearch),
  component: lazyRouteComponent(() => import("./pages/agents/AgentsPage"), "AgentsPage"),
});
const agent = createRoute({
  ...at,
  path: "/agents/$agentId",
  validateSearch: only(agentSearch),
  component: lazyRouteComponent(() => import("./pages/agents/AgentPage"), "AgentPage"),
});
const packages = createRoute({
  ...at,
  path: "/packages",
  validateSearch: only(packagesSearch),
  component: lazyRouteComponent(() => import("./pages/packages/PackagesPage"), "PackagesPage"),
});
const queue = createRoute({
  ...at,
  path: "/queue",
  validateSearch: only(queueSearch),
  component: lazyRouteComponent(() => import("./pages/queue/QueuePage"), "QueuePage"),
});
// Without a path of its own, so that /admin alone is as unknown as any other address.
const admin = createRoute({ ...at, id: "admin", component: AdminOnly, validateSearch: only(adminSearch) });
const ofAdmins = { getParentRoute: () => admin };
const health = createRoute({
  ...ofAdmins,
  path: "/admin/health",
  component: lazyRouteComponent(() => import("./pages/admin/HealthPage"), "HealthPage"),
});
const usage = createRoute({
  ...ofAdmins,
  path: "/admin/usage",
  component: lazyRouteComponent(() => import("./pages/admin/UsagePage"), "UsagePage"),
});
const cost = createRoute({
  ...ofAdmins,
  path: "/admin/cost",
  component: lazyRouteComponent(() => import("./pages/admin/CostPage"), "CostPage"),
});
const limits = createRoute({
  ...ofAdmins,
  path: "/admin/limits",
  component: lazyRouteComponent(() => import("./pages/admin/LimitsPage"), "LimitsPage"),
});
const keys = createRoute({
  ...ofAdmins,
  path: "/admin/keys",
  component: lazyRouteComponent(() => import("./pages/admin/KeysPage"), "KeysPage"),
});
const deadLetters = createRoute({
  ...ofAdmins,
  path: "/admin/dead-letters",
  component: lazyRouteComponent(() => import("./pages/admin/DeadLettersPage"), "DeadLettersPage"),
});

const routeTree = root.addChildren([
  index,
  tests,
  test,
  testLog,
  compare,
  submit,
  agents,
  agent,
  packages,
  queue,
  admin.addChildren([health, usage, cost, limits, keys, deadLetters]),
]);

// No word of an address is a number: digits are text. So a link to a line is `line=12`, without quotes around it.
const asText = (value: unknown): unknown => {
  if (typeof value === "number") return String(value);
  if (Array.isArray(value)) return value.map(asText);
  // Half of a surrogate pair is no text: no request could carry it.
  return typeof value === "string" ? value.replace(/[\ud800-\udfff]/gu, "\ufffd") : value;
};
export const parseSearch = (search: string) => Object.fromEntries(Object.entries(defaultParseSearch(search)).map(([key, value]) => [key, asText(value)]));
const stringifySearch = stringifySearchWith(JSON.stringify, (text: string): unknown => {
  if (/^[1-9]\d{0,14}$/.test(text)) throw new SyntaxError("digits stand for themselves");
  return JSON.parse(text);
});

export function makeRouter() {
  return createRouter({ routeTree, parseSearch, stringifySearch, defaultPreload: "intent", scrollRestoration: true });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
