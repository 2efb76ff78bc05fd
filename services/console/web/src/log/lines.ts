// What a line of output and a filter are for the viewer, and how levels and streams are called. No state, no requests.
import type { LogLevel, LogLine, LogStream, PartialLine } from "../api/types";

/** One stored line. `seq` as a number: it stays far below 2^53. */
export interface Line {
  readonly seq: number;
  readonly time: string;
  readonly stream: LogStream;
  readonly level: LogLevel;
  readonly text: string;
  /** The next piece of the line before it, which was longer than 16 KiB. */
  readonly continued: boolean;
}

/** Which lines are shown. Empty fields: all. */
export interface LogFilter {
  readonly minLevel?: LogLevel;
  readonly streams?: readonly LogStream[];
  readonly text?: string;
  readonly matchCase?: boolean;
}

/** Lines in a page of the view: the step of the search whose marks the pages begin at. */
export const PAGE = 500;

const ATTEMPT_LINES = 1_000_000;

/** Attempt n begins at (n - 1) * 1,000,000 + 1. */
export const attemptOf = (seq: number): number => Math.floor((seq - 1) / ATTEMPT_LINES) + 1;

const firstOf = (attempt: number): number => (attempt - 1) * ATTEMPT_LINES + 1;

export function lineOf(json: LogLine): Line {
  return {
    seq: Number(json.seq ?? 0),
    time: json.time ?? "",
    stream: json.stream ?? "LOG_STREAM_UNSPECIFIED",
    level: json.level ?? "LOG_LEVEL_UNSPECIFIED",
    text: json.text ?? "",
    continued: json.continued ?? false,
  };
}

/** A line that has not ended, as a row: it has no number (0). */
export function partialOf(json: PartialLine): Line {
  return lineOf({ time: json.time, stream: json.stream, level: json.level, text: json.text });
}

const ORDER: LogLevel[] = ["LOG_LEVEL_UNSPECIFIED", "LOG_LEVEL_DEBUG", "LOG_LEVEL_INFO", "LOG_LEVEL_WARNING", "LOG_LEVEL_ERROR", "LOG_LEVEL_CRITICAL"];

export const isError = (level: LogLevel): boolean => ORDER.indexOf(level) >= 4;

/** Class and word of a level; ordinary output has neither. */
export const LEVELS: Record<string, { name: string; word: string }> = {
  LOG_LEVEL_DEBUG: { name: "debug", word: "debug" },
  LOG_LEVEL_WARNING: { name: "warning", word: "warn" },
  LOG_LEVEL_ERROR: { name: "error", word: "error" },
  LOG_LEVEL_CRITICAL: { name: "error", word: "fatal" },
};

/** How a stream is called in a row; standard output goes without saying. */
export const STREAMS: Record<string, { word: string; label: string }> = {
  LOG_STREAM_STDOUT: { word: "", label: "Standard output" },
  LOG_STREAM_STDERR: { word: "stderr", label: "Standard error" },
  LOG_STREAM_BUILD: { word: "build", label: "Installer" },
  LOG_STREAM_SYSTEM: { word: "assay", label: "Assay" },
};

/** What stands between two lines that follow each other in the view: a new attempt, or lines that are missing. */
export function dividerBefore(previous: Line | undefined, line: Line, filtered: boolean): string {
  const attempt = attemptOf(line.seq);
  const before = previous ? attemptOf(previous.seq) : 1;
  if (attempt !== before && (previous || attempt > 1)) return `attempt ${attempt}`;
  if (filtered || !previous || line.seq === previous.seq + 1) return "";
  return `${rangeWords(Math.max(previous.seq + 1, firstOf(attempt)), line.seq - 1)} missing`;
}

/** "line 7 is" or "lines 7 to 9 are". */
export function rangeWords(first: number, last: number): string {
  const show = (seq: number) => seq.toLocaleString("en-US");
  return first === last ? `line ${show(first)} is` : `lines ${show(first)} to ${show(last)} are`;
}

/** A filter as the request fields of SearchLogs, GetLogs and a feed. */
export function filterFields(filter: LogFilter) {
  return {
    ...(filter.minLevel ? { minLevel: filter.minLevel } : {}),
    ...(filter.streams?.length ? { streams: [...filter.streams] } : {}),
    ...(filter.text ? { text: filter.text } : {}),
    ...(filter.text && filter.matchCase ? { matchCase: true } : {}),
  };
}

export const isFiltered = (filter: LogFilter): boolean => Object.keys(filterFields(filter)).length > 0;

/** Address under which the console gives the lines of a filter as a file. `colors`: of a text, with its ANSI escapes. */
export function downloadPath(testId: string, kind: "txt" | "jsonl", filter: LogFilter = {}, colors = false): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filterFields(filter))) {
    if (Array.isArray(value)) for (const one of value) query.append(name, one);
    else query.set(name, String(value));
  }
  if (colors) query.set("colors", "true");
  const text = query.toString();
  return `/logs/${encodeURIComponent(testId)}.${kind}${text ? `?${text}` : ""}`;
}

/** Lines that an address marks: "12" or "12-40", in order. Null: none. */
export function parseRange(text: string | undefined): { first: number; last: number } | null {
  const found = /^\s*(\d{1,15})(?:\s*[-–]\s*(\d{1,15}))?\s*$/.exec(text ?? "");
  if (!found) return null;
  const a = Number(found[1]);
  const b = Number(found[2] ?? found[1]);
  return a < 1 || b < 1 ? null : { first: Math.min(a, b), last: Math.max(a, b) };
}

export const formatRange = (first: number, last: number): string => (first === last ? `${first}` : `${first}-${last}`);
