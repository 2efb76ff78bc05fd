// One agent: its last 100 ended tests set against each other by run time, memory and outcome.
import { Button, Group, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { agentStatsQuery } from "../../api/queries";
import type { Test } from "../../api/types";
import { visible } from "../../components/bidi";
import { ChartPanel } from "../../components/ChartPanel";
import { Empty, ErrorBox, Loading, PageHeader } from "../../components/feedback";
import { Figure } from "../../components/Figure";
import { EditIcon, HistoryIcon } from "../../components/icons";
import { AnchorLink, ButtonLink } from "../../components/links";
import { formatBytes, formatCount, formatShare } from "../../components/numbers";
import { StateBadge } from "../../components/StateBadge";
import { queryOf } from "../../components/states";
import { formatDuration, parseDuration } from "../../time/durations";
import { Time } from "../../time/times";
import { agentRunsQuery } from "./queries";
import { countOutcomes, ofTest, type Run } from "./runs";
import { agentSearch } from "./search";
import { useAgentChanges } from "./useAgentChanges";

const runTime = (seconds: number): string => formatDuration(seconds * 1000);
/** An outcome is there or not: its axis has no numbers. */
const yesOrNothing = (): string => "";
const memory = (mebibytes: number): string => `${mebibytes.toFixed(mebibytes < 10 ? 1 : 0)} MiB`;

export function AgentPage() {
  const { agentId = "" } = useParams({ strict: false }) as { agentId?: string };
  const navigate = useNavigate();
  const { user: userId } = agentSearch(useSearch({ strict: false }) as Record<string, unknown>);
  useAgentChanges({ agentId, userId });
  const stats = useQuery(agentStatsQuery({ agentId, userId }));
  const tests = useQuery(agentRunsQuery(agentId, userId));
  const runs = useMemo(() => (tests.data ?? []).map(ofTest), [tests.data]);
  const found = stats.data?.stats;
  const newest = tests.data?.at(-1);

  if (stats.error && !found) {
    return (
      <Stack>
        <PageHeader title={agentId} />
        <ErrorBox error={stats.error} title="This agent could not be read" onRetry={() => void stats.refetch()} />
      </Stack>
    );
  }
  return (
    <Stack>
      <PageHeader title={visible(found?.agentName || agentId)} description={<span className="mono break">{userId ? `${agentId} of ${userId}` : agentId}</span>}>
        <ButtonLink variant="default" to="/tests" search={{ agent: agentId, user: userId }} leftSection={<HistoryIcon width={16} aria-hidden />}>
          Its tests
        </ButtonLink>
        {newest?.id && (
          <Button leftSection={<EditIcon width={16} aria-hidden />} onClick={() => void navigate({ to: "/submit", search: { again: newest.id } })}>
            Edit and run again
          </Button>
        )}
      </PageHeader>
      {stats.isPending ? (
        <Loading lines={3} />
      ) : (
        <SimpleGrid cols={{ base: 2, md: 4 }}>
          <Figure label="Tests that ended" value={formatCount(found?.endedCount)} note="cancelled ones left out" />
          <Figure label="Passed" value={Number(found?.endedCount ?? 0) > 0 ? formatShare(found?.successRate ?? 0) : "–"} />
          <Figure
            label="Run time"
            value={Number(found?.runSeconds?.count ?? 0) > 0 ? runTime(Number(found?.runSeconds?.mean ?? 0)) : "–"}
            note={Number(found?.runSeconds?.count ?? 0) > 0 ? `mean; 95th percentile ${runTime(Number(found?.runSeconds?.p95 ?? 0))}` : undefined}
          />
          <Figure
            label="Peak memory"
            value={Number(found?.peakMemoryBytes?.count ?? 0) > 0 ? formatBytes(Number(found?.peakMemoryBytes?.mean ?? 0)) : "–"}
            note={Number(found?.peakMemoryBytes?.count ?? 0) > 0 ? `mean; most ${formatBytes(Number(found?.peakMemoryBytes?.max ?? 0))}` : undefined}
          />
        </SimpleGrid>
      )}
      {tests.error && !tests.data ? (
        <ErrorBox error={tests.error} title="Its tests could not be read" onRetry={() => void tests.refetch()} />
      ) : tests.isPending ? (
        <Loading lines={6} />
      ) : runs.length === 0 ? (
        <Empty title="No test of this agent has ended yet" />
      ) : (
        <>
          <Charts runs={runs} />
          <Runs tests={tests.data.slice().reverse()} />
        </>
      )}
    </Stack>
  );
}

function Charts({ runs }: { runs: Run[] }) {
  // By number and not by time: runs of one evening and one of last month stand side by side.
  const x = useMemo(() => runs.map((_, index) => index + 1), [runs]);
  const run = useMemo(() => [{ label: "Run time", kind: "bars" as const, color: "#1c7ed6", values: runs.map((one) => one.runS) }], [runs]);
  const peak = useMemo(() => [{ label: "Peak memory", kind: "bars" as const, color: "#7048e8", values: runs.map((one) => one.memoryMiB) }], [runs]);
  const outcomes = useMemo(() => {
    const of = (outcome: Run["outcome"]) => runs.map((one) => (one.outcome === outcome ? 1 : null));
    return [
      { label: "passed", kind: "bars" as const, color: "#2f9e44", values: of("passed") },
      { label: "failed", kind: "bars" as const, color: "#e03131", values: of("failed") },
      { label: "timed out", kind: "bars" as const, color: "#f08c00", values: of("timed out") },
      { label: "cancelled", kind: "bars" as const, color: "#868e96", values: of("cancelled") },
    ];
  }, [runs]);
  const counts = countOutcomes(runs);
  const words = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([outcome, count]) => `${count} ${outcome}`)
    .join(", ");
  const last = runs.length === 1 ? "the last test" : `the last ${runs.length} tests, oldest left`;
  return (
    <SimpleGrid cols={{ base: 1, lg: 3 }}>
      <ChartPanel title="Run time" x={x} series={run} label={`Run time of ${last}`} time={false} format={runTime} />
      <ChartPanel title="Peak memory" x={x} series={peak} label={`Peak memory of ${last}`} time={false} format={memory} />
      <ChartPanel title={`Outcome: ${words}`} x={x} series={outcomes} label={`Outcome of ${last}: ${words}`} time={false} whole format={yesOrNothing} />
    </SimpleGrid>
  );
}

function Runs({ tests }: { tests: Test[] }) {
  return (
    <Table.ScrollContainer minWidth={320} type="native">
      <Table aria-label="The last 100 ended tests of this agent">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>State</Table.Th>
            <Table.Th>Query</Table.Th>
            <Table.Th visibleFrom="xs">Submitted</Table.Th>
            <Table.Th ta="right">Run</Table.Th>
            <Table.Th ta="right" visibleFrom="sm">
              Memory
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {tests.map((test) => (
            <Table.Tr key={test.id}>
              <Table.Td>
                <StateBadge state={test.state} failureCode={test.failure?.code} size="sm" />
              </Table.Td>
              <Table.Td maw={280}>
                <AnchorLink to="/tests/$testId" params={{ testId: test.id ?? "" }} size="sm" truncate display="block">
                  {queryOf(test)}
                </AnchorLink>
              </Table.Td>
              <Table.Td visibleFrom="xs">
                <Group gap={4}>
                  <Text size="sm" component="div">
                    <Time value={test.times?.submitTime} />
                  </Text>
                </Group>
              </Table.Td>
              <Table.Td ta="right">
                <Text size="sm">{formatDuration(parseDuration(test.result?.metrics?.runDuration))}</Text>
              </Table.Td>
              <Table.Td ta="right" visibleFrom="sm">
                <Text size="sm">{Number(test.result?.metrics?.peakMemoryBytes ?? 0) > 0 ? formatBytes(test.result?.metrics?.peakMemoryBytes) : "–"}</Text>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
