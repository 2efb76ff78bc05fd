// The question before a test is stopped, and what came of it.
import { Alert, Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { call } from "../../../api/call";
import type { Test } from "../../../api/types";
import { ErrorBox } from "../../../components/feedback";
import { hasEnded, nameOf } from "../../../components/states";
import { cancelWords } from "../words";

interface Props {
  test: Test;
  onClose: () => void;
  /** The test as it stands after the request. */
  onTold: (test: Test | undefined) => void;
}

/** `reason` is kept in this dialog only: closing it forgets what was typed. */
export function CancelForm({ test, onClose, onTold }: Props) {
  const [reason, setReason] = useState("");
  const cancel = useMutation({
    mutationFn: () => call("TestService", "cancelTest", { testId: test.id, ...(reason.trim() ? { reason: reason.trim() } : {}) }),
    onSuccess: (answer) => onTold(answer.test),
  });
  const words = cancel.data ? cancelWords(cancel.data.outcome, cancel.data.test) : null;
  // Nothing is left to say when the page behind shows that it has ended.
  const stopped = cancel.data?.outcome === "CANCEL_OUTCOME_STOPPING" && hasEnded(test.state);
  useEffect(() => {
    if (stopped) onClose();
  }, [stopped, onClose]);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!cancel.isPending && !words) cancel.mutate();
      }}
    >
      <Stack>
        {words ? (
          <Alert role="status" color="blue" variant="light" title={words.title}>
            {words.text}
          </Alert>
        ) : (
          <>
            <Text className="break">
              <b>{nameOf(test)}</b> is stopped and ends without an answer. That cannot be taken back; it can be retried.
            </Text>
            <TextInput
              label="Reason"
              description="For the record. May stay empty."
              maxLength={500}
              value={reason}
              onChange={(event) => setReason(event.currentTarget.value)}
              data-autofocus
            />
            {cancel.error ? <ErrorBox error={cancel.error} title="It was not cancelled" /> : null}
          </>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {words ? "Close" : "Let it run"}
          </Button>
          {!words && (
            <Button type="submit" color="red" loading={cancel.isPending}>
              Cancel the test
            </Button>
          )}
        </Group>
      </Stack>
    </form>
  );
}
