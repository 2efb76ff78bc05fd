// What every report is narrowed by: how far back it goes, and whose tests it is about.
import { Group, NativeSelect } from "@mantine/core";
import type { ReactNode } from "react";
import { TextFilter } from "../../components/TextFilter";
import { parseSpan } from "../history/search";
import type { AdminSearch } from "./search";

const LABELS: Record<string, string> = { "24h": "Last 24 hours", "72h": "Last 3 days", "7d": "Last 7 days", "30d": "Last 30 days", "90d": "Last 90 days" };

/** The span of an address where the report has it, else `usual`. */
export const spanOf = (search: AdminSearch, spans: string[], usual: string): string => (search.span && spans.includes(search.span) ? search.span : usual);

/** The fields of a report's request that say the same. `now`: of the server, in milliseconds. */
export const reportFields = (search: AdminSearch, span: string, now: number) => ({ fromTime: new Date(now - (parseSpan(span) ?? 0)).toISOString(), userId: search.user });

/** `children`: what else the report asks for, in front. `spans`: how far back it can go, `span` of them is chosen. */
export function ReportFilters({ search, change, spans, span, children }: { search: AdminSearch; change: (part: Partial<AdminSearch>) => void; spans: string[]; span: string; children: ReactNode }) {
  return (
    <Group align="end">
      {children}
      <NativeSelect label="Time" value={span} onChange={(event) => change({ span: event.currentTarget.value })} data={spans.map((value) => ({ value, label: LABELS[value] ?? value }))} />
      <TextFilter label="User" placeholder="everybody" value={search.user} onChange={(user) => change({ user })} />
    </Group>
  );
}
