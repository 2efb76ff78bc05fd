// One row an agent: how its tests went, how long they ran, what failed last.
import { Progress, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import type { Agent } from "../../api/types";
import { useSession } from "../../api/session";
import { AgentLink } from "../../components/AgentLink";
import { visible } from "../../components/bidi";
import { Empty, ErrorBox, Loading, PageHeader } from "../../components/feedback";
import { AnchorLink, ButtonLink } from "../../components/links";
import { formatCount, formatShare } from "../../components/numbers";
import { Pager } from "../../components/Pager";
import { formatDuration } from "../../time/durations";
import { Time } from "../../time/times";
import { agentsQuery } from "./queries";
import { ofAgentRun } from "./runs";
import { agentSearch } from "./search";
import { Sparkline } from "./Sparkline";
import { useAgentChanges } from "./useAgentChanges";

export function AgentsPage() {
  const search = agentSearch(useSearch({ strict: false }) as Record<string, unknown>);
  const { isAdmin } = useSession();
  const list = useQuery(agentsQuery(search));
  useAgentChanges(search.user ? { userId: search.user } : {});
  const agents = list.data?.agents ?? [];
  return (
    <Stack gap="sm">
      <PageHeader title="Agents" description="The one with the newest test first." />
      {list.error && <ErrorBox error={list.error} title="The agents could not be read" onRetry={() => void list.refetch()} />}
      {list.isPending ? (
        <Loading lines={6} label="Loading the agents" />
      ) : agents.length === 0 && !list.error ? (
        <Empty title="No agents yet">
          An agent appears here with its first test.
          <br />
          <ButtonLink to="/submit" mt="md">
            Hand in an agent
          </ButtonLink>
        </Empty>
      ) : (
        <Table.ScrollContainer minWidth={320} type="native">
          <Table verticalSpacing={8} highlightOnHover aria-label="Agents">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Agent</Table.Th>
                <Table.Th>Passed</Table.Th>
                <Table.Th visibleFrom="sm">Run times, oldest to newest</Table.Th>
                <Table.Th visibleFrom="md">Last failure</Table.Th>
                <Table.Th visibleFrom="md">Newest test</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {agents.map((agent) => (
                <Row key={`${agent.userId} ${agent.stats?.agentId}`} agent={agent} showUser={isAdmin} />
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      <Pager label="Pages of the list" search={search} next={list.data?.nextPageToken} busy={list.isPlaceholderData} />
    </Stack>
  );
}

function Row({ agent, showUser }: { agent: Agent; showUser: boolean }) {
  const { stats, lastFailure } = agent;
  const id = stats?.agentId ?? "";
  const ended = Number(stats?.endedCount ?? 0);
  const rate = typeof stats?.successRate === "number" ? stats.successRate : 0;
  const runs = (agent.runs ?? []).map(ofAgentRun).reverse();
  const mean = stats?.runSeconds?.mean;
  return (
    <Table.Tr>
      <Table.Td maw={220}>
        <AgentLink agentId={id} userId={agent.userId} fw={600} truncate display="block">
          {visible(stats?.agentName || id)}
        </AgentLink>
        <Text size="xs" c="dimmed" truncate>
          {id}
          {showUser && agent.userId ? ` · ${agent.userId}` : ""}
        </Text>
      </Table.Td>
      <Table.Td miw={120}>
        <Text size="sm">{ended === 0 ? (runs.length > 0 ? "only cancelled" : "no result yet") : `${formatShare(rate)} of ${formatCount(ended)}`}</Text>
        {ended > 0 && <Progress value={rate * 100} size="xs" mt={4} color="green" aria-label={`${formatShare(rate)} passed`} />}
      </Table.Td>
      <Table.Td visibleFrom="sm">
        <Sparkline runs={runs} />
        <Text size="xs" c="dimmed">
          {typeof mean === "number" && Number(stats?.runSeconds?.count ?? 0) > 0 ? `mean ${formatDuration(mean * 1000)}` : runs.length > 0 ? "no mean: cancelled ones do not count" : "no run yet"}
        </Text>
      </Table.Td>
      <Table.Td visibleFrom="md" maw={220}>
        {lastFailure ? (
          <>
            <AnchorLink to="/tests/$testId" params={{ testId: lastFailure.testId ?? "" }} size="sm" truncate display="block">
              {lastFailure.failureCode || "failed"}
            </AnchorLink>
            <Text size="xs" c="dimmed" component="div">
              <Time value={lastFailure.submitTime} />
            </Text>
          </>
        ) : (
          <Text size="sm" c="dimmed">
            none
          </Text>
        )}
      </Table.Td>
      <Table.Td visibleFrom="md">
        <Text size="sm" component="div">
          <Time value={stats?.lastSubmitTime} />
        </Text>
      </Table.Td>
    </Table.Tr>
  );
}
