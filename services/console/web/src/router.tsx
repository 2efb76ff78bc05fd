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
  validateSearch: historySearch,
  component: lazyRouteComponent(() => import("./pages/history/HistoryPage"), "HistoryPage"),
});
const test = createRoute({
  ...at,
  path: "/tests/$testId",
  validateSearch: testSearch,
  component: lazyRouteComponent(() => import("./pages/test/TestPage"), "TestPage"),
});
const testLog = createRoute({
  ...at,
  path: "/tests/$testId/log",
  validateSearch: testSearch,
  component: lazyRouteComponent(() => import("./pages/test/LogPage"), "LogPage"),
});
const compare = createRoute({
  ...at,
  path: "/compare",
  validateSearch: compareSearch,
  component: lazyRouteComponent(() => import("./pages/test/compare/ComparePage"), "ComparePage"),
});
const submit = createRoute({
  ...at,
  path: "/submit",
  validateSearch: submitSearch,
  component: lazyRouteComponent(() => import("./pages/submit/SubmitPage"), "SubmitPage"),
});
const agents = createRoute({
  ...at,
  path: "/agents",
  validateSearch: agentSearch,
  component: lazyRouteComponent(() => import("./pages/agents/AgentsPage"), "AgentsPage"),
});
const agent = createRoute({
  ...at,
  path: "/agents/$agentId",
  validateSearch: agentSearch,
  component: lazyRouteComponent(() => import("./pages/agents/AgentPage"), "AgentPage"),
});
const packages = createRoute({
  ...at,
  path: "/packages",
  validateSearch: packagesSearch,
  component: lazyRouteComponent(() => import("./pages/packages/PackagesPage"), "PackagesPage"),
});
const queue = createRoute({
  ...at,
  path: "/queue",
  validateSearch: queueSearch,
  component: lazyRouteComponent(() => import("./pages/queue/QueuePage"), "QueuePage"),
});
// Without a path of its own, so that /admin alone is as unknown as any other address.
const admin = createRoute({ ...at, id: "admin", component: AdminOnly, validateSearch: adminSearch });
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
const asText = (value: unknown) => (typeof value === "number" ? String(value) : value);
const parseSearch = (search: string) => Object.fromEntries(Object.entries(defaultParseSearch(search)).map(([key, value]) => [key, asText(value)]));
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
