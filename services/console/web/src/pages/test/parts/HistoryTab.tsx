// Every move of the test, and the chain of its retries with what came of each.
import { Badge, Group, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { chainQuery } from "../../../api/queries";
import type { Test } from "../../../api/types";
import { visible } from "../../../components/bidi";
import { Empty, ErrorBox, Loading } from "../../../components/feedback";
import { CompareIcon } from "../../../components/icons";
import { AnchorLink } from "../../../components/links";
import { StateBadge } from "../../../components/StateBadge";
import { formatDuration, parseDuration } from "../../../time/durations";
import { Time } from "../../../time/times";

export function RetryChain({ test }: { test: Test }) {
  const chain = useQuery(chainQuery(test.id ?? ""));
  if (chain.isPending) return <Loading lines={2} label="Loading the retries" />;
  if (chain.error) return <ErrorBox error={chain.error} title="The retries could not be read" onRetry={() => void chain.refetch()} />;
  if (chain.data.length < 2) return <Text c="dimmed">This test is not a retry, and nobody has retried it.</Text>;
  return (
    <Table.ScrollContainer minWidth={560} scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "Retries" } }}>
      <Table verticalSpacing={4} aria-label="Retries">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Test</Table.Th>
            <Table.Th>Outcome</Table.Th>
            <Table.Th>Run time</Table.Th>
            <Table.Th>Query</Table.Th>
            <Table.Th>Submitted</Table.Th>
            <Table.Th>Compare</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {chain.data.map((one) => {
            const here = one.id === test.id;
            const name = one.retry ? `Retry ${one.retry.retryNumber ?? ""}` : "Original";
            return (
              <Table.Tr key={one.id} {...(here ? { "aria-current": "true" } : {})}>
                <Table.Td>
                  {here ? (
                    <Text size="sm" fw={700}>
                      {name} (this one)
                    </Text>
                  ) : (
                    <AnchorLink to="/tests/$testId" params={{ testId: one.id ?? "" }}>
                      {name}
                    </AnchorLink>
                  )}
                </Table.Td>
                <Table.Td>
                  <Group gap={4}>
                    <StateBadge state={one.state} failureCode={one.failure?.code ?? ""} />
                    {one.failure?.code && one.failure.code !== "CANCELLED" && (
                      <Text size="xs" className="mono">
                        {one.failure.code}
                      </Text>
                    )}
                  </Group>
                </Table.Td>
                <Table.Td>{formatDuration(parseDuration(one.result?.metrics?.runDuration))}</Table.Td>
                <Table.Td className="break" maw={300}>
                  <Text size="sm" lineClamp={2}>
                    {visible(one.spec?.query ?? "–")}
                  </Text>
                </Table.Td>
                <Table.Td>
                  <Time value={one.times?.submitTime} />
                </Table.Td>
                <Table.Td>
                  {!here && (
                    <AnchorLink to="/compare" search={{ a: one.id ?? "", b: test.id ?? "" }} aria-label={`Compare ${name} with this test`}>
                      <CompareIcon width={14} aria-hidden /> Compare
                    </AnchorLink>
                  )}
                </Table.Td>
              </Table.Tr>
            );
          })}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

export function HistoryTab({ test }: { test: Test }) {
  const moves = test.history ?? [];
  const task = test.task;
  return (
    <Stack>
      <section aria-label="Retries of this test">
        <Text component="h2" fw={600} fz="md" m={0} mb={4}>
          Retries
        </Text>
        <RetryChain test={test} />
      </section>
      <section aria-label="Moves">
        <Text component="h2" fw={600} fz="md" m={0} mb={4}>
          Moves
        </Text>
        {moves.length === 0 ? (
          <Empty title="Nothing happened yet" />
        ) : (
          <Table.ScrollContainer minWidth={720} scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "Moves" } }}>
            <Table verticalSpacing={4} aria-label="Moves">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>State</Table.Th>
                  <Table.Th>When</Table.Th>
                  <Table.Th>After</Table.Th>
                  <Table.Th>Attempt</Table.Th>
                  <Table.Th>By</Table.Th>
                  <Table.Th>Why</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {moves.map((move, index) => {
                  const before = moves[index - 1]?.time;
                  return (
                    <Table.Tr key={index}>
                      <Table.Td>
                        <StateBadge state={move.state} failureCode={index === moves.length - 1 ? (test.failure?.code ?? "") : ""} />
                      </Table.Td>
                      <Table.Td style={{ whiteSpace: "nowrap" }}>
                        <Time value={move.time} />
                      </Table.Td>
                      <Table.Td style={{ whiteSpace: "nowrap" }}>{before && move.time ? formatDuration(Date.parse(move.time) - Date.parse(before)) : "–"}</Table.Td>
                      <Table.Td>{move.attempt ?? 0}</Table.Td>
                      <Table.Td className="break">{move.movedBy}</Table.Td>
                      <Table.Td className="break">{visible(move.reason || "–")}</Table.Td>
                    </Table.Tr>
                  );
                })}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        )}
      </section>
      {task && (
        <Group gap="xs">
          <Text size="sm">Ran in</Text>
          <Badge variant="default" tt="none">
            {task.runtime}
          </Badge>
          {task.taskId && (
            <Text size="sm" className="mono break">
              {task.taskId}
            </Text>
          )}
          {task.exitCode !== undefined && <Text size="sm">exit code {task.exitCode}</Text>}
          {task.stopReason && task.stopReason !== `exit code ${task.exitCode}` && (
            <Text size="sm" className="break">
              {visible(task.stopReason)}
            </Text>
          )}
        </Group>
      )}
    </Stack>
  );
}
