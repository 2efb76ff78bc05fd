// What somebody fills in, what becomes of it, and which field an error of the server belongs to. No I/O.
import type { Violation } from "../../api/call";
import type { Test, TestSpec } from "../../api/types";
import { parseDuration, toDuration } from "../../time/durations";

export interface Pair {
  name: string;
  value: string;
}

/** A file that waits in the browser. */
export interface DraftFile {
  path: string;
  file: File;
}

export interface Draft {
  source: "code" | "files";
  code: string;
  files: DraftFile[];
  /** Digest of the files of an older test, in the place of `files`. */
  projectDigest: string;
  /** Their names, for people. */
  projectNames: string[];
  agentPath: string;
  inputs: DraftFile[];
  inputsDigest: string;
  inputNames: string[];
  withQuery: boolean;
  query: string;
  requirements: string;
  name: string;
  agentName: string;
  agentId: string;
  entrypoint: string;
  provider: string;
  modelId: string;
  baseUrl: string;
  region: string;
  /** Seconds; empty: the server's default. */
  timeoutS: string;
  cpu: string;
  memoryMib: string;
  network: "open" | "none";
  priority: string;
  strictAnswer: boolean;
  labels: Pair[];
  env: Pair[];
  secrets: Pair[];
  systemPackages: string[];
  allowHosts: string[];
  dockerfile: string;
}

export const EMPTY: Draft = {
  source: "code",
  code: "",
  files: [],
  projectDigest: "",
  projectNames: [],
  agentPath: "",
  inputs: [],
  inputsDigest: "",
  inputNames: [],
  withQuery: true,
  query: "",
  requirements: "",
  name: "",
  agentName: "",
  agentId: "",
  entrypoint: "",
  provider: "",
  modelId: "",
  baseUrl: "",
  region: "",
  timeoutS: "",
  cpu: "",
  memoryMib: "",
  network: "open",
  priority: "",
  strictAnswer: false,
  labels: [],
  env: [],
  secrets: [],
  systemPackages: [],
  allowHosts: [],
  dockerfile: "",
};

const pairs = (all: Pair[]): Record<string, string> | undefined => {
  const named = all.filter((pair) => pair.name.trim() !== "");
  return named.length > 0 ? Object.fromEntries(named.map((pair) => [pair.name.trim(), pair.value])) : undefined;
};
const fromPairs = (all: Record<string, string> | undefined): Pair[] => Object.entries(all ?? {}).map(([name, value]) => ({ name, value }));
const lines = (text: string): string[] | undefined => {
  const all = text.split(/\r?\n/);
  return all.some((line) => line.trim() !== "") ? all : undefined;
};
const number = (text: string): number | undefined => (text.trim() === "" ? undefined : Number(text));

/** The spec for the API. Files are named by what the upload of them answered. */
export function toSpec(draft: Draft, digests: { project?: string; inputs?: string } = {}): TestSpec {
  const text = (value: string) => value.trim() || undefined;
  const project = draft.source === "files" ? (digests.project ?? draft.projectDigest) : "";
  const inputs = digests.inputs ?? draft.inputsDigest;
  const model = { provider: text(draft.provider), modelId: text(draft.modelId), baseUrl: text(draft.baseUrl), region: text(draft.region) };
  const cpu = number(draft.cpu);
  const memoryMib = number(draft.memoryMib);
  return {
    name: text(draft.name),
    agentName: text(draft.agentName),
    agentId: text(draft.agentId),
    agentCode: draft.source === "code" ? draft.code : undefined,
    project: project ? { digest: project } : undefined,
    agentPath: draft.source === "files" ? text(draft.agentPath) : undefined,
    inputs: inputs ? { digest: inputs } : undefined,
    requirements: lines(draft.requirements),
    query: draft.withQuery ? draft.query : undefined,
    entrypoint: text(draft.entrypoint),
    model: Object.values(model).some(Boolean) ? model : undefined,
    timeout: draft.timeoutS.trim() ? toDuration(Number(draft.timeoutS) * 1000) : undefined,
    resources: cpu === undefined && memoryMib === undefined ? undefined : { cpu, memoryMib },
    network: draft.network === "none" ? "NETWORK_ACCESS_NONE" : undefined,
    priority: number(draft.priority),
    strictAnswer: draft.strictAnswer || undefined,
    labels: pairs(draft.labels),
    env: pairs(draft.env),
    secretRefs: pairs(draft.secrets),
    systemPackages: draft.systemPackages.length > 0 ? draft.systemPackages : undefined,
    allowHosts: draft.network === "open" && draft.allowHosts.length > 0 ? draft.allowHosts : undefined,
    dockerfile: draft.dockerfile.trim() ? draft.dockerfile : undefined,
  };
}

/** What of a draft no request could say, so that it would be lost on the way: by the path that the API gives it. */
export function unsayable(draft: Draft): Violation[] {
  const found: Violation[] = [];
  const check = (field: string, text: string, form: RegExp, description: string) => {
    if (text.trim() && !form.test(text.trim())) found.push({ field, description });
  };
  check("spec.timeout", draft.timeoutS, /^-?\d{1,12}(\.\d*)?$|^\.\d+$/, "must be a number of seconds, such as 90 or 1.5");
  check("spec.resources.cpu", draft.cpu, /^-?\d{1,9}(\.\d*)?$|^\.\d+$/, "must be a number, such as 0.5 or 2");
  check("spec.resources.memory_mib", draft.memoryMib, /^-?\d{1,9}$/, "must be a whole number of MiB, such as 512");
  for (const [field, all] of [["spec.labels", draft.labels], ["spec.env", draft.env], ["spec.secret_refs", draft.secrets]] as const) {
    const names = all.map((pair) => pair.name.trim());
    names.forEach((name, at) => {
      if (!name && all[at]?.value) found.push({ field: `${field}[${at}]`, description: "has a value and no name" });
      if (name && names.indexOf(name) !== at) found.push({ field: `${field}[${at}]`, description: `has the name ${name}, as a line above` });
    });
  }
  return found;
}

/** An older test as a draft: everything it was handed in with. */
export function fromTest(test: Test): Draft {
  const spec = test.spec ?? {};
  const digest = spec.project && "digest" in spec.project ? (spec.project.digest ?? "") : "";
  const timeout = parseDuration(spec.timeout);
  return {
    ...EMPTY,
    source: digest ? "files" : "code",
    code: digest ? "" : (spec.agentCode ?? ""),
    projectDigest: digest,
    projectNames: (test.projectFiles ?? []).map((file) => file.path ?? ""),
    agentPath: digest ? (spec.agentPath ?? "") : "",
    inputsDigest: spec.inputs && "digest" in spec.inputs ? (spec.inputs.digest ?? "") : "",
    inputNames: (test.inputFiles ?? []).map((file) => file.path ?? ""),
    withQuery: spec.query !== undefined,
    query: spec.query ?? "",
    requirements: (spec.requirements ?? []).join("\n"),
    name: spec.name ?? "",
    agentName: spec.agentName ?? "",
    agentId: spec.agentId ?? "",
    entrypoint: spec.entrypoint ?? "",
    provider: spec.model?.provider ?? "",
    modelId: spec.model?.modelId ?? "",
    baseUrl: spec.model?.baseUrl ?? "",
    region: spec.model?.region ?? "",
    timeoutS: timeout === undefined ? "" : String(timeout / 1000),
    cpu: spec.resources?.cpu ? String(spec.resources.cpu) : "",
    memoryMib: spec.resources?.memoryMib ? String(spec.resources.memoryMib) : "",
    network: spec.network === "NETWORK_ACCESS_NONE" ? "none" : "open",
    priority: spec.priority === undefined ? "" : String(spec.priority),
    strictAnswer: spec.strictAnswer ?? false,
    labels: fromPairs(spec.labels),
    env: fromPairs(spec.env),
    secrets: fromPairs(spec.secretRefs),
    systemPackages: spec.systemPackages ?? [],
    allowHosts: spec.allowHosts ?? [],
    dockerfile: spec.dockerfile ?? "",
  };
}

/** Fields of the form, by the path that the API gives them. The longest that fits a violation counts. */
const FIELDS: Record<string, string> = {
  "spec.agent_code": "code",
  "spec.project": "files",
  "spec.agent_path": "agentPath",
  "spec.inputs": "inputs",
  "spec.requirements": "requirements",
  "spec.query": "query",
  "spec.name": "name",
  "spec.agent_name": "agentName",
  "spec.agent_id": "agentId",
  "spec.entrypoint": "entrypoint",
  "spec.model": "provider",
  "spec.model.provider": "provider",
  "spec.model.model_id": "modelId",
  "spec.model.base_url": "baseUrl",
  "spec.model.region": "region",
  "spec.timeout": "timeoutS",
  "spec.resources": "cpu",
  "spec.resources.cpu": "cpu",
  "spec.resources.memory_mib": "memoryMib",
  "spec.priority": "priority",
  "spec.network": "network",
  "spec.labels": "labels",
  "spec.env": "env",
  "spec.secret_refs": "secrets",
  "spec.system_packages": "systemPackages",
  "spec.allow_hosts": "allowHosts",
  "spec.dockerfile": "dockerfile",
};

export type FieldErrors = Partial<Record<string, string>>;

/** Errors by field of the form; "" has what belongs to none. */
export function errorsOf(violations: Violation[]): FieldErrors {
  const errors: FieldErrors = {};
  for (const { field, description } of violations) {
    const path = Object.keys(FIELDS)
      .filter((one) => field === one || field.startsWith(`${one}.`) || field.startsWith(`${one}[`))
      .sort((a, b) => b.length - a.length)[0];
    const name = path ? (FIELDS[path] ?? "") : "";
    const rest = path ? field.slice(path.length).replace(/^\./, "") : field;
    const line = /^\[(\d+)\]$/.exec(rest)?.[1];
    const where = line ? `line ${Number(line) + 1}` : rest.replace(/^\["?|"?\]$/g, "");
    // The API leaves out the subject: it names the field. Below the field that is half a sentence.
    const text = where ? `${where}: ${description}` : path ? description.replace(/^(is|has|must|may|can|cannot|needs|does)\b/, "This $1") : description;
    errors[name] = errors[name] ? `${errors[name]}\n${text}` : text;
  }
  return errors;
}

const SETTINGS = new Set(["name", "agentName", "agentId", "entrypoint", "timeoutS", "cpu", "memoryMib", "priority", "network", "labels", "systemPackages", "allowHosts", "dockerfile"]);
const MODEL = new Set(["provider", "modelId", "baseUrl", "region", "env", "secrets"]);

/** Which folded parts of the form hold an error or something filled in, so that they are open. */
export function openParts(draft: Draft, errors: FieldErrors): string[] {
  const differs = (fields: Set<string>) =>
    [...fields].some((field) => errors[field] || JSON.stringify(draft[field as keyof Draft]) !== JSON.stringify(EMPTY[field as keyof Draft]));
  return [...(differs(MODEL) ? ["model"] : []), ...(differs(SETTINGS) ? ["settings"] : []), ...(draft.inputs.length + draft.inputNames.length > 0 || errors.inputs ? ["inputs"] : [])];
}

/** A draft for the memory of the tab: neither files nor values of variables. */
export function toMemory(draft: Draft): string {
  return JSON.stringify({ ...draft, files: [], inputs: [], env: draft.env.map(({ name }) => ({ name, value: "" })) });
}

/** A draft from the memory of the tab; `start` where there is none, or it is of no use. Values of variables are `start`'s. */
export function fromMemory(text: string | null, start: Draft): Draft {
  if (!text) return start;
  try {
    const found = JSON.parse(text) as Partial<Draft> | null;
    if (typeof found !== "object" || found === null) return start;
    const values = new Map(start.env.map(({ name, value }) => [name, value]));
    const env = (found.env ?? []).map(({ name }) => ({ name, value: values.get(name) ?? "" }));
    return { ...start, ...found, env, files: [], inputs: [] };
  } catch {
    return start;
  }
}
