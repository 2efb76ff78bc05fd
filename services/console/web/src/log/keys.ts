// The keys of the log, wherever on the page the focus is but in a field. The list of them is in shell/Shortcuts.tsx.
import { useEffect, useRef } from "react";
import { isTyping } from "../components/typing";

export interface LogKeys {
  search: () => void;
  next: () => void;
  previous: () => void;
  firstError: () => void;
  first: () => void;
  last: () => void;
  wrap: () => void;
  times: () => void;
}

/** "g" and another key within this time belong together; "g" with most letters goes to a page. */
const TOGETHER_MS = 1500;

const BY_KEY: Record<string, keyof LogKeys> = { "/": "search", n: "next", N: "previous", e: "firstError", G: "last", w: "wrap", t: "times" };

export function useKeys(keys: LogKeys): void {
  const latest = useRef(keys);
  useEffect(() => {
    latest.current = keys;
  });
  useEffect(() => {
    let waiting = -Infinity;
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (isTyping(event.target)) return;
      if (document.querySelector('[role="dialog"], [role="menu"]')) return;
      const second = event.timeStamp - waiting < TOGETHER_MS;
      waiting = event.key === "g" && !second ? event.timeStamp : -Infinity;
      const action = second ? (event.key === "g" ? "first" : undefined) : BY_KEY[event.key];
      if (!action) return;
      event.preventDefault();
      latest.current[action]();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}
