// What the addresses of a test and of a comparison say.
import { logSearch, type LogSearch } from "../../log/show";

export const TABS = ["answer", "log", "metrics", "settings", "files", "package", "history"] as const;
export type TestTab = (typeof TABS)[number];

export interface TestSearch extends LogSearch {
  /** "12" or "12-40": lines of the log that are opened and marked. */
  line?: string;
  /** Which part is shown below the head. */
  tab?: TestTab;
}

/** Whether `text` has the form of a test's id. */
export const isTestId = (text: string): boolean => /^tst_[0-9a-f]{32}$/.test(text);

export function testSearch(search: Record<string, unknown>): TestSearch {
  const line = typeof search.line === "number" ? String(search.line) : search.line;
  const tab = TABS.find((one) => one === search.tab);
  return {
    ...logSearch(search),
    ...(typeof line === "string" && /^\d{1,16}(-\d{1,16})?$/.test(line) ? { line } : {}),
    ...(tab ? { tab } : {}),
  };
}

export interface CompareSearch {
  a?: string;
  b?: string;
  /** Differences only. */
  only?: boolean;
}

export function compareSearch(search: Record<string, unknown>): CompareSearch {
  return {
    ...(typeof search.a === "string" ? { a: search.a } : {}),
    ...(typeof search.b === "string" ? { b: search.b } : {}),
    ...(search.only === true ? { only: true } : {}),
  };
}
