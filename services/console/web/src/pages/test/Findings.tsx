import { Alert, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { Finding } from "../../api/types";
import { findingsKey } from "./findings";

const LOOKS: Record<string, { word: string; color: string }> = {
  SEVERITY_ERROR: { word: "Error", color: "red" },
  SEVERITY_WARNING: { word: "Warning", color: "orange" },
  SEVERITY_NOTE: { word: "Note", color: "blue" },
};

/** What was noticed when this test was submitted in this tab. */
export function Findings({ testId }: { testId: string }) {
  const { data } = useQuery<Finding[]>({ queryKey: findingsKey(testId), queryFn: () => [], enabled: false, initialData: undefined });
  if (!data || data.length === 0) return null;
  return (
    <Stack component="section" gap="xs" aria-label="Noticed at submission">
      {data.map((one, index) => {
        const look = LOOKS[one.severity ?? ""] ?? { word: "Note", color: "blue" };
        return (
          <Alert key={index} color={look.color} variant="light" title={`${look.word}: ${one.message ?? one.code}`}>
            <Text size="sm" className="break">
              {one.hint}
              {one.path && ` (${one.path}${one.line ? `, line ${one.line}` : ""})`}
            </Text>
          </Alert>
        );
      })}
    </Stack>
  );
}
