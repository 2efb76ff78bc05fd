// All deployment packages of the caller, whatever test they were made of; for admins those of everybody.
import { Anchor, Badge, Group, NativeSelect, Stack, Table, Text } from "@mantine/core";
import { keepPreviousData, queryOptions, useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { call } from "../../api/call";
import { useSession } from "../../api/session";
import type { Package } from "../../api/types";
import { AgentLink } from "../../components/AgentLink";
import { visible } from "../../components/bidi";
import { Empty, ErrorBox, Loading, PageHeader } from "../../components/feedback";
import { DownloadIcon } from "../../components/icons";
import { AnchorLink, ButtonLink } from "../../components/links";
import { formatBytes } from "../../components/numbers";
import { lookOfPackage, PACKAGE_STATES, shortPackageState } from "../../components/packageStates";
import { Pager } from "../../components/Pager";
import { TextFilter } from "../../components/TextFilter";
import { Time } from "../../time/times";
import { packagesSearch, type PackagesSearch } from "./search";

const PAGE_SIZE = 25;
/** Between two readings while one is being made: nothing tells of packages by itself. */
const MAKING_MS = 3000;

const listQuery = (search: PackagesSearch) =>
  queryOptions({
    queryKey: ["packages", "list", search],
    queryFn: ({ signal }) => {
      const states = PACKAGE_STATES.filter((state) => shortPackageState(state) === search.state);
      return call("PackageService", "listPackages", { pageSize: PAGE_SIZE, pageToken: search.page, filter: { agentId: search.agent, states } }, signal);
    },
  });

export function PackagesPage() {
  const search = packagesSearch(useSearch({ strict: false }) as Record<string, unknown>);
  const navigate = useNavigate();
  const { isAdmin } = useSession();
  const list = useQuery({
    ...listQuery(search),
    placeholderData: keepPreviousData,
    refetchInterval: (query) => (query.state.data?.packages?.some((one) => one.state === "PACKAGE_STATE_GENERATING") ? MAKING_MS : false),
  });
  const change = (part: Partial<PackagesSearch>) => {
    const { page: _page, ...rest } = search;
    void navigate({ to: "/packages", search: packagesSearch({ ...rest, ...part }), replace: true });
  };
  const rows = list.data?.packages ?? [];
  const isFiltered = Boolean(search.agent ?? search.state);
  return (
    <Stack>
      <PageHeader title="Packages" description="Agents that passed a test, ready to be deployed." />
      <Group align="end" component="search">
        <TextFilter label="Agent id" value={search.agent} onChange={(agent) => change({ agent })} />
        <NativeSelect
          label="State"
          value={search.state ?? ""}
          onChange={(event) => change({ state: event.currentTarget.value || undefined })}
          data={[{ value: "", label: "All but removed ones" }, ...PACKAGE_STATES.map((state) => ({ value: shortPackageState(state), label: lookOfPackage(state).word }))]}
        />
      </Group>
      {list.error && <ErrorBox error={list.error} title="The packages could not be read" onRetry={() => void list.refetch()} />}
      {list.isPending ? (
        <Loading lines={6} label="Loading the packages" />
      ) : rows.length > 0 ? (
        <Packages rows={rows} showUser={isAdmin} />
      ) : list.error ? null : isFiltered ? (
        <Empty title="No package fits" />
      ) : (
        <Empty title="No packages yet">
          <Text mb="xs">A package is made of a test that passed: open the test and press Package.</Text>
          <ButtonLink to="/tests" search={{ state: ["completed"] }} variant="default">
            Tests that passed
          </ButtonLink>
        </Empty>
      )}
      <Pager label="Pages of the packages" search={search} next={list.data?.nextPageToken} busy={list.isPlaceholderData} />
    </Stack>
  );
}

function Packages({ rows, showUser }: { rows: Package[]; showUser: boolean }) {
  return (
    <Table verticalSpacing={8} highlightOnHover aria-label="Packages">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Package</Table.Th>
          <Table.Th visibleFrom="md">Agent</Table.Th>
          {showUser && <Table.Th visibleFrom="md">User</Table.Th>}
          <Table.Th visibleFrom="sm">Asked for</Table.Th>
          <Table.Th visibleFrom="sm">Is removed</Table.Th>
          <Table.Th ta="right">ZIP</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {rows.map((one) => (
          <Row key={one.id} one={one} showUser={showUser} />
        ))}
      </Table.Tbody>
    </Table>
  );
}

function Row({ one, showUser }: { one: Package; showUser: boolean }) {
  const look = lookOfPackage(one.state);
  const name = one.options?.serviceName || one.agentId || "package";
  return (
    <Table.Tr>
      <Table.Td>
        <Group gap="xs">
          <AnchorLink to="/tests/$testId" params={{ testId: one.testId ?? "" }} search={{ tab: "package" }} fw={600} className="break">
            {name}
          </AnchorLink>
          <Badge color={look.color} variant="light" tt="none" miw="max-content">
            {look.word}
          </Badge>
        </Group>
        {one.failure && (
          <Text size="xs" c="dimmed" className="break" lineClamp={2}>
            {one.failure.code}: {visible(one.failure.message ?? "")}
          </Text>
        )}
      </Table.Td>
      <Table.Td visibleFrom="md" className="break">
        {one.agentId ? <AgentLink agentId={one.agentId} userId={one.userId}>{one.agentId}</AgentLink> : "–"}
      </Table.Td>
      {showUser && (
        <Table.Td visibleFrom="md" className="break">
          {one.userId}
        </Table.Td>
      )}
      <Table.Td visibleFrom="sm">
        <Time value={one.createTime} />
      </Table.Td>
      <Table.Td visibleFrom="sm">{one.expireTime ? <Time value={one.expireTime} /> : "not by time"}</Table.Td>
      <Table.Td ta="right">
        {one.state === "PACKAGE_STATE_READY" ? (
          <Anchor href={`/packages/${encodeURIComponent(one.id ?? "")}.zip`} download size="sm" style={{ whiteSpace: "nowrap" }} aria-label={`Download ${name}, ${formatBytes(one.sizeBytes)}`}>
            <DownloadIcon width={14} aria-hidden /> {formatBytes(one.sizeBytes)}
          </Anchor>
        ) : (
          "–"
        )}
      </Table.Td>
    </Table.Tr>
  );
}
