import { NativeSelect } from "@mantine/core";

const LABELS: Record<string, string> = { "24h": "Last 24 hours", "72h": "Last 3 days", "7d": "Last 7 days", "30d": "Last 30 days", "90d": "Last 90 days" };

/** How far back a report goes. */
export function Spans({ value, spans, onChange }: { value: string; spans: string[]; onChange: (span: string) => void }) {
  return <NativeSelect label="Time" value={value} onChange={(event) => onChange(event.currentTarget.value)} data={spans.map((span) => ({ value: span, label: LABELS[span] ?? span }))} />;
}
