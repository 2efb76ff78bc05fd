import { Badge } from "@mantine/core";
import type { TestState } from "../api/types";
import { lookOf } from "./states";

/** The state of a test: icon and words, and a colour beside them. */
export function StateBadge({ state, failureCode, size = "md" }: { state: TestState | undefined; failureCode?: string; size?: "sm" | "md" | "lg" }) {
  const look = lookOf(state, failureCode);
  const Icon = look.icon;
  return (
    <Badge color={look.color} variant="light" size={size} autoContrast leftSection={<Icon width={14} height={14} aria-hidden />} tt="none">
      {look.label}
    </Badge>
  );
}
