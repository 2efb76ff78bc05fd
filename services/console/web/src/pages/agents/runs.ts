// Runs of an agent as numbers for charts and sentences. No I/O.
import type { AgentRun, Test } from "../../api/types";
import { parseDuration } from "../../time/durations";

/** An ended test, as the charts take it: times in seconds since 1970, run in seconds, memory in MiB. */
export interface Run {
  testId: string;
  at: number;
  outcome: "passed" | "failed" | "timed out" | "cancelled";
  code: string;
  runS: number | null;
  memoryMiB: number | null;
}

function outcome(state: string | undefined, code: string): Run["outcome"] {
  if (code === "CANCELLED") return "cancelled";
  if (state === "TEST_STATE_TIMED_OUT" || code === "TIMED_OUT") return "timed out";
  return state === "TEST_STATE_COMPLETED" || (state === "TEST_STATE_ARCHIVED" && !code) ? "passed" : "failed";
}

const seconds = (text: string | undefined): number | null => {
  const ms = parseDuration(text);
  return ms === undefined ? null : ms / 1000;
};
const mebibytes = (bytes: string | undefined): number | null => (Number(bytes ?? 0) > 0 ? Number(bytes) / 2 ** 20 : null);

export function ofAgentRun(run: AgentRun): Run {
  const code = run.failureCode ?? "";
  return {
    testId: run.testId ?? "",
    at: Date.parse(run.submitTime ?? "") / 1000,
    outcome: outcome(run.state, code),
    code,
    runS: seconds(run.runDuration),
    memoryMiB: mebibytes(run.peakMemoryBytes),
  };
}

export function ofTest(test: Test): Run {
  const code = test.failure?.code ?? "";
  return {
    testId: test.id ?? "",
    at: Date.parse(test.times?.submitTime ?? "") / 1000,
    outcome: outcome(test.state, code),
    code,
    runS: seconds(test.result?.metrics?.runDuration),
    memoryMiB: mebibytes(test.result?.metrics?.peakMemoryBytes),
  };
}

/** How many of each outcome. */
export function countOutcomes(runs: Run[]): Record<Run["outcome"], number> {
  const counts = { passed: 0, failed: 0, "timed out": 0, cancelled: 0 };
  for (const run of runs) counts[run.outcome] += 1;
  return counts;
}

/** What a small chart of these runs says, for whoever does not see it. Runs oldest first. */
export function describe(runs: Run[], format: (ms: number) => string): string {
  const times = runs.map((run) => run.runS).filter((value) => value !== null);
  if (times.length === 0) return "no run times yet";
  const low = Math.min(...times) * 1000;
  const high = Math.max(...times) * 1000;
  return `last ${times.length} run times, from ${format(low)} to ${format(high)}, the newest ${format((times.at(-1) ?? 0) * 1000)}`;
}
