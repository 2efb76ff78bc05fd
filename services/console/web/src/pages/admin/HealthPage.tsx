// Whether all of Assay is well, and if not, what is wrong and what that does to tests.
import { Alert, Badge, Group, List, Paper, SimpleGrid, Stack, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { healthQuery } from "../../api/queries";
import type { HealthState, ServiceHealth, SystemHealth } from "../../api/types";
import { visible } from "../../components/bidi";
import { ErrorBox, Loading, PageHeader } from "../../components/feedback";
import { Figure } from "../../components/Figure";
import { FailedIcon, PassedIcon, WarningIcon } from "../../components/icons";
import { AnchorLink } from "../../components/links";
import { formatBytes, formatCount, formatShare } from "../../components/numbers";
import { formatDuration, parseDuration } from "../../time/durations";
import { Time, useNow } from "../../time/times";
import { Capacity } from "../queue/Capacity";
import { byService, lagOf, lookOfHealth, toldOf, uptime, whatIsWrong, whatItDoes } from "./health";

export function HealthPage() {
  const health = useQuery(healthQuery);
  const { data, error } = health;
  return (
    <Stack>
      <PageHeader title="Health" description={data ? <Gathered time={data.time} away={error !== null} /> : undefined} />
      {error && <ErrorBox error={error} title={data ? "The health could not be read again: what you see is old" : "The health could not be read"} onRetry={() => void health.refetch()} />}
      {data ? <Report health={data} /> : health.isPending && !error ? <Loading lines={8} /> : null}
    </Stack>
  );
}

function Gathered({ time, away }: { time: string | undefined; away: boolean }) {
  return (
    <>
      {away ? "Last read" : "Read every 2 seconds, last"} <Time value={time} />
    </>
  );
}

function StateWord({ state }: { state: HealthState | undefined }) {
  const look = lookOfHealth(state);
  const Icon = look.color === "green" ? PassedIcon : look.color === "red" ? FailedIcon : WarningIcon;
  return (
    <Badge color={look.color} variant="light" tt="none" miw="max-content" leftSection={<Icon width={14} aria-hidden />}>
      {look.word}
    </Badge>
  );
}

function Report({ health }: { health: SystemHealth }) {
  const wrong = whatIsWrong(health);
  const hour = health.lastHour;
  const ended = Number(hour?.completedCount ?? 0) + Number(hour?.failedCount ?? 0) + Number(hour?.timedOutCount ?? 0);
  const { queue, storage } = health;
  const down = health.state === "HEALTH_STATE_UNHEALTHY";
  return (
    <>
      <div aria-live="polite">
        {wrong.length === 0 ? (
          <Alert color="green" icon={<PassedIcon width={20} aria-hidden />} title="All is well" />
        ) : (
          <Alert color={down ? "red" : "orange"} icon={<WarningIcon width={20} aria-hidden />} title={down ? "A part of Assay is down" : "Something needs a look"}>
            <List size="sm">
              {wrong.map((sentence) => (
                <List.Item key={sentence} className="break">
                  {sentence}
                </List.Item>
              ))}
            </List>
          </Alert>
        )}
      </div>
      <SimpleGrid cols={{ base: 2, md: 4 }}>
        <Figure label="Failure rate" value={typeof hour?.successRate === "number" ? formatShare(1 - hour.successRate) : "–"} note={hour ? `of ${formatCount(ended)} that ended since ${(hour.startTime ?? "").slice(11, 16)} UTC` : "could not be read"} />
        <Figure label="Queue" value={queue ? `${formatCount(queue.pending)} waiting` : "–"} note={queue ? `${formatCount(queue.running)} of ${formatCount(queue.capacity)} slots in use` : "could not be read"} />
        <Figure
          label="Dead letters"
          value={formatCount(health.deadLetterCount)}
          note={Number(health.deadLetterCount ?? 0) > 0 ? <AnchorLink to="/admin/dead-letters">Look at them</AnchorLink> : undefined}
        />
        <Figure
          label="Packages in S3"
          value={storage ? formatBytes(storage.packageBytes ?? 0) : "–"}
          note={storage ? `${formatCount(storage.packageCount)} ${Number(storage.packageCount ?? 0) === 1 ? "package" : "packages"}${storage.logGroupBytes === undefined ? "" : `; log group ${formatBytes(storage.logGroupBytes)}`}` : "could not be read"}
        />
      </SimpleGrid>
      {queue && (
        <Paper withBorder p="sm">
          <Title order={2} fz={18} mb="xs">
            Capacity
          </Title>
          <Capacity status={queue} />
        </Paper>
      )}
      <section aria-label="Dependencies">
        <Title order={2} fz={18} mb="xs">
          Dependencies
        </Title>
        <Table aria-label="Dependencies">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Name</Table.Th>
              <Table.Th>State</Table.Th>
              <Table.Th ta="right">Answered in</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {(health.dependencies ?? []).map((one) => (
              <Table.Tr key={one.name}>
                <Table.Td>
                  {one.name}
                  {one.detail && (
                    <Text size="xs" c="dimmed" className="break">
                      {one.detail}
                    </Text>
                  )}
                </Table.Td>
                <Table.Td>
                  <StateWord state={one.state} />
                </Table.Td>
                <Table.Td ta="right">{formatDuration(parseDuration(one.latency))}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </section>
      <section aria-label="Services">
        <Title order={2} fz={18} mb="xs">
          Services
        </Title>
        <Stack>
          {byService(health.services ?? []).map(({ service, replicas, state }) => (
            <Paper key={service} withBorder p="sm">
              <Group justify="space-between" mb={4}>
                <div>
                  <Text component="h3" m={0} fw={600}>
                    {service}
                  </Text>
                  <Text size="xs" c="dimmed">
                    {whatItDoes(service)}
                  </Text>
                </div>
                <StateWord state={state} />
              </Group>
              {replicas.some((one) => one.instance) ? (
                <Replicas service={service} replicas={replicas} />
              ) : (
                <Text size="sm">No replica was heard of.</Text>
              )}
            </Paper>
          ))}
        </Stack>
      </section>
      <Text size="sm" c="dimmed">
        What each sign means and what to do: docs/runbooks/what-is-wrong.md. For monitors, each service answers
        /readyz and /metrics on its health port.
      </Text>
    </>
  );
}

function Replicas({ service, replicas }: { service: string; replicas: ServiceHealth[] }) {
  const now = useNow(1000);
  return (
    <Table.ScrollContainer minWidth={300} type="native">
      <Table aria-label={`Replicas of ${service}`}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Replica</Table.Th>
            <Table.Th>State</Table.Th>
            <Table.Th visibleFrom="sm">Version</Table.Th>
            <Table.Th visibleFrom="sm" ta="right">
              Up for
            </Table.Th>
            <Table.Th ta="right">Lag</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {replicas.map((one) => {
            const lag = lagOf(one.lag);
            const bad = toldOf(one);
            return (
              <Table.Tr key={one.instance}>
                <Table.Td>
                  <span className="mono break">{one.instance}</span>
                  <Text size="xs" c="dimmed" component="div">
                    last heard from <Time value={one.lastSeenTime} />
                  </Text>
                  {bad.map((check) => (
                    <Text key={check.name} size="xs" className="break">
                      {check.name}: {check.detail}
                    </Text>
                  ))}
                  {one.lastError && (
                    <Text size="xs" className="break" component="div">
                      Last error, <Time value={one.lastError.time} />: {visible(one.lastError.message ?? "")}
                    </Text>
                  )}
                </Table.Td>
                <Table.Td>
                  <StateWord state={one.state} />
                </Table.Td>
                <Table.Td visibleFrom="sm">{one.version}</Table.Td>
                <Table.Td visibleFrom="sm" ta="right">
                  {uptime(one.startTime, now)}
                </Table.Td>
                <Table.Td ta="right">
                  {lag.words}
                  {lag.high && (
                    <Text size="xs" c="orange">
                      behind
                    </Text>
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
