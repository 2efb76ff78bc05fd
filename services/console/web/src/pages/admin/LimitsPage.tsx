// The limits of one user: what holds, what of it was set, and a form to change it.
import { Autocomplete, Button, Group, NumberInput, Stack, Table, Text, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ApiError, call } from "../../api/call";
import type { UserLimits } from "../../api/types";
import { Empty, ErrorBox, Loading, PageHeader } from "../../components/feedback";
import { useTimes } from "../../time/times";
import { useAdminSearch } from "./useAdminSearch";
import { usersQuery } from "./users";

const LIMITS = [
  { name: "submissionsPerHour", path: "submissions_per_hour", label: "Submissions in any 60 minutes", description: "Retries included.", most: 10_000 },
  { name: "maxPending", path: "max_pending", label: "Tests that wait at the same time", description: "", most: 10_000 },
  { name: "maxRunning", path: "max_running", label: "Tests that run at the same time", description: "Further ones wait, and let others go first.", most: 10_000 },
  { name: "weight", path: "weight", label: "Share in the queue", description: "1 is usual, 2 gets twice as many turns.", most: 100 },
] as const;

type Name = (typeof LIMITS)[number]["name"];

export function LimitsPage() {
  const [search, change] = useAdminSearch();
  const [typed, setTyped] = useState(search.user ?? "");
  const user = search.user;
  const { now } = useTimes();
  const users = useQuery(usersQuery(now));
  const limits = useQuery({
    queryKey: ["limits", user],
    enabled: Boolean(user),
    queryFn: ({ signal }) => call("AdminService", "getUserLimits", { userId: user }, signal),
  });
  return (
    <Stack maw={720}>
      <PageHeader title="Limits" description="What a user may take. Users for whom nothing is set have the defaults of the server." />
      <form
        onSubmit={(event) => {
          event.preventDefault();
          change({ user: typed.trim() || undefined });
        }}
      >
        <Group align="end">
          <Autocomplete label="User" placeholder="alice" data={users.data ?? []} limit={50} maxLength={64} value={typed} onChange={setTyped} onOptionSubmit={(chosen) => change({ user: chosen })} />
          <Button type="submit" variant="default" disabled={!typed.trim()}>
            Show
          </Button>
        </Group>
      </form>
      {!user ? (
        <Empty title="Whose limits?">Name a user to see and change what they may take.</Empty>
      ) : limits.error && !limits.data ? (
        <ErrorBox error={limits.error} title="The limits could not be read" onRetry={() => void limits.refetch()} />
      ) : limits.isPending ? (
        <Loading lines={4} />
      ) : (
        <Limits key={user} user={user} effective={limits.data.effective ?? {}} overrides={limits.data.overrides ?? {}} />
      )}
    </Stack>
  );
}

const words = (value: unknown, name: Name): string => (value === undefined ? "–" : value === 0 && name !== "weight" ? "no limit" : String(value));

function Limits({ user, effective, overrides }: { user: string; effective: UserLimits; overrides: UserLimits }) {
  const client = useQueryClient();
  const [draft, setDraft] = useState<Partial<Record<Name, number | "">>>({});
  const save = useMutation({
    mutationFn: () => {
      const changed = LIMITS.filter(({ name }) => name in draft);
      return call("AdminService", "setUserLimits", {
        userId: user,
        overrides: Object.fromEntries(changed.filter(({ name }) => draft[name] !== "").map(({ name }) => [name, draft[name]])),
        updateMask: changed.map(({ name }) => name).join(","),
      });
    },
    onSuccess: (answer) => {
      setDraft({});
      client.setQueryData(["limits", user], answer);
    },
  });
  const errorOf = (path: string) => (save.error instanceof ApiError ? save.error.violations.find((one) => one.field === `overrides.${path}`)?.description : undefined);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate();
      }}
    >
      <Stack>
        <Title order={2} fz={18} className="break">
          {user}
        </Title>
        <Table aria-label={`Limits of ${user}`}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Limit</Table.Th>
              <Table.Th>Now</Table.Th>
              <Table.Th w={190}>Set for this user</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {LIMITS.map(({ name, path, label, description, most }) => (
              <Table.Tr key={name}>
                <Table.Td>
                  {label}
                  {description && (
                    <Text size="xs" c="dimmed">
                      {description}
                    </Text>
                  )}
                </Table.Td>
                <Table.Td>{words(effective[name], name)}</Table.Td>
                <Table.Td>
                  <NumberInput
                    aria-label={`${label}, set for ${user}`}
                    placeholder="default"
                    min={0}
                    max={most}
                    allowDecimal={name === "weight"}
                    value={draft[name] ?? (typeof overrides[name] === "number" ? overrides[name] : "")}
                    error={errorOf(path)}
                    onChange={(value) => setDraft((now) => ({ ...now, [name]: value === "" ? "" : Number(value) }))}
                  />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
        <Text size="sm" c="dimmed">
          0 means no limit; an empty field goes back to the default.
        </Text>
        {save.error && !LIMITS.some(({ path }) => errorOf(path)) && <ErrorBox error={save.error} />}
        <Group>
          <Button type="submit" disabled={Object.keys(draft).length === 0} loading={save.isPending}>
            Save
          </Button>
          <Text size="sm" aria-live="polite" c="dimmed">
            {save.isSuccess && Object.keys(draft).length === 0 ? "Saved. It holds from now on." : ""}
          </Text>
        </Group>
      </Stack>
    </form>
  );
}
