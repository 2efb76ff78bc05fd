// What an export leaves out, said before and after it: the server ends a file after so many tests without a word in it.
import type { TestState } from "../../api/types";
import { formatCount } from "../../components/numbers";
import { STATES } from "../../components/states";
import { shortState, type HistorySearch } from "./search";

/** Tests in one file at most (MOST in services/console/files/export.py). */
export const MOST_EXPORTED = 10_000;

/** Filters that the totals by state can be counted for. */
const COUNTED = new Set(["state", "archived", "user", "order", "page"]);

/** That the file will not have all tests of the list; null where it will. `totals`: by state, undefined while not known. */
export function exportLimit(search: HistorySearch, totals: Partial<Record<TestState, number>> | undefined): string | null {
  const meant = STATES.filter((state) => (search.state ? search.state.includes(shortState(state)) : state !== "TEST_STATE_ARCHIVED" || search.archived));
  // With further filters it is the most that there can be.
  const most = totals && meant.reduce((sum, state) => sum + (totals[state] ?? 0), 0);
  if (most !== undefined && most <= MOST_EXPORTED) return null;
  const isExact = most !== undefined && Object.keys(search).every((key) => COUNTED.has(key));
  return isExact
    ? `The first ${formatCount(MOST_EXPORTED)} of ${formatCount(most)} tests. Narrow the filters for the rest.`
    : `At most the first ${formatCount(MOST_EXPORTED)} tests. If there are more, narrow the filters for the rest.`;
}
