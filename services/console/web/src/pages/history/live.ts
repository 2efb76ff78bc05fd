// What changes do to a list on show: rows change where they stand, and new ones are counted, not put in. No I/O.
import type { Test } from "../../api/types";
import { nameOf } from "../../components/states";
import { parseLabels, shortState, type HistorySearch } from "./search";

/** The rows with the changed ones in their places. The same array where nothing of it changed. */
export function patch(rows: Test[], changed: Test[]): Test[] {
  const byId = new Map(changed.map((test) => [test.id, test]));
  return rows.some((row) => byId.has(row.id)) ? rows.map((row) => byId.get(row.id) ?? row) : rows;
}

/** Whether a test that came in would stand in the list of this address. */
export function belongs(test: Test, search: HistorySearch): boolean {
  const spec = test.spec ?? {};
  const labels = Object.entries(parseLabels(search.label) ?? {});
  const haystack = `${nameOf(test)} ${spec.query ?? ""}`.toLowerCase();
  const words = (search.text ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  return (
    (!search.state || (test.state !== undefined && search.state.includes(shortState(test.state)))) &&
    (!search.agent || spec.agentId === search.agent) &&
    (!search.provider || spec.model?.provider === search.provider) &&
    (!search.code || test.failure?.code === search.code) &&
    (!search.user || test.userId === search.user) &&
    labels.every(([key, value]) => spec.labels?.[key] !== undefined && (!value || spec.labels[key] === value)) &&
    words.every((word) => haystack.includes(word)) &&
    (!search.to || Number.isNaN(Date.parse(search.to)))
  );
}

/** Ids of tests that are newer than the list and belong to it, added to those that are known to be. */
export function newcomers(known: ReadonlySet<string>, rows: Test[], changed: Test[], search: HistorySearch): ReadonlySet<string> {
  const shown = new Set(rows.map((row) => row.id));
  const newest = rows.reduce((latest, row) => ((row.id ?? "") > latest ? (row.id ?? "") : latest), "");
  // Ids sort by the time of submission.
  const more = changed.filter((test) => test.id && !shown.has(test.id) && !known.has(test.id) && test.id > newest && belongs(test, search));
  return more.length === 0 ? known : new Set([...known, ...more.map((test) => test.id ?? "")]);
}
