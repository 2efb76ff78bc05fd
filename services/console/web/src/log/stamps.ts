// Times of lines, short enough to stand before each: of the day in local time or UTC, or since the first line.
import type { TimeStyle } from "../time/times";

const two = (value: number): string => String(value).padStart(2, "0");
const three = (value: number): string => String(value).padStart(3, "0");

/** "14:03:12.345", or "+12.345" since `start` in milliseconds. Empty where the time is not known. */
export function stamp(time: string, style: TimeStyle, start: number): string {
  const at = Date.parse(time);
  if (!Number.isFinite(at)) return "";
  if (style === "relative") return Number.isFinite(start) ? since(at - start) : "";
  const date = new Date(at);
  return style === "utc"
    ? date.toISOString().slice(11, 23)
    : `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${three(date.getMilliseconds())}`;
}

function since(ms: number): string {
  const whole = Math.max(0, Math.round(ms));
  const seconds = Math.floor(whole / 1000);
  const tail = `${two(seconds % 60)}.${three(whole % 1000)}`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `+${two(minutes)}:${tail}` : `+${Math.floor(minutes / 60)}:${two(minutes % 60)}:${tail}`;
}

/** What the times of the log are, for the switch. */
export function stampName(style: TimeStyle): string {
  return { local: "local", utc: "UTC", relative: "since the start" }[style];
}
