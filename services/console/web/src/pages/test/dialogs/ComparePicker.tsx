// Chooses the test that another one is compared with: by its id, or among the newest of the same agent.
import { Button, Group, Stack, Text, TextInput, UnstyledButton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { call } from "../../../api/call";
import type { Test } from "../../../api/types";
import { Empty, ErrorBox, Loading } from "../../../components/feedback";
import { StateBadge } from "../../../components/StateBadge";
import { nameOf, queryOf } from "../../../components/states";
import { Time } from "../../../time/times";
import { isTestId } from "../search";

export function ComparePicker({ test, onClose }: { test: Test; onClose: () => void }) {
  const navigate = useNavigate();
  const [id, setId] = useState("");
  const agentId = test.spec?.agentId ?? "";
  const recent = useQuery({
    queryKey: ["compare-with", agentId],
    queryFn: ({ signal }) => call("TestService", "listTests", { pageSize: 21, filter: { agentId, includeArchived: true } }, signal),
  });
  const others = (recent.data?.tests ?? []).filter((one) => one.id !== test.id).slice(0, 20);
  const go = (other: string) => {
    onClose();
    void navigate({ to: "/compare", search: { a: test.id ?? "", b: other } });
  };
  const typed = id.trim();
  const wrong = typed !== "" && (!isTestId(typed) || typed === test.id);
  return (
    <Stack>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (typed && !wrong) go(typed);
        }}
      >
        <Group align="flex-end" gap="xs">
          <TextInput
            flex={1}
            miw={200}
            label="Id of the other test"
            placeholder="tst_…"
            value={id}
            onChange={(event) => setId(event.currentTarget.value)}
            error={wrong ? (typed === test.id ? "That is this test." : "An id is tst_ and 32 hexadecimal digits.") : undefined}
            data-autofocus
          />
          <Button type="submit" disabled={!typed || wrong}>
            Compare
          </Button>
        </Group>
      </form>
      <Text fw={600} size="sm">
        Newest tests of this agent
      </Text>
      {recent.isPending ? <Loading /> : recent.error ? <ErrorBox error={recent.error} onRetry={() => void recent.refetch()} /> : null}
      {recent.data && others.length === 0 && <Empty title="This agent has no other test yet" />}
      {others.map((one) => (
        <UnstyledButton key={one.id} onClick={() => go(one.id ?? "")} p="xs" style={{ border: "1px solid var(--mantine-color-default-border)", borderRadius: 8 }}>
          <Group gap="xs">
            <StateBadge state={one.state} failureCode={one.failure?.code ?? ""} />
            <Text size="sm" fw={600} className="break">
              {nameOf(one)}
            </Text>
            <Text size="sm" c="dimmed">
              <Time value={one.times?.submitTime} />
            </Text>
          </Group>
          <Text size="sm" c="dimmed" lineClamp={1} className="break">
            {queryOf(one)}
          </Text>
        </UnstyledButton>
      ))}
    </Stack>
  );
}
