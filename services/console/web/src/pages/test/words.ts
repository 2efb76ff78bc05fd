// What the page of a test says in words: pure functions from the API's messages to text.
import type { CancelOutcomeJson as CancelOutcome } from "../../gen/assay/v1/test_service_pb";
import type { Test } from "../../api/types";
import { hasEnded, lookOf } from "../../components/states";
import { formatDuration, formatElapsed, parseDuration } from "../../time/durations";

const at = (time: string | undefined): number | undefined => (time === undefined ? undefined : Date.parse(time));

/** How long the test took, or takes so far: "12 s", "running for 4 s, 12 s in all". `now`: of the server, in milliseconds. */
export function elapsedWords(test: Test, now: number): string {
  const times = test.times ?? {};
  const submitted = at(times.submitTime);
  if (submitted === undefined) return "";
  const end = at(times.endTime);
  if (hasEnded(test.state)) return end === undefined ? "" : `${formatDuration(end - submitted)} in all`;
  const all = `${formatElapsed(now - submitted)} in all`;
  const since = test.history?.at(-1)?.time ?? times.submitTime;
  return `${lookOf(test.state).label} for ${formatElapsed(now - (at(since) ?? submitted))}, ${all}`;
}

/** Where a waiting test stands; "" when it does not wait. */
export function queueWords(test: Test): string {
  if (test.state !== "TEST_STATE_QUEUED" && test.state !== "TEST_STATE_SUBMITTED") return "";
  const place = test.queuePlace;
  if (!place?.position) return "It waits for a free slot.";
  const wait = parseDuration(place.estimatedWait);
  const when = wait === undefined ? "How long it will wait cannot be told now." : `It will wait about ${formatElapsed(wait)}.`;
  return `Number ${place.position} in the queue${place.position === "1" ? ": next" : ""}. ${when}`;
}

/** When a running agent is stopped by its time limit, which counts from the agent's start; "" when that is not known. `deadlineTime` comes later: it grants the launch and the build, too. */
export function deadlineWords(test: Test, now: number): string {
  const started = at(test.times?.runStartTime);
  const limit = parseDuration(test.spec?.timeout);
  if (started === undefined || limit === undefined || test.state !== "TEST_STATE_RUNNING") return "";
  const deadline = started + limit;
  return deadline > now ? `Its time limit stops it in ${formatElapsed(deadline - now)}.` : "Its time limit has passed: it is being stopped.";
}

const OUTCOMES: Record<string, { title: string; text: string }> = {
  CANCEL_OUTCOME_REMOVED_FROM_QUEUE: { title: "Cancelled", text: "It was still waiting: it is out of the queue, and nothing of it runs." },
  CANCEL_OUTCOME_STOPPING: { title: "Stopping", text: "It is being stopped and ends in a moment. This page shows when it has ended." },
  CANCEL_OUTCOME_ALREADY_ENDED: { title: "It had ended before", text: "Nothing was changed." },
};

/** What came of a cancellation. */
export function cancelWords(outcome: CancelOutcome | undefined, test: Test | undefined): { title: string; text: string } {
  const words = (outcome && OUTCOMES[outcome]) ?? { title: "Asked to stop", text: "The server took the request." };
  if (outcome !== "CANCEL_OUTCOME_ALREADY_ENDED" || !test) return words;
  return { ...words, text: `It is ${lookOf(test.state, test.failure?.code).label.toLowerCase()}. ${words.text}` };
}

/** "20 % more than the mean", from a ratio to the mean. */
export function ratioWords(ratio: number | undefined, more = "more", less = "less"): string {
  if (ratio === undefined || !Number.isFinite(ratio)) return "";
  const percent = Math.round(Math.abs(ratio - 1) * 100);
  if (percent === 0) return "as the mean";
  if (ratio >= 3) return `${ratio.toFixed(1)} times the mean`;
  return `${percent} % ${ratio > 1 ? more : less} than the mean`;
}

/** How long until `time`: "in 3 h 2 min"; null when it has passed or is not given. */
export function leftUntil(time: string | undefined, now: number): string | null {
  const when = at(time);
  return when === undefined || when <= now ? null : formatElapsed(when - now);
}

/** When a refused call may come again. */
export function comeBackWords(retryAt: number, now: number): string {
  return retryAt > now ? `You can try again in ${formatElapsed(retryAt - now + 999)}.` : "You can try again now.";
}


/** Where the console gives the content of a file of a test. */
export function fileHref(testId: string, kind: "project" | "input" | "output", path: string): string {
  return `/files/${encodeURIComponent(testId)}/${kind}/${path.split("/").map(encodeURIComponent).join("/")}`;
}
