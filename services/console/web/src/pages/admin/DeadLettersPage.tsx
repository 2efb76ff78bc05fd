// Messages that no service could handle, why, and sending them again.
import { Button, Code, Group, NativeSelect, Paper, Stack, Text } from "@mantine/core";
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call } from "../../api/call";
import type { DeadLetter } from "../../api/types";
import { visible } from "../../components/bidi";
import { Confirm } from "../../components/Confirm";
import { Empty, ErrorBox, Loading, PageHeader } from "../../components/feedback";
import { RetryIcon } from "../../components/icons";
import { formatCount } from "../../components/numbers";
import { Pager } from "../../components/Pager";
import { Time } from "../../time/times";
import { useAdminSearch } from "./useAdminSearch";

const SERVICES = ["gateway", "scheduler", "orchestrator", "logstreamer", "packager"];

function pretty(json: string | undefined): string {
  try {
    return JSON.stringify(JSON.parse(json ?? ""), null, 2);
  } catch {
    return json ?? "";
  }
}

export function DeadLettersPage() {
  const [search, change] = useAdminSearch();
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const letters = useQuery({
    queryKey: ["dead-letters", search.page, search.service],
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => call("AdminService", "listDeadLetters", { pageSize: 20, pageToken: search.page, service: search.service }, signal),
  });
  const replay = useMutation({
    mutationFn: (letterId: string | null) => call("AdminService", "replayDeadLetter", letterId === null ? { all: true } : { letterId }),
    onSuccess: () => {
      setAsking(false);
      return client.invalidateQueries({ queryKey: ["dead-letters"] });
    },
  });
  const rows = letters.data?.letters ?? [];
  const total = Number(letters.data?.totalCount ?? 0);
  const done = replay.data;
  const remaining = Number(done?.remainingCount ?? 0);
  return (
    <Stack>
      <PageHeader title="Dead letters" description="Messages that no service could handle. The store has the truth: what they told of is not lost, but somebody should look why.">
        <Button variant="default" disabled={total === 0} leftSection={<RetryIcon width={16} aria-hidden />} onClick={() => setAsking(true)}>
          Send all again…
        </Button>
      </PageHeader>
      <NativeSelect
        label="Service"
        w={220}
        value={search.service ?? ""}
        onChange={(event) => change({ service: event.currentTarget.value || undefined })}
        data={[{ value: "", label: "All services" }, ...SERVICES.map((value) => ({ value, label: value }))]}
      />
      <div aria-live="polite">
        {done && (
          <Text size="sm">
            {formatCount(done.replayedCount)} sent again{remaining > 0 ? `; ${formatCount(remaining)} stay: ${(done.remaining ?? []).map((one) => `${one.id}: ${visible(one.reason ?? "")}`).join("; ")}` : "."}
          </Text>
        )}
        {replay.error && !asking && <ErrorBox error={replay.error} title="It was not sent" />}
      </div>
      {letters.error && <ErrorBox error={letters.error} title="The dead letters could not be read" onRetry={() => void letters.refetch()} />}
      {letters.isPending ? (
        <Loading lines={6} />
      ) : rows.length === 0 && !letters.error ? (
        <Empty title="There are no dead letters">That is how it should be.</Empty>
      ) : (
        rows.map((letter) => <Letter key={letter.id} letter={letter} busy={replay.isPending} onReplay={() => replay.mutate(letter.id ?? "")} />)
      )}
      <Pager label="Pages of the dead letters" search={search} next={letters.data?.nextPageToken} busy={letters.isPlaceholderData} />
      <Confirm opened={asking} title="Send all dead letters again" confirm={`Send ${formatCount(total)} again`} busy={replay.isPending} error={replay.error} onConfirm={() => replay.mutate(null)} onClose={() => setAsking(false)}>
        <Text size="sm">Each goes to where it was meant to go once more. Handling one twice does no harm. Those that fail again come back here.</Text>
      </Confirm>
    </Stack>
  );
}

function Letter({ letter, busy, onReplay }: { letter: DeadLetter; busy: boolean; onReplay: () => void }) {
  const [opened, setOpened] = useState(false);
  return (
    <Paper withBorder p="sm" component="article" aria-label={`Dead letter ${letter.id}`}>
      <Group justify="space-between" align="start" wrap="nowrap" gap="sm">
        <div>
          <Text fw={600} className="mono break" size="sm">
            {letter.subject}
          </Text>
          <Text size="sm" c="dimmed" component="div">
            {letter.service}, tried {letter.deliveryCount ?? 0} times, <Time value={letter.time} />
          </Text>
          <Text size="sm" className="break" mt={4}>
            {visible(letter.reason ?? "")}
          </Text>
        </div>
        <Stack gap={6}>
          <Button size="xs" variant="default" disabled={busy} onClick={onReplay} aria-label={`Send letter ${letter.id} again`}>
            Send again
          </Button>
          <Button size="xs" variant="subtle" aria-expanded={opened} onClick={() => setOpened(!opened)} aria-label={`Message of letter ${letter.id}`}>
            {opened ? "Fold" : "Message"}
          </Button>
        </Stack>
      </Group>
      {opened && (
        <Code block mt="xs" className="break" mah={400} tabIndex={0} style={{ overflow: "auto" }}>
          {visible(pretty(letter.payloadJson))}
        </Code>
      )}
    </Paper>
  );
}
