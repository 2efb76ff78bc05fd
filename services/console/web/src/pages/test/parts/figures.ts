// The figures of a test as rows with bars: pure, from the test and what the agent's other tests took.
import type { AgentStats, Distribution, Test } from "../../../api/types";
import { formatBytes } from "../../../components/numbers";
import type { AgentComparisonJson as AgentComparison } from "../../../gen/assay/v1/test_service_pb";
import { formatDuration, parseDuration } from "../../../time/durations";
import { ratioWords } from "../words";

export interface Figure {
  label: string;
  value: string;
  /** Length of the bar, 0 to 1. */
  share: number;
  /** Where the mean of the others lies on the bar, 0 to 1. */
  meanShare?: number;
  /** How it compares, or what the bar is measured by. */
  note: string;
}

const MEBI = 1024 * 1024;

function number(value: Distribution["mean"]): number | undefined {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : undefined;
}

/** Ratios that the server does not give are none. */
function ratio(value: AgentComparison["runRatio"]): number | undefined {
  return typeof value === "number" ? value : undefined;
}

/** Bars of time share one scale; memory has the limit of the test, or the larger of both figures. */
export function figuresOf(test: Test, stats?: AgentStats, comparison?: AgentComparison): Figure[] {
  const metrics = test.result?.metrics;
  if (!metrics) return [];
  const seconds = (distribution: Distribution | undefined) => {
    const mean = number(distribution?.mean);
    return mean === undefined ? undefined : mean * 1000;
  };
  const times: { label: string; ms: number | undefined; mean?: number | undefined; ratio?: number | undefined }[] = [
    { label: "Waited in the queue", ms: parseDuration(metrics.queueDuration) },
    { label: "Built", ms: parseDuration(metrics.buildDuration), mean: seconds(stats?.buildSeconds), ratio: ratio(comparison?.buildRatio) },
    { label: "Ran", ms: parseDuration(metrics.runDuration), mean: seconds(stats?.runSeconds), ratio: ratio(comparison?.runRatio) },
    { label: "Processor time", ms: parseDuration(metrics.cpuTime) },
  ];
  const longest = Math.max(1, ...times.flatMap((one) => [one.ms ?? 0, one.mean ?? 0]));
  const rows: Figure[] = times
    .filter((one) => one.ms !== undefined)
    .map((one) => ({
      label: one.label,
      value: formatDuration(one.ms),
      share: (one.ms ?? 0) / longest,
      ...(one.mean === undefined ? {} : { meanShare: one.mean / longest }),
      note: one.mean === undefined ? "" : note(one.ratio, formatDuration(one.mean), "longer", "shorter"),
    }));
  const peak = Number(metrics.peakMemoryBytes ?? 0);
  if (peak > 0) {
    const limit = (test.spec?.resources?.memoryMib ?? 0) * MEBI;
    const mean = number(stats?.peakMemoryBytes?.mean);
    const top = Math.max(peak, limit, mean ?? 0);
    const limited = limit > 0 ? `${Math.round((peak / limit) * 100)} % of its limit of ${formatBytes(limit)}` : "";
    const compared = mean === undefined ? "" : note(ratio(comparison?.peakMemoryRatio), formatBytes(Math.round(mean)), "more", "less");
    rows.push({
      label: "Peak memory",
      value: formatBytes(peak),
      share: peak / top,
      ...(mean === undefined ? {} : { meanShare: mean / top }),
      note: [limited, compared].filter(Boolean).join(" · "),
    });
  }
  return rows;
}

function note(by: number | undefined, mean: string, more: string, less: string): string {
  const words = ratioWords(by, more, less);
  return words ? `${words} (${mean})` : `mean ${mean}`;
}
