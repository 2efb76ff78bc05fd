// What the address of the history says: every filter, the order and the page. What cannot be understood is left out.
import type { TestFilter, TestOrder, TestState } from "../../api/types";
import { STATES } from "../../components/states";

export type HistoryOrder = "newest" | "oldest" | "state" | "run-time";

export interface HistorySearch {
  state?: string[];
  agent?: string;
  provider?: string;
  /** "key" or "key=value". */
  label?: string[];
  code?: string;
  text?: string;
  /** "24h", "7d": within this time; or an RFC 3339 time. */
  from?: string;
  to?: string;
  user?: string;
  archived?: boolean;
  order?: HistoryOrder;
  /** Token of the page. */
  page?: string;
}

export const ORDERS: Record<HistoryOrder, { api: TestOrder; label: string }> = {
  newest: { api: "TEST_ORDER_NEWEST", label: "Newest first" },
  oldest: { api: "TEST_ORDER_OLDEST", label: "Oldest first" },
  state: { api: "TEST_ORDER_STATE", label: "By state" },
  "run-time": { api: "TEST_ORDER_RUN_TIME", label: "Longest run first" },
};

const SPANS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** State of the API by the short name that stands in the address: "failed". */
export const shortState = (state: TestState): string => state.replace("TEST_STATE_", "").toLowerCase();
const longState = (short: string): TestState | undefined => STATES.find((state) => shortState(state) === short);

export function historySearch(search: Record<string, unknown>): HistorySearch {
  const list = (value: unknown): string[] | undefined => {
    const all = (Array.isArray(value) ? value : [value]).filter((one): one is string => typeof one === "string" && one !== "");
    return all.length > 0 ? all : undefined;
  };
  const text = (value: unknown): string | undefined => {
    if (typeof value === "number") return String(value);
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const found: HistorySearch = {
    state: list(search.state)?.filter((short) => longState(short)),
    agent: text(search.agent),
    provider: text(search.provider),
    label: list(search.label),
    code: text(search.code),
    text: text(search.text)?.slice(0, 200),
    from: text(search.from),
    to: text(search.to),
    user: text(search.user),
    archived: search.archived === true || undefined,
    order: typeof search.order === "string" && Object.hasOwn(ORDERS, search.order) ? (search.order as HistoryOrder) : undefined,
    page: text(search.page),
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0)));
}

/** A span such as "7d" in milliseconds; undefined: it is none. */
export function parseSpan(text: string): number | undefined {
  const match = /^(\d{1,4})([mhd])$/.exec(text);
  const unit = match?.[2] ? SPANS[match[2]] : undefined;
  return match && unit ? Number(match[1]) * unit : undefined;
}

function time(text: string | undefined, now: number): string | undefined {
  if (text === undefined) return undefined;
  const span = parseSpan(text);
  const at = span === undefined ? Date.parse(text) : now - span;
  return Number.isFinite(at) ? new Date(at).toISOString() : undefined;
}

/** The labels of an address as the API takes them: an empty value asks for the key alone. */
export function parseLabels(labels: string[] | undefined): Record<string, string> | undefined {
  if (!labels?.length) return undefined;
  return Object.fromEntries(
    labels.map((label) => {
      const cut = label.indexOf("=");
      return cut < 0 ? [label, ""] : [label.slice(0, cut), label.slice(cut + 1)];
    }),
  );
}

/** The filter for the API. `now`: of the server, in milliseconds. */
export function toFilter(search: HistorySearch, now: number): TestFilter {
  return {
    states: search.state?.map(longState).filter((state) => state !== undefined),
    agentId: search.agent,
    provider: search.provider,
    labels: parseLabels(search.label),
    failureCode: search.code,
    text: search.text,
    submittedFrom: time(search.from, now),
    submittedBefore: time(search.to, now),
    userId: search.user,
    includeArchived: search.archived,
  };
}

/** How many conditions an address has. */
export function countFilters(search: HistorySearch): number {
  const { order: _order, page: _page, ...filters } = search;
  return Object.keys(filters).length;
}
