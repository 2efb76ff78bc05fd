// Puts old tests away: counts first, then asks.
import { NumberInput, Switch, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call } from "../../api/call";
import { useSession } from "../../api/session";
import { Confirm } from "../../components/Confirm";

const DAY_S = 86_400;

const testsOf = (count: number): string => `${count.toLocaleString("en-US")} ${count === 1 ? "test" : "tests"}`;

export function ArchiveDialog({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { isAdmin } = useSession();
  const client = useQueryClient();
  const [days, setDays] = useState(7);
  const [everybody, setEverybody] = useState(false);
  const request = { olderThan: `${days * DAY_S}s`, everybody: everybody || undefined };
  const count = useQuery({
    queryKey: ["archive-count", request],
    enabled: opened && days >= 0,
    staleTime: 0,
    queryFn: async ({ signal }) => Number((await call("TestService", "archiveTests", { ...request, validateOnly: true }, signal)).archivedCount ?? 0),
  });
  const archive = useMutation({
    mutationFn: () => call("TestService", "archiveTests", request),
    onSuccess: () => client.invalidateQueries({ queryKey: ["tests"] }),
  });
  const close = () => {
    archive.reset();
    onClose();
  };
  const number = count.data ?? 0;
  const done = archive.data ? Number(archive.data.archivedCount ?? 0) : null;
  return (
    <Confirm
      opened={opened}
      title="Archive old tests"
      confirm={done !== null ? "Done" : number === 0 ? "Archive" : `Archive ${testsOf(number)}`}
      cancel={done === null ? "Back" : "Close"}
      busy={archive.isPending || (done === null && count.isFetching)}
      error={archive.error ?? count.error}
      disabled={done === null && number === 0}
      onConfirm={() => (done !== null ? close() : archive.mutate())}
      onClose={close}
    >
      <NumberInput label="Ended at least so many days ago" min={0} max={3650} allowDecimal={false} value={days} onChange={(value) => setDays(Number(value) || 0)} />
      {isAdmin && <Switch label="Of all users" checked={everybody} onChange={(event) => setEverybody(event.currentTarget.checked)} />}
      <Text size="sm" aria-live="polite">
        {done !== null
          ? `${testsOf(done)} ${done === 1 ? "was" : "were"} archived.`
          : count.isFetching
            ? "Counting…"
            : number === 0
              ? "No test ended that long ago."
              : `${testsOf(number)} would be archived. Nothing is deleted: the filter “Archived ones, too” shows them.`}
      </Text>
    </Confirm>
  );
}
