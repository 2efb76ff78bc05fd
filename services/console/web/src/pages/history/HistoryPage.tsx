// All tests, by filter and order, in pages: live, but nothing moves under the reader.
import { Button, Group, Menu, Stack, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { useFeed } from "../../api/events";
import { useSession } from "../../api/session";
import { Empty, ErrorBox, Loading, PageHeader } from "../../components/feedback";
import { ArchiveIcon, ChevronDownIcon, CompareIcon, DownloadIcon, PlusIcon } from "../../components/icons";
import { ButtonLink } from "../../components/links";
import { formatCount } from "../../components/numbers";
import { Pager } from "../../components/Pager";
import { useTimes } from "../../time/times";
import { ArchiveDialog } from "./ArchiveDialog";
import { exportLimit, MOST_EXPORTED } from "./exportLimit";
import { Filters } from "./Filters";
import { newcomers, patch } from "./live";
import { listQuery, totalsQuery } from "./queries";
import { countFilters, historySearch, ORDERS, toFilter, type HistorySearch } from "./search";
import { TestTable } from "./TestTable";

const NONE: ReadonlySet<string> = new Set();
/** Totals are read again this long after a change: many changes, one question. */
const TOTALS_MS = 1500;

export function HistoryPage() {
  const search = historySearch(useSearch({ strict: false }) as Record<string, unknown>);
  const navigate = useNavigate();
  const client = useQueryClient();
  const { isAdmin } = useSession();
  const { now } = useTimes();
  const list = useQuery(listQuery(search, now));
  const totals = useQuery(totalsQuery(search.user));
  const [fresh, setFresh] = useState<{ of: string; ids: ReadonlySet<string> }>({ of: "", ids: NONE });
  const [selected, setSelected] = useState<string[]>([]);
  const [archiving, setArchiving] = useState(false);

  const key = JSON.stringify(search);
  const known = fresh.of === key ? fresh.ids : NONE;
  const rows = list.data?.tests ?? [];
  const isFirst = !search.page;
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);

  useFeed<"tests">({ kind: "tests", filter: search.user ? { userId: search.user } : {} }, (message) => {
    if (message.kind !== "tests") return;
    const changed = message.data.tests ?? [];
    // The first message has no tests: what changed between the reading of the list and it, nobody told.
    if (message.data.more || changed.length === 0) void client.invalidateQueries({ queryKey: ["tests"] });
    if (changed.length === 0) return;
    client.setQueryData(listQuery(search, now).queryKey, (page) => (page?.tests ? { ...page, tests: patch(page.tests, changed) } : page));
    if (isFirst && (search.order ?? "newest") === "newest" && list.data && !list.isPlaceholderData) setFresh((before) => ({ of: key, ids: newcomers(before.of === key ? before.ids : NONE, rows, changed, search) }));
    // Not put off by what comes meanwhile: where tests change all the time they would never be read.
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      void totals.refetch();
    }, TOTALS_MS);
  });

  const go = (next: HistorySearch) => void navigate({ to: "/tests", search: next });
  const change = (part: Partial<HistorySearch>) => {
    const { page: _page, ...rest } = search;
    void navigate({ to: "/tests", search: historySearch({ ...rest, ...part }), replace: true });
  };
  const refresh = async () => {
    setFresh({ of: "", ids: NONE });
    await list.refetch();
  };
  const select = (id: string, on: boolean) => setSelected((ids) => (on ? [...ids.filter((one) => one !== id), id].slice(-2) : ids.filter((one) => one !== id)));
  const [a, b] = [...selected].sort();
  const exported = (kind: string) => {
    const filter = JSON.stringify(toFilter(search, now()));
    return `/export/tests.${kind}?${new URLSearchParams({ filter, order: ORDERS[search.order ?? "newest"].api })}`;
  };
  const limit = exportLimit(search, totals.data);
  const sayLimit = () => {
    if (limit) notifications.show({ color: "orange", title: `A file takes ${formatCount(MOST_EXPORTED)} tests`, message: limit, autoClose: 15_000 });
  };
  const isEmpty = list.isSuccess && rows.length === 0;

  return (
    <Stack gap="sm">
      <PageHeader title="Tests">
        <Menu position="bottom-end">
          <Menu.Target>
            <Button variant="default" leftSection={<DownloadIcon width={16} aria-hidden />} rightSection={<ChevronDownIcon width={14} aria-hidden />}>
              Export
            </Button>
          </Menu.Target>
          <Menu.Dropdown maw={280}>
            {limit && <Menu.Label>{limit}</Menu.Label>}
            <Menu.Item component="a" href={exported("csv")} download onClick={sayLimit}>
              This list as CSV
            </Menu.Item>
            <Menu.Item component="a" href={exported("json")} download onClick={sayLimit}>
              This list as JSON
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
        <Button variant="default" leftSection={<ArchiveIcon width={16} aria-hidden />} onClick={() => setArchiving(true)}>
          Archive…
        </Button>
        <ButtonLink to="/submit" leftSection={<PlusIcon width={16} aria-hidden />}>
          New test
        </ButtonLink>
      </PageHeader>
      <Filters search={search} totals={totals.data} change={change} clear={() => go({ order: search.order })} />
      <Group justify="space-between" mih={36}>
        <div aria-live="polite">
          {known.size > 0 && (
            <Button size="xs" variant="light" onClick={() => void refresh()}>
              {known.size === 1 ? "1 new test" : `${known.size} new tests`}: show
            </Button>
          )}
        </div>
        <Group gap="xs">
          {selected.length > 0 && (
            <Text size="sm" c="dimmed">
              {selected.length} of 2 selected
            </Text>
          )}
          <Button size="xs" variant="default" disabled={selected.length !== 2} leftSection={<CompareIcon width={14} aria-hidden />} onClick={() => void navigate({ to: "/compare", search: { a, b } })}>
            Compare two
          </Button>
        </Group>
      </Group>
      {list.error && rows.length === 0 ? (
        <ErrorBox error={list.error} title="The tests could not be read" onRetry={() => void list.refetch()} />
      ) : list.isPending ? (
        <Loading lines={8} label="Loading the tests" />
      ) : isEmpty ? (
        countFilters(search) > 0 ? (
          <Empty title="No test fits these filters">
            {search.text && <Text mb="xs">Only whole words are found: “weath” does not find “weather”.</Text>}
            <Button variant="default" onClick={() => go({})}>
              Clear all filters
            </Button>
          </Empty>
        ) : (
          <Empty title="No tests yet">
            <Text mb="xs">A test runs an agent once, by itself, and keeps its answer, its log and what it took.</Text>
            <ButtonLink to="/submit">
              Hand in an agent
            </ButtonLink>
          </Empty>
        )
      ) : (
        <>
          {list.error && <ErrorBox error={list.error} title="The list could not be read again" onRetry={() => void list.refetch()} />}
          <TestTable tests={rows} showUser={isAdmin} selected={selected} onSelect={select} />
        </>
      )}
      <Pager label="Pages of the list" search={search} next={list.data?.nextPageToken} busy={list.isPlaceholderData} />
      <ArchiveDialog opened={archiving} onClose={() => setArchiving(false)} />
    </Stack>
  );
}
