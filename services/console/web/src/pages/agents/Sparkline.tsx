import { formatDuration } from "../../time/durations";
import { describe, type Run } from "./runs";

const WIDTH = 140;
const HEIGHT = 32;
const COLORS: Record<Run["outcome"], string> = {
  passed: "var(--mantine-color-green-6)",
  failed: "var(--mantine-color-red-6)",
  "timed out": "var(--mantine-color-orange-6)",
  cancelled: "var(--mantine-color-gray-6)",
};

/** Run times over the last runs as bars, oldest left; what failed is lower in contrast only, so its words say it too. */
export function Sparkline({ runs }: { runs: Run[] }) {
  const high = Math.max(...runs.map((run) => run.runS ?? 0), 0.001);
  const step = WIDTH / Math.max(runs.length, 12);
  return (
    <svg width={WIDTH} height={HEIGHT} role="img" aria-label={describe(runs, formatDuration)}>
      {runs.map((run, index) => {
        const height = Math.max(2, ((run.runS ?? 0) / high) * HEIGHT);
        return (
          <rect key={run.testId} x={index * step} y={HEIGHT - height} width={Math.max(step - 1.5, 1.5)} height={height} rx={1} fill={COLORS[run.outcome]}>
            <title>{`${run.outcome}${run.code ? ` (${run.code})` : ""}, ${formatDuration(run.runS === null ? undefined : run.runS * 1000)}`}</title>
          </rect>
        );
      })}
    </svg>
  );
}
