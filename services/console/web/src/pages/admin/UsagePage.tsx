// Submissions, success and run times by hour or day.
import { SegmentedControl, SimpleGrid, Stack, Table } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { call } from "../../api/call";
import type { UsageFigures } from "../../api/types";
import { ChartPanel } from "../../components/ChartPanel";
import { Empty, ErrorBox, Loading, PageHeader } from "../../components/feedback";
import { Figure } from "../../components/Figure";
import { formatCount, formatShare } from "../../components/numbers";
import { formatDuration } from "../../time/durations";
import { useTimes } from "../../time/times";
import { reportFields, ReportFilters, spanOf } from "./ReportFilters";
import { useAdminSearch } from "./useAdminSearch";

const seconds = (value: number): string => formatDuration(value * 1000);
const spread = (figures: UsageFigures | undefined, part: "p50" | "p95"): number | null => (Number(figures?.runSeconds?.count ?? 0) > 0 ? Number(figures?.runSeconds?.[part] ?? 0) : null);
/** Hours and days of the report are UTC, and so is what names them. */
const stepName = (time: string | undefined, byDay: boolean): string => (time ?? "").slice(0, byDay ? 10 : 16).replace("T", " ");

export function UsagePage() {
  const [search, change] = useAdminSearch();
  const { now } = useTimes();
  const byDay = search.by !== "hour";
  const spans = byDay ? ["7d", "30d", "90d"] : ["24h", "72h", "7d"];
  const span = spanOf(search, spans, byDay ? "30d" : "24h");
  const report = useQuery({
    queryKey: ["usage", byDay, span, search.user],
    placeholderData: keepPreviousData,
    refetchInterval: 60_000,
    queryFn: ({ signal }) =>
      call(
        "AdminService",
        "getUsage",
        { interval: byDay ? "REPORT_INTERVAL_DAY" : "REPORT_INTERVAL_HOUR", ...reportFields(search, span, now()) },
        signal,
      ),
  });
  const steps = useMemo(() => report.data?.steps ?? [], [report.data]);
  const x = useMemo(() => steps.map((step) => Date.parse(step.startTime ?? "") / 1000), [steps]);
  const counts = useMemo(() => {
    const of = (pick: (step: UsageFigures) => string | undefined) => steps.map((step) => Number(pick(step) ?? 0));
    return [{ label: "submitted", kind: "bars" as const, color: "#1c7ed6", values: of((step) => step.submittedCount) }];
  }, [steps]);
  const success = useMemo(() => [{ label: "passed", kind: "line" as const, color: "#2f9e44", values: steps.map((step) => (typeof step.successRate === "number" ? step.successRate : null)) }], [steps]);
  const runs = useMemo(
    () => [
      { label: "median", kind: "line" as const, color: "#7048e8", values: steps.map((step) => spread(step, "p50")) },
      { label: "95th percentile", kind: "line" as const, color: "#e8590c", values: steps.map((step) => spread(step, "p95")) },
    ],
    [steps],
  );
  const total = report.data?.total;
  const nothing = steps.every((step) => Number(step.submittedCount ?? 0) === 0 && Number(step.completedCount ?? 0) + Number(step.failedCount ?? 0) + Number(step.timedOutCount ?? 0) === 0);
  const rows = steps.filter((step) => Number(step.submittedCount ?? 0) + Number(step.completedCount ?? 0) + Number(step.failedCount ?? 0) + Number(step.timedOutCount ?? 0) + Number(step.cancelledCount ?? 0) > 0).reverse();
  return (
    <Stack>
      <PageHeader title="Usage" description={`By ${byDay ? "day" : "hour"}, in UTC.`} />
      <ReportFilters search={search} change={change} spans={spans} span={span}>
        <SegmentedControl
          aria-label="Steps"
          value={byDay ? "day" : "hour"}
          onChange={(value) => change({ by: value === "hour" ? "hour" : undefined, span: undefined })}
          data={[
            { value: "hour", label: "By hour" },
            { value: "day", label: "By day" },
          ]}
        />
      </ReportFilters>
      {report.error && <ErrorBox error={report.error} title="The usage could not be read" onRetry={() => void report.refetch()} />}
      {report.isPending ? (
        <Loading lines={6} />
      ) : nothing && !report.error ? (
        <Empty title="Nothing was submitted in this time" />
      ) : report.data ? (
        <>
          <SimpleGrid cols={{ base: 2, md: 4 }}>
            <Figure label="Submitted" value={formatCount(total?.submittedCount)} />
            <Figure label="Passed" value={formatShare(total?.successRate)} note="of those that ended, cancelled ones left out" />
            <Figure label="Run time, median" value={spread(total, "p50") === null ? "–" : seconds(spread(total, "p50") ?? 0)} />
            <Figure label="Run time, 95th percentile" value={spread(total, "p95") === null ? "–" : seconds(spread(total, "p95") ?? 0)} />
          </SimpleGrid>
          <SimpleGrid cols={{ base: 1, lg: 3 }}>
            <ChartPanel title="Submitted tests" x={x} series={counts} utc label="Submitted tests over time; the table below has the numbers" whole format={formatCount} />
            <ChartPanel title="Success rate" x={x} series={success} utc label="Share of tests that passed over time; the table below has the numbers" format={formatShare} />
            <ChartPanel title="Run time" x={x} series={runs} utc label="Run times over time; the table below has the numbers" format={seconds} />
          </SimpleGrid>
          <Table.ScrollContainer minWidth={560} type="native" tabIndex={0}>
            <Table aria-label="Usage by step; steps without any test are left out">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{byDay ? "Day (UTC)" : "Hour (UTC)"}</Table.Th>
                  {["Submitted", "Passed", "Failed", "Timed out", "Cancelled", "Success", "Median run time", "95th percentile"].map((name) => (
                    <Table.Th key={name} ta="right">
                      {name}
                    </Table.Th>
                  ))}
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {rows.map((step) => (
                  <Table.Tr key={step.startTime}>
                    <Table.Td>{stepName(step.startTime, byDay)}</Table.Td>
                    <Table.Td ta="right">{formatCount(step.submittedCount)}</Table.Td>
                    <Table.Td ta="right">{formatCount(step.completedCount)}</Table.Td>
                    <Table.Td ta="right">{formatCount(step.failedCount)}</Table.Td>
                    <Table.Td ta="right">{formatCount(step.timedOutCount)}</Table.Td>
                    <Table.Td ta="right">{formatCount(step.cancelledCount)}</Table.Td>
                    <Table.Td ta="right">{formatShare(step.successRate)}</Table.Td>
                    <Table.Td ta="right">{spread(step, "p50") === null ? "–" : seconds(spread(step, "p50") ?? 0)}</Table.Td>
                    <Table.Td ta="right">{spread(step, "p95") === null ? "–" : seconds(spread(step, "p95") ?? 0)}</Table.Td>
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
