// API keys: who has which, since when, when they were used; make one, end one.
import { Badge, Button, Group, Stack, Switch, Table, Text } from "@mantine/core";
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call } from "../../api/call";
import { accountQuery } from "../../api/queries";
import type { ApiKey } from "../../api/types";
import { visible } from "../../components/bidi";
import { Confirm } from "../../components/Confirm";
import { Empty, ErrorBox, Loading, PageHeader } from "../../components/feedback";
import { PlusIcon } from "../../components/icons";
import { Pager } from "../../components/Pager";
import { TextFilter } from "../../components/TextFilter";
import { Time, useNow } from "../../time/times";
import { CreateKey } from "./CreateKey";
import { useAdminSearch } from "./useAdminSearch";

export function KeysPage() {
  const [search, change] = useAdminSearch();
  const client = useQueryClient();
  const [creating, setCreating] = useState(false);
  const [ending, setEnding] = useState<ApiKey | null>(null);
  const account = useQuery(accountQuery);
  const keys = useQuery({
    queryKey: ["keys", search],
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => call("AdminService", "listApiKeys", { pageSize: 25, pageToken: search.page, userId: search.user, includeEnded: search.ended }, signal),
  });
  const revoke = useMutation({
    mutationFn: (keyId: string) => call("AdminService", "revokeApiKey", { keyId }),
    onSuccess: () => {
      setEnding(null);
      return client.invalidateQueries({ queryKey: ["keys"] });
    },
  });
  const rows = keys.data?.keys ?? [];
  const isOwn = ending !== null && ending.id === account.data?.key?.id;
  return (
    <Stack>
      <PageHeader title="Keys">
        <Button leftSection={<PlusIcon width={16} aria-hidden />} onClick={() => setCreating(true)}>
          New key
        </Button>
      </PageHeader>
      <Group align="end">
        <TextFilter label="User" placeholder="everybody" value={search.user} onChange={(user) => change({ user })} />
        <Switch mb={8} label="Ended ones, too" checked={search.ended ?? false} onChange={(event) => change({ ended: event.currentTarget.checked || undefined })} />
      </Group>
      {keys.error && <ErrorBox error={keys.error} title="The keys could not be read" onRetry={() => void keys.refetch()} />}
      {keys.isPending ? (
        <Loading lines={6} />
      ) : rows.length === 0 && !keys.error ? (
        <Empty title="No keys fit">{search.user ? `${search.user} has no key that works.` : "Make one with New key."}</Empty>
      ) : (
        <Table.ScrollContainer minWidth={340} type="native" tabIndex={0}>
          <Table aria-label="API keys" verticalSpacing={8}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>User</Table.Th>
                <Table.Th>Key</Table.Th>
                <Table.Th visibleFrom="sm">Role</Table.Th>
                <Table.Th visibleFrom="md">Made</Table.Th>
                <Table.Th visibleFrom="md">Ends</Table.Th>
                <Table.Th visibleFrom="sm">Last used</Table.Th>
                <Table.Th>
                  <span className="hidden">Revoke</span>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {rows.map((key) => (
                <Row key={key.id} apiKey={key} own={key.id === account.data?.key?.id} onEnd={() => setEnding(key)} />
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      <Pager label="Pages of the keys" search={search} next={keys.data?.nextPageToken} busy={keys.isPlaceholderData} />
      <CreateKey opened={creating} onClose={() => setCreating(false)} />
      <Confirm
        opened={ending !== null}
        title="Revoke this key"
        confirm="Revoke"
        danger
        busy={revoke.isPending}
        error={revoke.error}
        onConfirm={() => ending?.id && revoke.mutate(ending.id)}
        onClose={() => {
          setEnding(null);
          revoke.reset();
        }}
      >
        <Text size="sm">
          <b className="break">
            {ending?.userId}: {visible(ending?.name || (ending?.prefix ?? ""))}
          </b>{" "}
          stops working everywhere within 5 seconds, and what was opened with it ends. This cannot be taken back.
        </Text>
        {isOwn && (
          <Text size="sm" c="red">
            It is the key that you are signed in with: you will be signed out.
          </Text>
        )}
      </Confirm>
    </Stack>
  );
}

function Row({ apiKey, own, onEnd }: { apiKey: ApiKey; own: boolean; onEnd: () => void }) {
  const now = useNow(60_000);
  const expired = apiKey.expireTime !== undefined && Date.parse(apiKey.expireTime) <= now;
  const ended = apiKey.revokeTime ? "Revoked" : expired ? "Expired" : null;
  return (
    <Table.Tr>
      <Table.Td className="break">{apiKey.userId}</Table.Td>
      <Table.Td>
        <span className="break">{visible(apiKey.name || "no name")}</span>{" "}
        {own && (
          <Badge size="xs" variant="light" tt="none">
            yours
          </Badge>
        )}
        <Text size="xs" c="dimmed" className="mono">
          {apiKey.prefix}…
        </Text>
      </Table.Td>
      <Table.Td visibleFrom="sm">{apiKey.role === "ROLE_ADMIN" ? "Admin" : "User"}</Table.Td>
      <Table.Td visibleFrom="md">
        <Time value={apiKey.createTime} />
      </Table.Td>
      <Table.Td visibleFrom="md">{apiKey.revokeTime ? <Time value={apiKey.revokeTime} /> : <Time value={apiKey.expireTime} fallback="never" />}</Table.Td>
      <Table.Td visibleFrom="sm">
        <Time value={apiKey.lastUseTime} fallback="never" />
      </Table.Td>
      <Table.Td ta="right">
        {ended ? (
          <Text size="sm" c="dimmed">
            {ended}
          </Text>
        ) : (
          <Button size="xs" variant="default" onClick={onEnd} aria-label={`Revoke ${visible(apiKey.name || (apiKey.prefix ?? ""))} of ${apiKey.userId}`}>
            Revoke…
          </Button>
        )}
      </Table.Td>
    </Table.Tr>
  );
}
