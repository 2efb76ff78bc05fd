// Points in time as the reader wants them: local, UTC or relative, by one switch. The clock of the server counts for
// "ago", since that of the browser may be hours off.
import { useLocalStorage } from "@mantine/hooks";
import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import { formatAge, formatAhead } from "./durations";

export type TimeStyle = "local" | "utc" | "relative";

interface Times {
  style: TimeStyle;
  setStyle: (style: TimeStyle) => void;
  /** The time of the server now, in milliseconds since 1970. */
  now: () => number;
}

const TimesContext = createContext<Times>({ style: "local", setStyle: () => undefined, now: () => Date.now() });

export const useTimes = (): Times => useContext(TimesContext);

export function TimesProvider({ skewMs = 0, children }: { skewMs?: number; children: ReactNode }) {
  const [style, setStyle] = useLocalStorage<TimeStyle>({ key: "assay-times", defaultValue: "relative", getInitialValueInEffect: false });
  const times = useMemo(() => ({ style, setStyle, now: () => Date.now() + skewMs }), [style, setStyle, skewMs]);
  return <TimesContext.Provider value={times}>{children}</TimesContext.Provider>;
}

/** Renders again every `everyMs` while `active`, and gives the server's time. */
export function useNow(everyMs = 1000, active = true): number {
  const { now } = useTimes();
  const [value, setValue] = useState(now);
  const [ticks, setTicks] = useState(active);
  if (ticks !== active) {
    setTicks(active);
    if (active) setValue(now()); // it has stood still, maybe for long
  }
  useEffect(() => {
    if (!active) return undefined;
    const timer = setInterval(() => setValue(now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs, active, now]);
  return value;
}

function exact(at: number, utc: boolean): string {
  const format = new Intl.DateTimeFormat("en-GB", {
    year: "numeric",
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZoneName: "short",
    ...(utc ? { timeZone: "UTC" } : {}),
  });
  return format.format(at);
}

/** In words for the switch: "5 s ago", or with its zone. */
export function formatTime(at: number, style: TimeStyle, now: number): string {
  if (style !== "relative") return exact(at, style === "utc");
  const ms = now - at;
  if (Math.abs(ms) < 1000) return "just now";
  return ms > 0 ? `${formatAge(ms)} ago` : `in ${formatAhead(-ms)}`;
}

/** A point in time. What the switch does not show is in its title. `value`: RFC 3339 text of the API. */
export function Time({ value, fallback = "–" }: { value: string | undefined; fallback?: string }) {
  const { style } = useTimes();
  const at = value === undefined ? Number.NaN : Date.parse(value);
  const now = useNow(style === "relative" ? 1000 : 60_000, style === "relative");
  if (!Number.isFinite(at)) return <span>{fallback}</span>;
  return (
    <time dateTime={value} title={`${exact(at, false)}\n${exact(at, true)}`}>
      {formatTime(at, style, now)}
    </time>
  );
}
