import { Badge } from "@mantine/core";
import type { TestState } from "../api/types";
import { lookOf } from "./states";

/** The state of a test: icon and words, and a colour beside them. */
export function StateBadge({ state, failureCode, size = "md" }: { state: TestState | undefined; failureCode?: string; size?: "sm" | "md" | "lg" }) {
  const look = lookOf(state, failureCode);
  const Icon = look.icon;
  // Mantine's ink on a light badge is too pale for small text in green and orange.
  const ink = `light-dark(color-mix(in srgb, var(--mantine-color-${look.color}-9) 75%, black), var(--mantine-color-${look.color}-light-color))`;
  return (
    <Badge color={look.color} variant="light" size={size} c={ink} miw="max-content" leftSection={<Icon width={14} height={14} aria-hidden />} tt="none">
      {look.label}
    </Badge>
  );
}
