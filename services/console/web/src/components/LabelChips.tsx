import { Badge, Group } from "@mantine/core";
import { visible } from "./bidi";

/** The labels of a test. */
export function LabelChips({ labels }: { labels: Record<string, string> | undefined }) {
  const pairs = Object.entries(labels ?? {})
    .sort(([a], [b]) => a.localeCompare(b))
    .map((pair) => pair.map(visible) as [string, string]);
  if (pairs.length === 0) return null;
  return (
    <Group gap={6}>
      {pairs.map(([key, value]) => (
        <Badge key={key} variant="default" tt="none" fw={400} maw={320} title={`${key}: ${value}`}>
          {value ? `${key}: ${value}` : key}
        </Badge>
      ))}
    </Group>
  );
}
