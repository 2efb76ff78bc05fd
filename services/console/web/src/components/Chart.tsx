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
  kind?: "line" | "bars" | "points";
}

interface Props {
  /** Seconds since 1970 (time axis), or any number. */
  x: number[];
  series: Series[];
  label: string;
  height?: number;
  time?: boolean;
  utc?: boolean;
  format?: (value: number) => string;
}

/** Draws `series` over `x`; width as there is. `label` says what it shows. */
export function Chart({ x, series, label, height = 220, time = true, utc = false, format }: Props) {
  const { ref: size, width } = useElementSize();
  const place = useRef<HTMLDivElement>(null);
  const theme = useMantineTheme();
  const scheme = useComputedColorScheme();
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
      const bars = UPlot.paths.bars?.({ size: [0.7, 40] });
      plot = new UPlot(
        {
          width,
          height,
          ...(utc ? { tzDate: (seconds: number) => UPlot.tzDate(new Date(seconds * 1000), "Etc/UTC") } : {}),
          legend: { show: series.length > 1 },
          scales: { x: { time }, y: { range: (_, low, high) => [Math.min(0, low), high <= 0 ? 1 : high * 1.05] } },
          axes: [axis, { ...axis, size: 70, ...(format ? { values: (_: uPlot, values: number[]) => values.map(format) } : {}) }],
          series: [
            {},
            ...series.map((one) => ({
              label: one.label,
              stroke: one.color,
              width: 2,
              ...(one.kind === "bars" ? { fill: one.color, ...(bars ? { paths: bars } : {}) } : {}),
              ...(one.kind === "points" ? { paths: () => null, points: { show: true, size: 7, fill: one.color } } : {}),
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
  }, [x, series, width, height, time, utc, format, scheme, theme]);
  return (
    <Box ref={size} role="img" aria-label={label} mih={height} w="100%">
      <div ref={place} aria-hidden />
    </Box>
  );
}
