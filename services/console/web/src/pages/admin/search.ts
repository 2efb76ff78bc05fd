// What the addresses of the admin's pages say. One form for all: each page reads what it needs.
export interface AdminSearch {
  /** Token of the page of a list. */
  page?: string;
  user?: string;
  service?: string;
  /** Ended keys, too. */
  ended?: boolean;
  by?: "hour" | "day" | "user" | "agent" | "label";
  label?: string;
  /** How far back: "24h", "7d", "30d", "90d". */
  span?: string;
}

const BY = new Set(["hour", "day", "user", "agent", "label"]);
const SPANS = new Set(["24h", "72h", "7d", "30d", "90d"]);

export function adminSearch(search: Record<string, unknown>): AdminSearch {
  const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
  const by = text(search.by);
  const span = text(search.span);
  const found: AdminSearch = {
    page: text(search.page),
    user: text(search.user),
    service: text(search.service),
    ended: search.ended === true || undefined,
    by: by && BY.has(by) ? (by as AdminSearch["by"]) : undefined,
    label: text(search.label),
    span: span && SPANS.has(span) ? span : undefined,
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}
