// The settings of a test as rows of text: for its page and for comparing two. Values of variables are never in them.
import type { TestSpec } from "../../../api/types";
import { formatDuration, parseDuration } from "../../../time/durations";

export interface Setting {
  label: string;
  value: string;
}

const NETWORK: Record<string, string> = { NETWORK_ACCESS_NONE: "none while the agent runs", NETWORK_ACCESS_OPEN: "open" };

export function settingsOf(spec: TestSpec): Setting[] {
  const model = spec.model ?? {};
  const resources = spec.resources ?? {};
  return [
    { label: "Name", value: spec.name ?? "" },
    { label: "Agent", value: [spec.agentName, spec.agentId && `(${spec.agentId})`].filter(Boolean).join(" ") },
    { label: "Entry point", value: spec.entrypoint || "chosen by Assay" },
    { label: "Agent’s file", value: spec.agentPath || (spec.agentCode ? "agent.py" : "") },
    { label: "Model provider", value: model.provider ?? "" },
    { label: "Model", value: model.modelId ?? "" },
    { label: "Address of the provider", value: model.baseUrl ?? "" },
    { label: "Region", value: model.region ?? "" },
    { label: "Time limit", value: spec.timeout ? formatDuration(parseDuration(spec.timeout)) : "default of the server" },
    { label: "Processor", value: resources.cpu ? `${resources.cpu} vCPU` : "default of the server" },
    { label: "Memory", value: resources.memoryMib ? `${resources.memoryMib} MiB` : "default of the server" },
    { label: "Network", value: NETWORK[spec.network ?? ""] ?? "open" },
    { label: "Priority", value: String(spec.priority ?? 5) },
    { label: "Answer must be plain JSON", value: spec.strictAnswer ? "yes" : "no, it is converted" },
    { label: "Debian packages", value: (spec.systemPackages ?? []).join(", ") },
    { label: "Allowed hosts", value: (spec.allowHosts ?? []).join(", ") },
    { label: "Secrets", value: names(spec.secretRefs) },
    { label: "Variables", value: names(spec.env) },
    { label: "Labels", value: Object.entries(spec.labels ?? {}).sort(([a], [b]) => a.localeCompare(b)).map(([key, value]) => (value ? `${key}: ${value}` : key)).join(", ") },
  ].filter((row) => row.value !== "");
}

const names = (map: Record<string, string> | undefined): string => Object.keys(map ?? {}).sort().join(", ");

/** Names of variables whose values differ, whichever side lacks one. */
export function differingVariables(a: TestSpec, b: TestSpec): string[] {
  const [one, other] = [a.env ?? {}, b.env ?? {}];
  return [...new Set([...Object.keys(one), ...Object.keys(other)])].filter((name) => one[name] !== other[name]).sort();
}
