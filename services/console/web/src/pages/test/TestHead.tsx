// The head of a test's page: what it is, where it stands, and what can be done about it.
import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useFeed } from "../../api/events";
import { queueQuery } from "../../api/queries";
import { useSession } from "../../api/session";
import type { Test } from "../../api/types";
import { AgentLink } from "../../components/AgentLink";
import { visible } from "../../components/bidi";
import { CopyButton } from "../../components/CopyButton";
import { PageHeader } from "../../components/feedback";
import { CompareIcon, EditIcon, PackageIcon, PauseIcon, RetryIcon, StopIcon } from "../../components/icons";
import { AnchorLink, ButtonLink } from "../../components/links";
import { LabelChips } from "../../components/LabelChips";
import { PhaseBar } from "../../components/PhaseBar";
import { StateBadge } from "../../components/StateBadge";
import { hasEnded, hasPassed, nameOf } from "../../components/states";
import type { TestAction } from "../../shell/testActions";
import { Time, useNow } from "../../time/times";
import { deadlineWords, elapsedWords, queueWords } from "./words";

function Progress({ test }: { test: Test }) {
  const ended = hasEnded(test.state);
  const now = useNow(1000, !ended);
  const elapsed = elapsedWords(test, now);
  return (
    <div>
      <PhaseBar state={test.state} failureCode={test.failure?.code} elapsed={elapsed} />
      <Text size="sm" mt={4}>
        {elapsed}
        {!ended && (
          <>
            {elapsed && ". "}
            {queueWords(test)} {deadlineWords(test, now)}
          </>
        )}
        {(test.attempt ?? 0) > 1 && ` Attempt ${test.attempt}.`}
      </Text>
    </div>
  );
}

/** Why a test that waits does not start: somebody paused the queue. */
function PausedQueue() {
  const client = useQueryClient();
  const queue = useQuery(queueQuery);
  useFeed<"queue">({ kind: "queue" }, (message) => {
    if (message.kind === "queue" && message.data.status) client.setQueryData(queueQuery.queryKey, message.data.status);
  });
  if (!queue.data?.paused) return null;
  return (
    <Alert color="orange" variant="light" role="status" icon={<PauseIcon width={20} aria-hidden />} title="The queue is paused">
      <Text size="sm" className="break">
        {queue.data.pauseReason ? `Why: ${visible(queue.data.pauseReason)}` : "No reason was given."}
      </Text>
      <Text size="sm">This test starts when the queue is resumed.</Text>
    </Alert>
  );
}

export function TestHead({ test, act }: { test: Test; act: (action: TestAction) => void }) {
  const { userId, isAdmin } = useSession();
  const ended = hasEnded(test.state);
  const agentId = test.spec?.agentId;
  const who = test.userId === userId ? "you" : (test.userId ?? "somebody");
  const cancellation = test.cancellation;
  return (
    <Stack gap="sm" mb="md">
      <PageHeader
        title={
          <Group gap="xs" component="span">
            <span className="break">{nameOf(test)}</span>
            <span role="status">
              <StateBadge state={test.state} failureCode={test.failure?.code ?? ""} size="lg" />
            </span>
          </Group>
        }
        description={
          <Stack gap={4}>
            <Group gap={6}>
              <Text span size="sm" className="mono break">
                {test.id}
              </Text>
              <CopyButton text={test.id ?? ""} size="compact-xs" label="Copy id" />
            </Group>
            <Text span size="sm">
              Submitted by {who} <Time value={test.times?.submitTime} />
              {agentId && (
                <>
                  {" · agent "}
                  <AgentLink underline="always" agentId={agentId} userId={test.userId}>
                    {visible(test.spec?.agentName || agentId)}
                  </AgentLink>
                </>
              )}
              {test.retry?.retryOf && (
                <>
                  {" · "}
                  <AnchorLink underline="always" to="/tests/$testId" params={{ testId: test.retry.retryOf }}>
                    retry {test.retry.retryNumber} of an earlier test
                  </AnchorLink>
                </>
              )}
              {isAdmin && test.task?.runtime && ` · runtime ${test.task.runtime}`}
            </Text>
          </Stack>
        }
      >
        {!ended && (
          <Button color="red" variant="light" autoContrast leftSection={<StopIcon width={16} aria-hidden />} onClick={() => act("cancel")}>
            Cancel
          </Button>
        )}
        {ended && (
          <Button variant={hasPassed(test) ? "default" : "filled"} leftSection={<RetryIcon width={16} aria-hidden />} onClick={() => act("retry")}>
            Retry
          </Button>
        )}
        <ButtonLink to="/submit" search={{ again: test.id ?? "" }} variant="default" leftSection={<EditIcon width={16} aria-hidden />}>
          Edit and run again
        </ButtonLink>
        {hasPassed(test) && (
          <Button variant="default" leftSection={<PackageIcon width={16} aria-hidden />} onClick={() => act("package")}>
            Package
          </Button>
        )}
        <Button variant="default" leftSection={<CompareIcon width={16} aria-hidden />} onClick={() => act("compare")}>
          Compare
        </Button>
      </PageHeader>
      {test.spec?.query !== undefined && (
        <Text size="sm" className="break" lineClamp={3}>
          <Text span inherit c="dimmed">
            Query:
          </Text>{" "}
          {test.spec.query === "" ? <Text span inherit c="dimmed">(empty)</Text> : visible(test.spec.query)}
        </Text>
      )}
      <LabelChips labels={test.spec?.labels} />
      <Progress test={test} />
      {(test.state === "TEST_STATE_QUEUED" || test.state === "TEST_STATE_SUBMITTED") && <PausedQueue />}
      {cancellation && !ended && (
        <Alert color="orange" variant="light" role="status" title="Asked to stop">
          <Text size="sm" className="break">
            By {cancellation.requestedBy === userId ? "you" : cancellation.requestedBy} <Time value={cancellation.requestTime} />
            {cancellation.reason && `: ${visible(cancellation.reason)}`}
          </Text>
        </Alert>
      )}
      {cancellation && ended && test.failure?.code === "CANCELLED" && (
        <Text size="sm" className="break">
          Cancelled by {cancellation.requestedBy === userId ? "you" : cancellation.requestedBy}
          {cancellation.reason && `: ${visible(cancellation.reason)}`}
        </Text>
      )}
    </Stack>
  );
}
