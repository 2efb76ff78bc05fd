// Submits a test that ended again, with the same query or another one, and leads to the new test.
import { Button, Group, Stack, Text, Textarea } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { ApiError, call } from "../../../api/call";
import { newRequestId } from "../../../api/requestId";
import type { Test } from "../../../api/types";
import { ErrorBox } from "../../../components/feedback";
import { nameOf } from "../../../components/states";
import { useNow, useTimes } from "../../../time/times";
import { comeBackWords } from "../words";

function ComeBack({ at }: { at: number }) {
  const now = useNow();
  return (
    <Text size="sm" role="status">
      {comeBackWords(at, now)}
    </Text>
  );
}

/** Opens with the query of the test; what is typed is kept in this dialog only. */
export function RetryForm({ test, onClose }: { test: Test; onClose: () => void }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const { now } = useTimes();
  const before = test.spec?.query ?? "";
  const [query, setQuery] = useState(before);
  const [retryAt, setRetryAt] = useState<number | null>(null);
  // The same request twice (a double click, an answer that was lost) makes one test; another query is another request.
  const sent = useRef({ id: "", query: "" });
  const retry = useMutation({
    mutationFn: () => {
      if (!sent.current.id || sent.current.query !== query) sent.current = { id: newRequestId(), query };
      return call("TestService", "retryTest", { testId: test.id, requestId: sent.current.id, ...(query === before ? {} : { query }) });
    },
    onSuccess: ({ test: made }) => {
      void client.invalidateQueries({ queryKey: ["chain"] });
      onClose();
      if (made?.id) void navigate({ to: "/tests/$testId", params: { testId: made.id } });
    },
    onError: (error) => setRetryAt(error instanceof ApiError && error.retryAfterMs !== null ? now() + error.retryAfterMs : null),
  });
  const filesGone = retry.error instanceof ApiError && retry.error.reason === "FILES_GONE";
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!retry.isPending) retry.mutate();
      }}
    >
      <Stack>
        <Text size="sm" className="break">
          <b>{nameOf(test)}</b> runs again with the same code and settings, as a new test. To change these, take “Edit and run again”.
        </Text>
        <Textarea
          label="Query"
          description={test.spec?.query === undefined ? "The test had no query. Left empty, the new one has none either." : "Change it, or leave it as it was."}
          autosize
          minRows={3}
          maxRows={14}
          value={query}
          onChange={(event) => setQuery(event.currentTarget.value)}
          data-autofocus
        />
        {retry.error ? <ErrorBox error={retry.error} title="It was not submitted" /> : null}
        {retry.error && retryAt !== null ? <ComeBack at={retryAt} /> : null}
        {filesGone && <Text size="sm">Its files were removed since. Take “Edit and run again”, and add the files from your side.</Text>}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Back
          </Button>
          <Button type="submit" loading={retry.isPending}>
            {query === before ? "Retry" : "Retry with this query"}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
