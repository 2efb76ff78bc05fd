import { Paper, Title } from "@mantine/core";
import type { ComponentProps } from "react";
import { Chart } from "./Chart";

/** A chart with its heading. `label` says what it shows, for whoever does not see it. */
export function ChartPanel({ title, ...chart }: { title: string } & ComponentProps<typeof Chart>) {
  return (
    <Paper withBorder p="sm">
      <Title order={2} fz={16} mb="xs">
        {title}
      </Title>
      <Chart {...chart} />
    </Paper>
  );
}
