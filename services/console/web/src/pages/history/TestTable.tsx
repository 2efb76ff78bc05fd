// One page of tests as a table. On a narrow screen the least important columns give way.
import { Checkbox, Stack, Table, Text } from "@mantine/core";
import type { Test } from "../../api/types";
import { AgentLink } from "../../components/AgentLink";
import { visible } from "../../components/bidi";
import { AnchorLink } from "../../components/links";
import { StateBadge } from "../../components/StateBadge";
import { hasEnded, nameOf, queryOf } from "../../components/states";
import { formatDuration, parseDuration } from "../../time/durations";
import { Time } from "../../time/times";

export function TestTable({ tests, showUser, selected, onSelect }: { tests: Test[]; showUser: boolean; selected: string[]; onSelect: (id: string, on: boolean) => void }) {
  return (
    <Table verticalSpacing={8} highlightOnHover aria-label="Tests">
      <Table.Thead>
        <Table.Tr>
          <Table.Th w={40}>
            <span className="hidden">Compare</span>
          </Table.Th>
          <Table.Th w={130} visibleFrom="sm">
            State
          </Table.Th>
          <Table.Th>Test</Table.Th>
          <Table.Th visibleFrom="md">Agent</Table.Th>
          {showUser && <Table.Th visibleFrom="md">User</Table.Th>}
          <Table.Th visibleFrom="sm">Submitted</Table.Th>
          <Table.Th visibleFrom="sm" ta="right" style={{ whiteSpace: "nowrap" }}>
            Run time
          </Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {tests.map((test) => (
          <Row key={test.id} test={test} showUser={showUser} selected={selected.includes(test.id ?? "")} onSelect={onSelect} />
        ))}
      </Table.Tbody>
    </Table>
  );
}

function Row({ test, showUser, selected, onSelect }: { test: Test; showUser: boolean; selected: boolean; onSelect: (id: string, on: boolean) => void }) {
  const id = test.id ?? "";
  const failure = test.failure?.code && test.failure.code !== "CANCELLED" ? visible(`${test.failure.code}: ${test.failure.message ?? ""}`) : undefined;
  const query = queryOf(test);
  return (
    <Table.Tr>
      <Table.Td>
        <Checkbox aria-label={`Select ${nameOf(test)} ${id} to compare`} checked={selected} onChange={(event) => onSelect(id, event.currentTarget.checked)} />
      </Table.Td>
      <Table.Td visibleFrom="sm">
        <StateBadge state={test.state} failureCode={test.failure?.code} />
      </Table.Td>
      <Table.Td maw={0} w={{ base: "100%", sm: "50%" }}>
        <AnchorLink to="/tests/$testId" params={{ testId: id }} fw={600} truncate display="block">
          {nameOf(test)}
        </AnchorLink>
        <Text size="sm" c="dimmed" truncate title={query}>
          {query}
        </Text>
        {failure && (
          <Text size="sm" truncate title={failure}>
            {failure}
          </Text>
        )}
        <Stack gap={4} mt={2} hiddenFrom="sm" align="flex-start">
          <StateBadge state={test.state} failureCode={test.failure?.code} size="sm" />
          <Text size="xs" c="dimmed" component="div">
            <Time value={test.times?.submitTime} />
            {hasEnded(test.state) && test.result?.metrics?.runDuration ? `, ran ${formatDuration(parseDuration(test.result.metrics.runDuration))}` : ""}
          </Text>
        </Stack>
      </Table.Td>
      <Table.Td visibleFrom="md" maw={180}>
        <AgentLink agentId={test.spec?.agentId ?? ""} userId={test.userId} truncate display="block" size="sm">
          {test.spec?.agentId}
        </AgentLink>
      </Table.Td>
      {showUser && (
        <Table.Td visibleFrom="md" maw={120}>
          <Text size="sm" truncate>
            {test.userId}
          </Text>
        </Table.Td>
      )}
      <Table.Td visibleFrom="sm">
        <Text size="sm" component="div">
          <Time value={test.times?.submitTime} />
        </Text>
      </Table.Td>
      <Table.Td visibleFrom="sm" ta="right" style={{ whiteSpace: "nowrap" }}>
        <Text size="sm">{formatDuration(parseDuration(test.result?.metrics?.runDuration))}</Text>
      </Table.Td>
    </Table.Tr>
  );
}
