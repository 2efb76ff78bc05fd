// A chart over uPlot, loaded when one is shown. What it shows stands as a table or list beside it: the drawing itself is
// hidden from screen readers but for its label.
import { Box, useComputedColorScheme, useMantineTheme } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useEffect, useRef } from "react";
import type uPlot from "uplot";

export interface Series {
  label: string;
  /** One value a point of x; null: none. */
  values: (number | null)[];
  color: string;
  kind?: "line" | "bars";
}

interface Props {
  /** Seconds since 1970 (`time`), or whole numbers, in even steps. */
  x: number[];
  series: Series[];
  label: string;
  height?: number;
  time?: boolean;
  utc?: boolean;
  /** What the numbers of `series` look like. */
  format?: (value: number) => string;
  /** Counts: no steps between whole numbers. */
  whole?: boolean;
}

const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000];
const HOUR_S = 3600;
const DAY_S = 86_400;
/** So many points are drawn as such; more would be one thick line. */
const POINTS = 60;

/** Hours of a day as "18:00", days as "29 Nov". */
function timeLabel(seconds: number, step: number, utc: boolean): string {
  const zone = utc ? { timeZone: "UTC" } : {};
  const date = new Date(seconds * 1000);
  const isDay = step >= DAY_S;
  return new Intl.DateTimeFormat("en-GB", isDay ? { day: "numeric", month: "short", ...zone } : { hour: "2-digit", minute: "2-digit", ...zone }).format(date);
}

/** Draws `series` over `x`; width as there is. `label` says what it shows. */
export function Chart({ x, series, label, height = 220, time = true, utc = false, format, whole = false }: Props) {
  const { ref: size, width } = useElementSize();
  const place = useRef<HTMLDivElement>(null);
  const theme = useMantineTheme();
  const scheme = useComputedColorScheme("light", { getInitialValueInEffect: false });
  useEffect(() => {
    const target = place.current;
    if (!target || width < 40) return undefined;
    let plot: uPlot | undefined;
    let gone = false;
    void Promise.all([import("uplot"), import("uplot/dist/uPlot.min.css")]).then(([{ default: UPlot }]) => {
      if (gone) return;
      const ink = scheme === "dark" ? (theme.colors.dark[1] ?? "#aaa") : (theme.colors.gray[7] ?? "#444");
      const grid = scheme === "dark" ? (theme.colors.dark[4] ?? "#444") : (theme.colors.gray[3] ?? "#ddd");
      const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
      const [first = 0, second] = x;
      const last = x.at(-1) ?? first;
      // One point alone has no step: a point of time is a day, or an hour within one.
      const alone = time ? (first % DAY_S === 0 ? DAY_S : HOUR_S) : 1;
      const edge = ((second ?? first + alone) - first) / 2;
      const times = second === undefined ? { splits: () => [first], values: () => [timeLabel(first, alone, utc)] } : { values: (_: uPlot, values: number[], __: number, ___: number, step: number) => values.map((value) => timeLabel(value, step, utc)) };
      const bars = UPlot.paths.bars?.({ size: [0.7, 40] });
      plot = new UPlot(
        {
          width,
          height,
          ...(utc ? { tzDate: (seconds: number) => UPlot.tzDate(new Date(seconds * 1000), "Etc/UTC") } : {}),
          legend: { show: series.length > 1, live: false },
          cursor: { show: false },
          scales: { x: { time, range: () => [first - edge, last + edge] }, y: { range: (_, low, high) => [Math.min(0, low), high <= 0 ? 1 : high * 1.05] } },
          axes: [
            { ...axis, ...(time ? times : { incrs: WHOLE }) },
            { ...axis, size: (_: uPlot, labels: string[] | null) => Math.max(70, 22 + 7.2 * Math.max(0, ...(labels ?? []).map((one) => one.length))), ...(whole ? { incrs: WHOLE } : {}), ...(format ? { values: (_: uPlot, values: number[]) => values.map(format) } : {}) },
          ],
          series: [
            {},
            ...series.map((one) => ({
              label: one.label,
              stroke: one.color,
              width: one.kind === "bars" ? 0 : 2,
              points: { show: one.kind !== "bars" && x.length <= POINTS, size: 6, fill: one.color },
              ...(one.kind === "bars" ? { fill: one.color, ...(bars ? { paths: bars } : {}) } : {}),
              ...(format ? { value: (_: uPlot, value: number | null) => (value === null ? "–" : format(value)) } : {}),
            })),
          ],
        },
        [x, ...series.map((one) => one.values)] as uPlot.AlignedData,
        target,
      );
    });
    return () => {
      gone = true;
      plot?.destroy();
    };
  }, [x, series, width, height, time, utc, format, whole, scheme, theme]);
  return (
    <Box ref={size} role="img" aria-label={label} mih={height} w="100%">
      <div ref={place} aria-hidden />
    </Box>
  );
}
