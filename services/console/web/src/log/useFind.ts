// The search of a log as the page has it: runs when the words change, grows with the log, and knows where the reader is.
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { askerOf, Find, type Match } from "./find";
import type { Matcher } from "./match";
import type { LogStore } from "./store";

export interface FindState {
  /** Matching lines; null while it is looked for the first time, or where nothing is looked for. */
  readonly count: number | null;
  readonly match: Match | null;
  readonly error: unknown;
}

const NOTHING: FindState = { count: null, match: null, error: null };

/** `topSeq`: the line at which a new search begins. `go`: takes the reader to a line. */
export function useFind(store: LogStore, matcher: Matcher | null, topSeq: () => number, go: (seq: number) => void) {
  const [state, setState] = useState<FindState>(NOTHING);
  const find = useRef<Find | null>(null);
  // Where the reader is, known before it is drawn: keys may come faster than that.
  const here = useRef<Match | null>(null);
  const walk = useRef<Promise<void>>(Promise.resolve());
  const latest = useRef({ topSeq, go });
  useEffect(() => {
    latest.current = { topSeq, go };
  });

  useEffect(() => {
    if (!matcher) return undefined;
    const controller = new AbortController();
    const one = new Find(askerOf(store.testId, store.filter, matcher, controller.signal), matcher);
    const stopLines = store.onLines((lines) => {
      if (one.grow(lines) && find.current === one) setState((before) => ({ ...before, count: one.count }));
    });
    one
      .run()
      .then(async () => {
        const match = await one.from(latest.current.topSeq());
        if (controller.signal.aborted) return;
        find.current = one;
        here.current = match;
        setState({ count: one.count, match, error: null });
        if (match) latest.current.go(match.seq);
      })
      .catch((error: unknown) => {
        if (!controller.signal.aborted) setState({ ...NOTHING, error });
      });
    return () => {
      controller.abort();
      stopLines();
      find.current = null;
      here.current = null;
      setState(NOTHING);
    };
  }, [store, matcher]);

  /** To the match `by` further on (1) or back (-1). Each step begins where the one before it ended, so every key counts. */
  const step = useCallback((by: 1 | -1) => {
    const one = find.current;
    if (!one) return;
    walk.current = walk.current.then(async () => {
      try {
        if (find.current !== one) return;
        const match = await (here.current ? one.at(here.current.index + by) : one.from(latest.current.topSeq()));
        if (find.current !== one || !match) return;
        here.current = match;
        setState((now) => ({ ...now, match }));
        latest.current.go(match.seq);
      } catch (error) {
        if (find.current === one) setState((now) => ({ ...now, error }));
      }
    });
  }, []);
  return useMemo(() => ({ ...state, step }), [state, step]);
}
