// Two tests as rows that stand next to each other: pure, from the API's messages.
import type { Test } from "../../../api/types";
import { parseJson, prettyJson, stringAnswer } from "../../../components/json";
import { formatBytes, formatUsd } from "../../../components/numbers";
import { lookOf } from "../../../components/states";
import { formatDuration, parseDuration } from "../../../time/durations";
import { differingVariables, settingsOf } from "../parts/settings";

export interface ComparedRow {
  label: string;
  a: string;
  b: string;
  differs: boolean;
  /** How b stands to a, where both are numbers. */
  change: string;
}

function row(label: string, a: string, b: string, change = ""): ComparedRow {
  return { label, a: a || "–", b: b || "–", differs: a !== b, change };
}

function change(a: number | undefined, b: number | undefined): string {
  if (!a || !b) return "";
  const percent = Math.round((b / a - 1) * 100);
  return percent === 0 ? "" : `${percent > 0 ? "+" : "−"}${Math.abs(percent)} %`;
}

/** Outcome and figures. */
export function numbersOf(a: Test, b: Test): ComparedRow[] {
  const duration = (label: string, field: "queueDuration" | "buildDuration" | "runDuration" | "totalDuration" | "cpuTime") => {
    const [one, other] = [a, b].map((test) => parseDuration(test.result?.metrics?.[field]));
    return row(label, one === undefined ? "" : formatDuration(one), other === undefined ? "" : formatDuration(other), change(one, other));
  };
  const memory = [a, b].map((test) => Number(test.result?.metrics?.peakMemoryBytes ?? 0));
  const tokens = (label: string, field: "inputTokens" | "outputTokens") => {
    const [one, other] = [a, b].map((test) => test.result?.usage?.[field]);
    return row(label, one ?? "", other ?? "", change(Number(one ?? 0), Number(other ?? 0)));
  };
  const cost = [a, b].map((test) => test.cost?.totalUsd);
  const dollars = (usd: (typeof cost)[number]) => (typeof usd === "number" ? formatUsd(usd) : "");
  const numeric = (usd: (typeof cost)[number]) => (typeof usd === "number" ? usd : undefined);
  return [
    row("Outcome", lookOf(a.state, a.failure?.code).label, lookOf(b.state, b.failure?.code).label),
    row("Failure", a.failure?.code ?? "", b.failure?.code ?? ""),
    duration("Waited", "queueDuration"),
    duration("Built", "buildDuration"),
    duration("Ran", "runDuration"),
    duration("In all", "totalDuration"),
    duration("Processor time", "cpuTime"),
    row("Peak memory", memory[0] ? formatBytes(memory[0]) : "", memory[1] ? formatBytes(memory[1]) : "", change(memory[0], memory[1])),
    tokens("Tokens sent", "inputTokens"),
    tokens("Tokens received", "outputTokens"),
    row("Cost", dollars(cost[0]), dollars(cost[1]), change(numeric(cost[0]), numeric(cost[1]))),
    row("Lines of log", a.logs?.lines ?? "", b.logs?.lines ?? "", change(Number(a.logs?.lines ?? 0), Number(b.logs?.lines ?? 0))),
  ].filter((one) => one.a !== "–" || one.b !== "–");
}

/** Settings of both; values of variables are compared and not shown. */
export function settingsRows(a: Test, b: Test): ComparedRow[] {
  const [one, other] = [settingsOf(a.spec ?? {}), settingsOf(b.spec ?? {})];
  const labels = [...new Set([...one, ...other].map((setting) => setting.label))];
  const value = (settings: typeof one, label: string) => settings.find((setting) => setting.label === label)?.value ?? "";
  const rows = labels.map((label) => row(label, value(one, label), value(other, label)));
  const variables = differingVariables(a.spec ?? {}, b.spec ?? {});
  const [envA, envB] = [a.spec?.env ?? {}, b.spec?.env ?? {}];
  const side = (env: Record<string, string>, name: string) => (name in env ? "set, value not shown" : "");
  return [...rows, ...variables.map((name) => ({ ...row(`Variable ${name}`, side(envA, name), side(envB, name)), differs: true }))];
}

/** The answer as lines: text as it is, anything else laid out one value a line. */
export function answerLines(test: Test): string[] {
  const json = test.result?.responseJson ?? "";
  if (!json) return [];
  const text = stringAnswer(json);
  if (text !== null) return text.split("\n");
  const root = parseJson(json);
  return (root ? prettyJson(json, root) : json).split("\n");
}

export const linesOf = (text: string | undefined): string[] => (text ? text.split("\n") : []);
