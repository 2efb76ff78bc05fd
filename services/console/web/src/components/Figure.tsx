import { Paper, Text } from "@mantine/core";
import type { ReactNode } from "react";

/** One number with its name, and a note below. */
export function Figure({ label, value, note }: { label: string; value: ReactNode; note?: ReactNode }) {
  return (
    <Paper withBorder p="sm">
      <Text size="sm" c="dimmed">
        {label}
      </Text>
      <Text component="div" fz={22} fw={700}>
        {value}
      </Text>
      {note && (
        <Text component="div" size="xs" c="dimmed">
          {note}
        </Text>
      )}
    </Paper>
  );
}
