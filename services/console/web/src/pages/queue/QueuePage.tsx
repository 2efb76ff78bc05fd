// The queue, live: what runs, what waits and in which order, how full it is.
import { Alert, Group, Paper, Progress, SimpleGrid, Stack, Table, Text, Title } from "@mantine/core";
import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { call } from "../../api/call";
import { useFeed } from "../../api/events";
import { queueQuery } from "../../api/queries";
import { useSession } from "../../api/session";
import type { QueueEntry } from "../../api/types";
import { visible } from "../../components/bidi";
import { Empty, ErrorBox, Loading, PageHeader } from "../../components/feedback";
import { Figure } from "../../components/Figure";
import { PauseIcon } from "../../components/icons";
import { AnchorLink } from "../../components/links";
import { formatCount, formatShare } from "../../components/numbers";
import { Pager } from "../../components/Pager";
import { StateBadge } from "../../components/StateBadge";
import { formatDuration, parseDuration } from "../../time/durations";
import { Time } from "../../time/times";
import { Capacity } from "./Capacity";
import { queueSearch } from "./search";

/** The order is read again this long after a change of the figures: many changes, one question. */
const AGAIN_MS = 700;

export function QueuePage() {
  const search = queueSearch(useSearch({ strict: false }) as Record<string, unknown>);
  const { page } = search;
  const { isAdmin } = useSession();
  const client = useQueryClient();
  const status = useQuery(queueQuery);
  const list = useQuery({
    queryKey: ["queue-list", page ?? ""],
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => call("QueueService", "listQueue", { pageSize: 25, pageToken: page }, signal),
  });
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  useFeed<"queue">({ kind: "queue" }, (message) => {
    if (message.kind !== "queue" || !message.data.status) return;
    client.setQueryData(queueQuery.queryKey, message.data.status);
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      void client.invalidateQueries({ queryKey: ["queue-list"] });
    }, AGAIN_MS);
  });
  const now = status.data;
  const utilization = typeof now?.utilization === "number" ? now.utilization : 0;
  return (
    <Stack>
      <PageHeader title="Queue" />
      {status.error && <ErrorBox error={status.error} title="The queue could not be read" onRetry={() => void status.refetch()} />}
      {now?.paused && (
        <Alert color="orange" icon={<PauseIcon width={20} aria-hidden />} title="The queue is paused">
          <Text size="sm" className="break">
            {now.pauseReason ? `Why: ${visible(now.pauseReason)}` : "No reason was given."}
          </Text>
          <Text size="sm">Running tests go on. New ones are accepted and wait.</Text>
        </Alert>
      )}
      {status.isPending ? (
        <Loading lines={3} />
      ) : (
        now && (
          <SimpleGrid cols={{ base: 2, md: 4 }}>
            <Figure label="Waiting" value={formatCount(now.pending)} note={`${formatCount(now.ownPending)} yours`} />
            <Figure label="Running" value={`${formatCount(now.running)} of ${formatCount(now.capacity)}`} note={`${formatCount(now.ownRunning)} yours`} />
            <Figure label="Average wait" value={formatDuration(parseDuration(now.averageWait))} note="of the last 10 minutes" />
            <Figure label="Oldest waits for" value={formatDuration(parseDuration(now.oldestPendingAge))} />
          </SimpleGrid>
        )
      )}
      {now && (
        <div>
          <Group justify="space-between">
            <Text size="sm">Slots in use</Text>
            <Text size="sm">{formatShare(utilization)}</Text>
          </Group>
          <Progress value={Math.min(100, utilization * 100)} aria-label="Slots in use" color={utilization >= 1 ? "orange" : undefined} />
        </div>
      )}
      {isAdmin && now && (
        <Paper withBorder p="sm">
          <Capacity status={now} />
        </Paper>
      )}
      {list.error && <ErrorBox error={list.error} title="The order of the queue could not be read" onRetry={() => void list.refetch()} />}
      {list.isPending ? (
        <Loading lines={6} />
      ) : (
        <>
          {!page && <Entries title="Running" empty="Nothing runs." entries={list.data?.running ?? []} />}
          <Entries title="Waiting, the next one first" empty="Nothing waits." entries={list.data?.waiting ?? []} />
        </>
      )}
      <Pager label="Pages of the queue" search={search} next={list.data?.nextPageToken} busy={list.isPlaceholderData} />
    </Stack>
  );
}

function Entries({ title, empty, entries }: { title: string; empty: string; entries: QueueEntry[] }) {
  const waits = entries.some((entry) => (entry.position ?? "0") !== "0");
  return (
    <section aria-label={title}>
      <Title order={2} fz={18} mb="xs">
        {title}
      </Title>
      {entries.length === 0 ? (
        <Empty title={empty} />
      ) : (
        <Table.ScrollContainer minWidth={320} type="native">
          <Table aria-label={title}>
            <Table.Thead>
              <Table.Tr>
                {waits && <Table.Th w={70}>Place</Table.Th>}
                <Table.Th>Test</Table.Th>
                <Table.Th>State</Table.Th>
                <Table.Th visibleFrom="sm">Priority</Table.Th>
                <Table.Th visibleFrom="sm">Since</Table.Th>
                {waits && <Table.Th>Likely wait</Table.Th>}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {entries.map((entry, index) => (
                <Table.Tr key={entry.testId || `${title} ${entry.position ?? index}`}>
                  {waits && <Table.Td>{entry.position}</Table.Td>}
                  <Table.Td maw={260}>
                    {entry.testId ? (
                      <>
                        <AnchorLink to="/tests/$testId" params={{ testId: entry.testId }} truncate display="block">
                          {visible(entry.name || (entry.testId ?? ""))}
                        </AnchorLink>
                        {!entry.own && (
                          <Text size="xs" c="dimmed">
                            of {entry.userId}
                          </Text>
                        )}
                      </>
                    ) : (
                      <Text c="dimmed">somebody else's</Text>
                    )}
                  </Table.Td>
                  <Table.Td>
                    <StateBadge state={entry.state} size="sm" />
                  </Table.Td>
                  <Table.Td visibleFrom="sm">{entry.priority ?? 0}</Table.Td>
                  <Table.Td visibleFrom="sm">
                    <Time value={entry.sinceTime} />
                  </Table.Td>
                  {waits && <Table.Td>{entry.estimatedWait ? formatDuration(parseDuration(entry.estimatedWait)) : "not known"}</Table.Td>}
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </section>
  );
}
