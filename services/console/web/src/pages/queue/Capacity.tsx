// The controls of an admin: capacity, pause with a reason, resume. For the queue page and the health page.
import { Button, Group, NumberInput, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call } from "../../api/call";
import { queueQuery } from "../../api/queries";
import type { QueueStatus } from "../../api/types";
import { Confirm } from "../../components/Confirm";
import { ErrorBox } from "../../components/feedback";
import { PauseIcon, RunningIcon } from "../../components/icons";

export function Capacity({ status }: { status: QueueStatus }) {
  const client = useQueryClient();
  const told = (answer: { status?: QueueStatus }) => {
    if (answer.status) client.setQueryData(queueQuery.queryKey, answer.status);
  };
  const [pausing, setPausing] = useState(false);
  const [reason, setReason] = useState("");
  const [slots, setSlots] = useState<number | null>(null);
  const set = useMutation({
    mutationFn: (capacity: number) => call("AdminService", "setCapacity", { capacity }),
    onSuccess: (answer) => {
      told(answer);
      setSlots(null);
    },
  });
  const pause = useMutation({
    mutationFn: () => call("AdminService", "pauseQueue", { reason: reason.trim() }),
    onSuccess: (answer) => {
      told(answer);
      setPausing(false);
      setReason("");
    },
  });
  const resume = useMutation({ mutationFn: () => call("AdminService", "resumeQueue", {}), onSuccess: told });
  const capacity = status.capacity ?? 0;
  const wanted = slots ?? capacity;
  return (
    <Stack gap="xs">
      <Group align="end" gap="sm">
        <NumberInput label="Tests that run at once" min={0} max={10_000} allowDecimal={false} value={wanted} onChange={(value) => setSlots(value === "" ? null : Number(value))} w={240} />
        <Button disabled={wanted === capacity} loading={set.isPending} onClick={() => set.mutate(wanted)}>
          Set capacity
        </Button>
        {status.paused ? (
          <Button variant="light" loading={resume.isPending} leftSection={<RunningIcon width={16} aria-hidden />} onClick={() => resume.mutate()}>
            Resume
          </Button>
        ) : (
          <Button variant="default" leftSection={<PauseIcon width={16} aria-hidden />} onClick={() => setPausing(true)}>
            Pause…
          </Button>
        )}
      </Group>
      {wanted < capacity && (
        <Text size="sm" c="dimmed">
          What runs goes on; fewer tests start until the number is reached.
        </Text>
      )}
      {(set.error ?? resume.error) && <ErrorBox error={set.error ?? resume.error} />}
      <Confirm opened={pausing} title="Pause the queue" confirm="Pause" busy={pause.isPending} error={pause.error} onConfirm={() => pause.mutate()} onClose={() => setPausing(false)}>
        <Text size="sm">Running tests go on. New ones are accepted and wait until the queue is resumed.</Text>
        <TextInput label="Why" description="Everybody who waits sees it." maxLength={500} value={reason} onChange={(event) => setReason(event.currentTarget.value)} data-autofocus />
      </Confirm>
    </Stack>
  );
}
