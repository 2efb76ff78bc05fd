// What the test took, against the mean of its agent's other tests, and what it cost.
import { Box, Group, Paper, SimpleGrid, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { agentStatsQuery } from "../../../api/queries";
import type { Test } from "../../../api/types";
import { AgentLink } from "../../../components/AgentLink";
import { visible } from "../../../components/bidi";
import { Empty, ErrorBox } from "../../../components/feedback";
import { formatCount, formatShare, formatUsd } from "../../../components/numbers";
import { hasEnded } from "../../../components/states";
import { figuresOf, type Figure } from "./figures";

function Bar({ figure }: { figure: Figure }) {
  return (
    <div>
      <Group justify="space-between" gap="xs">
        <Text size="sm">{figure.label}</Text>
        <Text size="sm" fw={600}>
          {figure.value}
        </Text>
      </Group>
      <Box pos="relative" h={12} bg="var(--mantine-color-default-border)" style={{ borderRadius: 6 }} aria-hidden>
        <Box h={12} w={`${Math.max(0.5, figure.share * 100)}%`} bg="blue" style={{ borderRadius: 6 }} />
        {figure.meanShare !== undefined && (
          <Box pos="absolute" top={-3} h={18} w={3} left={`calc(${Math.min(1, figure.meanShare) * 100}% - 2px)`} bg="var(--mantine-color-text)" />
        )}
      </Box>
      {figure.note && (
        <Text size="xs" c="dimmed">
          {figure.note}
        </Text>
      )}
    </div>
  );
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div>
      <Text size="xs" c="dimmed">
        {label}
      </Text>
      <Text component="div">{children}</Text>
    </div>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Paper component="section" withBorder p="md" aria-label={title}>
      <Text component="h2" fw={600} fz="md" m={0} mb="sm">
        {title}
      </Text>
      {children}
    </Paper>
  );
}

export function MetricsTab({ test }: { test: Test }) {
  const ended = hasEnded(test.state);
  const others = useQuery({ ...agentStatsQuery({ testId: test.id ?? "" }), enabled: ended });
  const stats = others.data?.stats;
  const figures = figuresOf(test, stats, others.data?.comparison);
  const count = Number(stats?.endedCount ?? 0);
  const cost = test.cost;
  const usage = test.result?.usage;
  const agentId = test.spec?.agentId;
  return (
    <Stack>
      {figures.length === 0 ? (
        <Empty title={ended ? "Nothing was measured: it never ran" : "Nothing measured yet"}>{!ended && "Figures are there when the test has ended."}</Empty>
      ) : (
        <Part title="What it took">
          <Stack gap="md">
            {figures.map((figure) => (
              <Bar key={figure.label} figure={figure} />
            ))}
            {figures.some((one) => one.meanShare !== undefined) && (
              <Text size="xs" c="dimmed">
                The upright line is the mean of this agent’s other tests.
              </Text>
            )}
          </Stack>
        </Part>
      )}
      {others.error ? <ErrorBox error={others.error} title="The agent’s other tests could not be read" onRetry={() => void others.refetch()} /> : null}
      {stats && (
        <Part title="This agent’s other tests">
          {count === 0 ? (
            <Text size="sm">This is its only test that ended so far.</Text>
          ) : (
            <SimpleGrid cols={{ base: 1, xs: 3 }}>
              <Fact label="Tests that ended">{formatCount(stats.endedCount)}</Fact>
              <Fact label="Of these passed">{formatShare(stats.successRate ?? 0)}</Fact>
              <Fact label="Agent">
                {agentId && (
                  <AgentLink agentId={agentId} userId={test.userId}>
                    {visible(stats.agentName || agentId)}
                  </AgentLink>
                )}
              </Fact>
            </SimpleGrid>
          )}
        </Part>
      )}
      {usage && (
        <Part title="Tokens that the agent says it used">
          <SimpleGrid cols={{ base: 1, xs: 2 }}>
            <Fact label="Sent to the model">{formatCount(usage.inputTokens)}</Fact>
            <Fact label="Received from it">{formatCount(usage.outputTokens)}</Fact>
          </SimpleGrid>
        </Part>
      )}
      {ended && (
        <Part title="Cost">
          {cost ? (
            <SimpleGrid cols={{ base: 2, xs: 4 }}>
              <Fact label="In all">
                <b>{formatUsd(cost.totalUsd ?? 0)}</b>
              </Fact>
              <Fact label="Processor">{formatUsd(cost.cpuUsd ?? 0)}</Fact>
              <Fact label="Memory">{formatUsd(cost.memoryUsd ?? 0)}</Fact>
              <Fact label="Log">{formatUsd(cost.logsUsd ?? 0)}</Fact>
            </SimpleGrid>
          ) : (
            <Text size="sm">Nothing is charged here, or it is not counted yet.</Text>
          )}
        </Part>
      )}
    </Stack>
  );
}
