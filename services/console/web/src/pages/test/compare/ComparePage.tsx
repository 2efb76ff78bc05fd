// Two tests side by side: figures, answer, settings, query, code and log; all of it or differences only. One that has not
// ended is followed until it has.
import { Button, Group, Paper, SimpleGrid, Stack, Switch, Text, TextInput } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { ApiError } from "../../../api/call";
import type { Test } from "../../../api/types";
import { ErrorBox, Loading, PageHeader } from "../../../components/feedback";
import { CompareIcon } from "../../../components/icons";
import { AnchorLink } from "../../../components/links";
import { StateBadge } from "../../../components/StateBadge";
import { nameOf } from "../../../components/states";
import { Time } from "../../../time/times";
import { useLiveTest } from "../live";
import { isTestId, type CompareSearch } from "../search";
import { Compared } from "./Compared";

export function ComparePage() {
  const search = useSearch({ from: "/compare" });
  const navigate = useNavigate({ from: "/compare" });
  return <CompareView search={search} onSearch={(next) => void navigate({ search: next, replace: true, resetScroll: false })} />;
}

function Choose({ search, onSearch }: { search: CompareSearch; onSearch: (search: CompareSearch) => void }) {
  const [a, setA] = useState(search.a ?? "");
  const [b, setB] = useState(search.b ?? "");
  const wrong = (id: string) => (id.trim() && !isTestId(id.trim()) ? "An id is tst_ and 32 hexadecimal digits." : undefined);
  const ready = isTestId(a.trim()) && isTestId(b.trim()) && a.trim() !== b.trim();
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) onSearch({ a: a.trim(), b: b.trim() });
      }}
    >
      <Stack maw={520}>
        <Text>Name two tests, or choose two in the list of tests.</Text>
        <TextInput label="First test" placeholder="tst_…" value={a} onChange={(event) => setA(event.currentTarget.value)} error={wrong(a)} />
        <TextInput label="Second test" placeholder="tst_…" value={b} onChange={(event) => setB(event.currentTarget.value)} error={wrong(b) ?? (a && a === b ? "That is the same test." : undefined)} />
        <Group>
          <Button type="submit" disabled={!ready}>
            Compare
          </Button>
          <AnchorLink to="/tests">To the list of tests</AnchorLink>
        </Group>
      </Stack>
    </form>
  );
}

function Card({ test, which }: { test: Test; which: string }) {
  return (
    <Paper withBorder p="sm" component="section" aria-label={`${which} test`}>
      <Text size="xs" c="dimmed">
        {which}
      </Text>
      <Group gap="xs">
        <AnchorLink to="/tests/$testId" params={{ testId: test.id ?? "" }} fw={600} className="break">
          {nameOf(test)}
        </AnchorLink>
        <span role="status">
          <StateBadge state={test.state} failureCode={test.failure?.code ?? ""} />
        </span>
      </Group>
      <Text size="sm" className="mono break">
        {test.id}
      </Text>
      <Text size="sm" c="dimmed">
        Submitted <Time value={test.times?.submitTime} />
      </Text>
    </Paper>
  );
}

export function CompareView({ search, onSearch }: { search: CompareSearch; onSearch: (search: CompareSearch) => void }) {
  const [idA, idB] = [search.a ?? "", search.b ?? ""];
  const ready = isTestId(idA) && isTestId(idB) && idA !== idB;
  const { query: a } = useLiveTest(idA, ready);
  const { query: b } = useLiveTest(idB, ready);
  if (!ready) {
    return (
      <>
        <PageHeader title="Compare two tests" />
        <Choose search={search} onSearch={onSearch} />
      </>
    );
  }
  const problem = (id: string, error: unknown, retry: () => void) =>
    error instanceof ApiError && error.code === "NOT_FOUND" ? (
      <ErrorBox title={`There is no test ${id} among yours`} error={new Error("It does not exist, or it belongs to another user.")} />
    ) : (
      <ErrorBox title={`Test ${id} could not be read`} error={error} onRetry={retry} />
    );
  const only = search.only === true;
  return (
    <>
      <PageHeader title="Compare two tests">
        <Switch label="Differences only" checked={only} onChange={(event) => onSearch({ a: idA, b: idB, ...(event.currentTarget.checked ? { only: true } : {}) })} />
        <Button variant="default" leftSection={<CompareIcon width={16} aria-hidden />} onClick={() => onSearch({ a: idB, b: idA, ...(only ? { only } : {}) })}>
          Swap
        </Button>
      </PageHeader>
      <Stack mt="sm">
        {a.error && !a.data ? problem(idA, a.error, () => void a.refetch()) : null}
        {b.error && !b.data ? problem(idB, b.error, () => void b.refetch()) : null}
        {(a.isPending || b.isPending) && <Loading label="Loading the tests" />}
        {a.data && b.data && (
          <>
            <SimpleGrid cols={{ base: 1, sm: 2 }}>
              <Card test={a.data} which="First" />
              <Card test={b.data} which="Second" />
            </SimpleGrid>
            <Compared a={a.data} b={b.data} only={only} />
          </>
        )}
      </Stack>
    </>
  );
}
