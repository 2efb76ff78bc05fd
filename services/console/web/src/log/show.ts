// What of a log the reader wants to see, and as which words of an address.
import type { LogLevel, LogStream } from "../api/types";
import { STREAMS, type LogFilter } from "./lines";

export interface Show {
  readonly text: string;
  readonly matchCase: boolean;
  /** Only lines with the text; else they are marked among the others. */
  readonly only: boolean;
  readonly minLevel: LogLevel | undefined;
  readonly streams: readonly LogStream[];
}

export const SHOW_ALL: Show = { text: "", matchCase: false, only: false, minLevel: undefined, streams: [] };

/** The words of an address that belong to the log. */
export interface LogSearch {
  find?: string;
  case?: boolean;
  only?: boolean;
  level?: string;
  streams?: string[];
}

const FILTER_LEVELS = ["INFO", "WARNING", "ERROR"];

/** What of an address is understood. */
export function logSearch(search: Record<string, unknown>): LogSearch {
  const streams = (Array.isArray(search.streams) ? search.streams : []).filter((one) => typeof one === "string" && Object.hasOwn(STREAMS, `LOG_STREAM_${one}`));
  // A router that reads numbers in an address gives a number for the words "42".
  const find = typeof search.find === "number" ? String(search.find) : search.find;
  return {
    ...(typeof find === "string" && find ? { find: find.slice(0, 200) } : {}),
    ...(search.case === true ? { case: true } : {}),
    ...(search.only === true ? { only: true } : {}),
    ...(typeof search.level === "string" && FILTER_LEVELS.includes(search.level) ? { level: search.level } : {}),
    ...(streams.length > 0 ? { streams: streams as string[] } : {}),
  };
}

export function showOf(search: LogSearch): Show {
  return {
    text: search.find ?? "",
    matchCase: search.case ?? false,
    only: search.only ?? false,
    minLevel: search.level ? (`LOG_LEVEL_${search.level}` as LogLevel) : undefined,
    streams: (search.streams ?? []).map((one) => `LOG_STREAM_${one}` as LogStream),
  };
}

/** The other way. What is as always is undefined, so that it leaves the address. */
export function searchOf(show: Show): LogSearch {
  return {
    find: show.text || undefined,
    case: show.matchCase || undefined,
    only: show.only || undefined,
    level: show.minLevel?.replace("LOG_LEVEL_", ""),
    streams: show.streams.length > 0 ? show.streams.map((one) => one.replace("LOG_STREAM_", "")) : undefined,
  };
}

/** Which lines the server is asked for. */
export function filterOf({ text, matchCase, only, minLevel, streams }: Show): LogFilter {
  return { minLevel, streams, ...(only && text ? { text, matchCase } : {}) };
}
