// What tests cost by day, user, agent or label.
import { NativeSelect, SimpleGrid, Stack, Table } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { call } from "../../api/call";
import type { CostRow } from "../../api/types";
import { visible } from "../../components/bidi";
import { ChartPanel } from "../../components/ChartPanel";
import { Empty, ErrorBox, Loading, PageHeader } from "../../components/feedback";
import { Figure } from "../../components/Figure";
import { formatCount, formatUsd, roughUsd } from "../../components/numbers";
import { TextFilter } from "../../components/TextFilter";
import { useTimes } from "../../time/times";
import { reportFields, ReportFilters, spanOf } from "./ReportFilters";
import { useAdminSearch } from "./useAdminSearch";

const GROUPS = {
  day: { api: "COST_GROUPING_DAY", label: "By day", head: "Day (UTC)" },
  user: { api: "COST_GROUPING_USER", label: "By user", head: "User" },
  agent: { api: "COST_GROUPING_AGENT", label: "By agent", head: "Agent" },
  label: { api: "COST_GROUPING_LABEL", label: "By label", head: "Value of the label" },
} as const;
const SPANS = ["7d", "30d", "90d"];
/** Rows in the chart; the table has all. */
const BARS = 30;

const usd = (row: CostRow | undefined): number => (typeof row?.cost?.totalUsd === "number" ? row.cost.totalUsd : 0);

export function CostPage() {
  const [search, change] = useAdminSearch();
  const { now } = useTimes();
  const by = search.by && Object.hasOwn(GROUPS, search.by) ? (search.by as keyof typeof GROUPS) : "day";
  const span = spanOf(search, SPANS, "30d");
  const asks = by !== "label" || Boolean(search.label);
  const report = useQuery({
    queryKey: ["cost", by, span, search.user, search.label],
    placeholderData: keepPreviousData,
    enabled: asks,
    refetchInterval: 60_000,
    queryFn: ({ signal }) =>
      call(
        "AdminService",
        "getCostReport",
        { groupBy: GROUPS[by].api, labelKey: by === "label" ? search.label : undefined, ...reportFields(search, span, now()) },
        signal,
      ),
  });
  const rows = useMemo(() => report.data?.rows ?? [], [report.data]);
  const shown = useMemo(() => (by === "day" ? rows : rows.slice(0, BARS)), [rows, by]);
  const x = useMemo(() => shown.map((row, index) => (by === "day" ? Date.parse(`${row.key}T00:00:00Z`) / 1000 : index + 1)), [shown, by]);
  const series = useMemo(() => [{ label: "US dollars", kind: "bars" as const, color: "#1c7ed6", values: shown.map(usd) }], [shown]);
  const total = report.data?.total;
  return (
    <Stack>
      <PageHeader title="Cost" description="By the price table in the settings of the server, in US dollars." />
      <ReportFilters search={search} change={change} spans={SPANS} span={span}>
        <NativeSelect label="Rows" value={by} onChange={(event) => change({ by: event.currentTarget.value as keyof typeof GROUPS })} data={Object.entries(GROUPS).map(([value, { label }]) => ({ value, label }))} />
        {by === "label" && <TextFilter label="Label" placeholder="team" value={search.label} onChange={(label) => change({ label })} />}
      </ReportFilters>
      {report.error && <ErrorBox error={report.error} title="The cost could not be read" onRetry={() => void report.refetch()} />}
      {!asks ? (
        <Empty title="Which label?">Name the label whose values are to be told apart, such as team.</Empty>
      ) : report.isPending ? (
        <Loading lines={6} />
      ) : report.data && rows.length === 0 ? (
        <Empty title="No test ended in this time" />
      ) : report.data ? (
        <>
          <SimpleGrid cols={{ base: 2, md: 4 }}>
            <Figure label="Total" value={roughUsd(usd(total))} note={`${formatCount(total?.testCount)} tests`} />
            <Figure label="CPU and memory" value={roughUsd(part(total, "cpuUsd") + part(total, "memoryUsd"))} />
            <Figure label="Logs" value={roughUsd(part(total, "logsUsd"))} />
            <Figure label="Packages kept" value={roughUsd(part(total, "storageUsd"))} />
          </SimpleGrid>
          <ChartPanel title={`Cost, ${GROUPS[by].label.toLowerCase()}`} x={x} series={series} time={by === "day"} utc format={formatUsd} label={`Cost ${GROUPS[by].label.toLowerCase()}; the table below has the numbers`} />
          <Table.ScrollContainer minWidth={480} type="native" tabIndex={0}>
            <Table aria-label={`Cost ${GROUPS[by].label.toLowerCase()}`}>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{GROUPS[by].head}</Table.Th>
                  {["Tests", "CPU", "Memory", "Logs", "Packages", "Total"].map((name) => (
                    <Table.Th key={name} ta="right">
                      {name}
                    </Table.Th>
                  ))}
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {rows.map((row) => (
                  <Table.Tr key={row.key ?? ""}>
                    <Table.Td className="break">{visible(row.key || "none")}</Table.Td>
                    <Table.Td ta="right">{formatCount(row.testCount)}</Table.Td>
                    <Table.Td ta="right">{formatUsd(part(row, "cpuUsd"))}</Table.Td>
                    <Table.Td ta="right">{formatUsd(part(row, "memoryUsd"))}</Table.Td>
                    <Table.Td ta="right">{formatUsd(part(row, "logsUsd"))}</Table.Td>
                    <Table.Td ta="right">{formatUsd(part(row, "storageUsd"))}</Table.Td>
                    <Table.Td ta="right">{formatUsd(usd(row))}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        </>
      ) : null}
    </Stack>
  );
}

function part(row: CostRow | undefined, name: "cpuUsd" | "memoryUsd" | "logsUsd" | "storageUsd"): number {
  const value = row?.cost?.[name];
  return typeof value === "number" ? value : 0;
}
