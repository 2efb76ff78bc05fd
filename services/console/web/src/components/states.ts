// The states of a test in words, colours and icons, and what they mean for the page. The only table of them.
import type { ComponentType, SVGProps } from "react";
import type { Test, TestState } from "../api/types";
import { visible } from "./bidi";
import { ArchiveIcon, BuildingIcon, CancelledIcon, ClockIcon, FailedIcon, PassedIcon, RunningIcon } from "./icons";

export interface StateLook {
  label: string;
  color: string;
  icon: ComponentType<SVGProps<SVGSVGElement>>;
}

const LOOKS: Record<string, StateLook> = {
  TEST_STATE_SUBMITTED: { label: "Submitted", color: "gray", icon: ClockIcon },
  TEST_STATE_QUEUED: { label: "Queued", color: "gray", icon: ClockIcon },
  TEST_STATE_BUILDING: { label: "Building", color: "violet", icon: BuildingIcon },
  TEST_STATE_RUNNING: { label: "Running", color: "blue", icon: RunningIcon },
  TEST_STATE_COMPLETED: { label: "Passed", color: "green", icon: PassedIcon },
  TEST_STATE_FAILED: { label: "Failed", color: "red", icon: FailedIcon },
  TEST_STATE_TIMED_OUT: { label: "Timed out", color: "orange", icon: ClockIcon },
  TEST_STATE_ARCHIVED: { label: "Archived", color: "gray", icon: ArchiveIcon },
};
const CANCELLED: StateLook = { label: "Cancelled", color: "gray", icon: CancelledIcon };
const UNKNOWN: StateLook = { label: "Unknown", color: "gray", icon: ClockIcon };

/** States in the order of life. */
export const STATES: TestState[] = [
  "TEST_STATE_SUBMITTED",
  "TEST_STATE_QUEUED",
  "TEST_STATE_BUILDING",
  "TEST_STATE_RUNNING",
  "TEST_STATE_COMPLETED",
  "TEST_STATE_FAILED",
  "TEST_STATE_TIMED_OUT",
  "TEST_STATE_ARCHIVED",
];

/** How a state looks; a cancelled test is FAILED with code CANCELLED. */
export function lookOf(state: TestState | undefined, failureCode?: string): StateLook {
  if (failureCode === "CANCELLED" && state !== "TEST_STATE_ARCHIVED") return CANCELLED;
  return (state && LOOKS[state]) ?? UNKNOWN;
}

/** Whether the test will not move any more, but for being archived. */
export function hasEnded(state: TestState | undefined): boolean {
  return (
    state === "TEST_STATE_COMPLETED" ||
    state === "TEST_STATE_FAILED" ||
    state === "TEST_STATE_TIMED_OUT" ||
    state === "TEST_STATE_ARCHIVED"
  );
}

/** Whether it passed, also where it was archived since. */
export function hasPassed(test: Test): boolean {
  return hasEnded(test.state) && test.result?.success === true && !test.failure;
}

/** Name of the test for people. */
export function nameOf(test: Test): string {
  return visible(test.spec?.name || test.spec?.agentName || test.spec?.agentId || "agent");
}

/** What a test asks, in lists: an agent may be asked nothing, or an empty text. */
export function queryOf(test: Test): string {
  return test.spec?.query === undefined ? "no query" : visible(test.spec.query || "empty query");
}
