// How far a test is: queued 25 %, building 50 %, running 75 %, done 100 %, with the time it has taken so far.
import { Group, Progress, Text } from "@mantine/core";
import type { TestState } from "../api/types";
import { hasEnded, lookOf } from "./states";

const SHARE: Partial<Record<TestState, number>> = {
  TEST_STATE_SUBMITTED: 25,
  TEST_STATE_QUEUED: 25,
  TEST_STATE_BUILDING: 50,
  TEST_STATE_RUNNING: 75,
};

/** The share of its life that a test in `state` has behind it, in percent. */
export function phaseShare(state: TestState | undefined): number {
  return hasEnded(state) ? 100 : ((state && SHARE[state]) ?? 0);
}

const STEPS: { share: number; label: string }[] = [
  { share: 25, label: "Queued" },
  { share: 50, label: "Building" },
  { share: 75, label: "Running" },
  { share: 100, label: "Done" },
];

export function PhaseBar({ state, failureCode, elapsed }: { state: TestState | undefined; failureCode?: string | undefined; elapsed: string }) {
  const share = phaseShare(state);
  const look = lookOf(state, failureCode);
  return (
    <div>
      <Progress.Root size="lg">
        <Progress.Section
          value={share}
          color={look.color}
          animated={!hasEnded(state)}
          striped={!hasEnded(state)}
          aria-label={`${look.label}, ${share} percent of the way`}
          aria-valuetext={`${look.label}, ${elapsed}`}
        />
      </Progress.Root>
      <Group justify="space-between" mt={4} gap={4} wrap="nowrap">
        {STEPS.map((step) => (
          <Text key={step.share} size="xs" fw={step.share === share ? 700 : 400} c={step.share === share ? undefined : "dimmed"} flex={1} ta="right">
            {step.share === 100 && share === 100 ? look.label : step.label}
          </Text>
        ))}
      </Group>
    </div>
  );
}
