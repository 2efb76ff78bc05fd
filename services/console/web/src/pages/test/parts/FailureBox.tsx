// Why a test has no answer: code, what happened, what to do, and the agent's own exception.
import { Alert, Badge, Group, Stack, Text } from "@mantine/core";
import type { Failure } from "../../../api/types";
import { visible } from "../../../components/bidi";
import { CodeView } from "../../../components/CodeView";
import { CopyButton } from "../../../components/CopyButton";
import { WarningIcon } from "../../../components/icons";

export function FailureBox({ failure }: { failure: Failure }) {
  const cancelled = failure.code === "CANCELLED";
  const error = failure.agentError;
  // The box above has said it already.
  const said = error?.traceback !== undefined && failure.message === `${error.type}: ${error.message}`;
  return (
    <Stack gap="sm">
      <Alert color={cancelled ? "gray" : "red"} variant="light" icon={<WarningIcon width={20} aria-hidden />} title={visible(failure.message || (failure.code ?? ""))}>
        <Stack gap="xs">
          <Group gap="xs">
            <Badge variant="default" className="mono" tt="none">
              {failure.code}
            </Badge>
            {failure.stage && <Text size="sm">in stage “{failure.stage}”</Text>}
          </Group>
          {failure.hint && (
            <Text size="sm" className="break">
              <b>What to do:</b> {visible(failure.hint)}
            </Text>
          )}
          {failure.retryable && <Text size="sm">Nothing is wrong with the agent: the infrastructure failed.</Text>}
        </Stack>
      </Alert>
      {error && (
        <section aria-labelledby="agent-error">
          <Group justify="space-between" mb={4}>
            <Text component="h2" id="agent-error" fw={600} fz="md" m={0} className="break">
              {said ? "Where it was raised" : visible(`${error.type ?? ""}${error.message ? `: ${error.message.slice(0, 500)}` : ""}`)}
            </Text>
            {error.traceback && <CopyButton text={error.traceback} label="Copy the traceback" />}
          </Group>
          {error.message && error.message.length > 500 && <CodeView text={error.message} label="The whole message" maxHeight="30vh" />}
          {error.traceback && <CodeView text={error.traceback.trimEnd()} label="Traceback" />}
        </section>
      )}
    </Stack>
  );
}
