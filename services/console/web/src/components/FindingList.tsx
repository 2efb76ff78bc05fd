// What was noticed about a test without running it.
import { Alert, Stack, Text } from "@mantine/core";
import type { Finding } from "../api/types";
import { visible } from "./bidi";

const LOOKS: Record<string, { word: string; color: string }> = {
  SEVERITY_ERROR: { word: "Error", color: "red" },
  SEVERITY_WARNING: { word: "Warning", color: "orange" },
  SEVERITY_NOTE: { word: "Note", color: "blue" },
};

/** `label`: what the list is, for screen readers. */
export function FindingList({ findings, label }: { findings: Finding[]; label: string }) {
  if (findings.length === 0) return null;
  return (
    <Stack component="section" gap="xs" aria-label={label}>
      {findings.map((one, index) => {
        const look = LOOKS[one.severity ?? ""] ?? { word: "Note", color: "blue" };
        return (
          <Alert key={index} color={look.color} variant="light" title={`${look.word}: ${visible(one.message ?? one.code ?? "")}`}>
            <Text size="sm" className="break">
              {visible(one.hint ?? "")}
              {one.path && ` (${visible(one.path)}${one.line ? `, line ${one.line}` : ""})`}
            </Text>
          </Alert>
        );
      })}
    </Stack>
  );
}
