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
  const latest = useRef({ topSeq, go, match: state.match });
  useEffect(() => {
    latest.current = { topSeq, go, match: state.match };
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
      setState(NOTHING);
    };
  }, [store, matcher]);

  /** To the match `by` further on (1) or back (-1). */
  const step = useCallback((by: 1 | -1) => {
    const one = find.current;
    if (!one) return;
    const { match: at, topSeq: top } = latest.current;
    (at ? one.at(at.index + by) : one.from(top()))
      .then((match) => {
        if (find.current !== one || !match) return;
        setState((now) => ({ ...now, match }));
        latest.current.go(match.seq);
      })
      .catch((error: unknown) => setState((now) => ({ ...now, error })));
  }, []);
  return useMemo(() => ({ ...state, step }), [state, step]);
}
