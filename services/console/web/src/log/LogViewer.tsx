// The log of a test: all of it from the first line, live while it is written. Puts together what the other modules own.
import { Button, Group, useComputedColorScheme } from "@mantine/core";
import { useDebouncedValue, useLocalStorage } from "@mantine/hooks";
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore, type ReactNode } from "react";
import { useFeed } from "../api/events";
import type { TestState } from "../api/types";
import { CopyButton } from "../components/CopyButton";
import { ErrorBox, Loading } from "../components/feedback";
import { hasEnded } from "../components/states";
import { formatCount } from "../components/numbers";
import { useTimes } from "../time/times";
import { linesAsText, MOST_LINES } from "./copy";
import { useKeys } from "./keys";
import { filterFields, formatRange, isFiltered, parseRange } from "./lines";
import "./log.css";
import { matcherOf } from "./match";
import { Nothing } from "./Nothing";
import { readerOf } from "./pages";
import { Rows } from "./Rows";
import { filterOf, SHOW_ALL, type Show } from "./show";
import { stampName } from "./stamps";
import { StatusBar } from "./StatusBar";
import { LogStore } from "./store";
import { Toolbar } from "./Toolbar";
import { useFind } from "./useFind";
import { useLostSelection } from "./selection";
import { useStart } from "./useStart";
import { Viewport } from "./viewport";

/** Height of a line that is not wrapped; log.css says the same. */
const ROW_PX = 18;
const TYPING_MS = 250;

export interface LogViewerProps {
  testId: string;
  testState: TestState | undefined;
  /** "12" or "12-40": lines that are opened and marked. */
  line?: string | undefined;
  /** Told which lines are marked; undefined: none. */
  onLine?: (line: string | undefined) => void;
  /** Fills the page. */
  full?: boolean;
  /** What is searched and shown at first; `onShow` is told what it is later, for the page's address. */
  show?: Show;
  onShow?: (show: Show) => void;
  /** More tools of the page around. */
  tools?: ReactNode;
}

export function LogViewer({ testId, testState, line, onLine, full = false, show: given, onShow, tools }: LogViewerProps) {
  // The address follows what is typed and not the other way: it would be a letter behind.
  const [show, setShow] = useState(given ?? SHOW_ALL);
  const change = useCallback((part: Partial<Show>) => setShow((before) => ({ ...before, ...part })), []);
  const [settledShow] = useDebouncedValue(show, TYPING_MS);
  const tell = useRef(onShow);
  const tellLine = useRef(onLine);
  useEffect(() => {
    tell.current = onShow;
    tellLine.current = onLine;
  });
  const told = useRef(settledShow);
  useEffect(() => {
    if (told.current !== settledShow) tell.current?.(settledShow);
    told.current = settledShow;
  }, [settledShow]);
  const { only, matchCase, minLevel, streams } = show;
  const { text } = settledShow;
  const filterKey = JSON.stringify(filterFields(filterOf({ text, only, matchCase, minLevel, streams })));
  const matcher = useMemo(() => matcherOf(text, matchCase), [text, matchCase]);

  const store = useMemo(() => new LogStore(testId, JSON.parse(filterKey)), [testId, filterKey]);
  const ended = hasEnded(testState);
  // Where the reader is, carried over from one filter to the next.
  const place = useRef<{ seq: number; following: boolean }>({ seq: 0, following: !ended && !line });
  const settled = useRef<LogStore | null>(null);
  const viewport = useMemo(() => new Viewport(ROW_PX, false), [store]); // eslint-disable-line react-hooks/exhaustive-deps -- one for each view
  const view = useSyncExternalStore(store.subscribe, () => store.view);

  useEffect(() => {
    store.open();
    return () => store.close();
  }, [store]);
  useEffect(() => {
    const note = () => {
      const seq = store.lineAt(viewport.top)?.seq ?? 0;
      if (settled.current === store && seq > 0) place.current = { seq, following: viewport.range.following };
    };
    return viewport.subscribe(note);
  }, [store, viewport]);
  useFeed(view.ready && !view.complete ? { kind: "log", testId, fromSeq: String(view.feedFrom), ...filterFields(store.filter) } : null, (message) => store.take(message));

  const asked = useRef(0);
  const box = useRef<HTMLElement | null>(null);
  const go = useCallback(
    async (seq: number): Promise<boolean> => {
      const turn = ++asked.current;
      const index = await store.indexOf(seq);
      // A place that takes long to be found must not undo one that was asked for later.
      if (turn === asked.current) {
        viewport.reveal(index);
        // A place at the end of the list may lie below the window's edge.
        box.current?.scrollIntoView?.({ block: "nearest" });
      }
      return store.lineAt(index)?.seq === seq;
    },
    [store, viewport],
  );
  const [note, setNote] = useState("");
  const [failed, setFailed] = useState<unknown>(null);
  const goTo = useCallback((seq: number) => void go(seq).catch(setFailed), [go]);
  const marked = useMemo(() => parseRange(line), [line]);
  const opened = useRef("");
  useEffect(() => {
    if (!view.ready || view.count === 0) return;
    const key = `${line ?? ""} ${filterKey}`;
    if (opened.current === key) return;
    const first = opened.current === "";
    const sameLine = opened.current.startsWith(`${line ?? ""} `);
    opened.current = key;
    settled.current = store;
    const { seq, following } = place.current;
    if (marked && !sameLine) {
      go(marked.first)
        .then((isThere) => setNote(isThere ? "" : isFiltered(store.filter) ? `Line ${marked.first} is not among those shown.` : `There is no line ${marked.first} yet.`))
        .catch(setFailed);
    } else if (following && (first || !sameLine || !marked)) viewport.showEnd();
    else if (!first && seq > 0) goTo(seq);
  }, [view.ready, view.count, line, marked, filterKey, go, goTo, store, viewport]);

  const find = useFind(store, matcher, () => store.lineAt(viewport.top)?.seq ?? 1, goTo);
  const [wrap, setWrap] = useLocalStorage({ key: "assay-log-wrap", defaultValue: false, getInitialValueInEffect: false });
  const [stamps, setStamps] = useLocalStorage({ key: "assay-log-times", defaultValue: false, getInitialValueInEffect: false });
  const { style } = useTimes();
  const scheme = useComputedColorScheme("light", { getInitialValueInEffect: false });
  const start = useStart(testId, stamps && style === "relative" && view.count > 0);

  const searchBox = useRef<HTMLInputElement>(null);
  const firstError = useCallback(() => {
    if (store.view.firstErrorSeq > 0) goTo(store.view.firstErrorSeq);
  }, [store, goTo]);
  const mark = useCallback((first: number, last: number) => tellLine.current?.(formatRange(first, last)), []);
  useKeys({
    search: () => {
      searchBox.current?.focus();
      searchBox.current?.select();
    },
    next: () => find.step(1),
    previous: () => find.step(-1),
    firstError,
    first: () => viewport.show(0, false),
    last: () => viewport.showEnd(),
    wrap: () => setWrap(!wrap),
    times: () => setStamps(!stamps),
  });
  const onNumber = useCallback(
    (seq: number, extend: boolean) => {
      const from = extend && marked ? marked.first : seq;
      tellLine.current?.(!extend && marked?.first === seq && marked.last === seq ? undefined : formatRange(Math.min(from, seq), Math.max(from, seq)));
    },
    [marked],
  );
  const lostSelection = useLostSelection();
  const copy = useCallback(
    async ({ first, last }: { first: number; last: number }) => {
      try {
        const copied = await linesAsText(readerOf(testId, store.filter), first, last, new AbortController().signal);
        await navigator.clipboard.writeText(copied);
        setNote(last - first >= MOST_LINES ? `At most ${formatCount(MOST_LINES)} lines were copied; download the log for more.` : "Copied.");
      } catch (error) {
        setFailed(error);
      }
    },
    [store, testId],
  );
  const onCopy = useCallback(
    (event: ClipboardEvent) => {
      // What is selected as text the browser copies by itself, without what may not be selected: numbers and times.
      const lines = lostSelection() ?? (document.getSelection()?.isCollapsed ? marked : null);
      if (!lines) return;
      event.preventDefault();
      void copy(lines);
    },
    [marked, copy, lostSelection],
  );

  const rows = view.count + view.partials.length;
  const problem = failed ?? view.error ?? null;
  return (
    <section className={`log${full ? " log-full" : ""}`} aria-label="Log" ref={(section) => {
        box.current = section;
        section?.style.setProperty("--log-digits", String(String(Math.max(view.lastSeq, 999)).length));
      }}>
      <Toolbar
        testId={testId}
        show={show}
        onShow={change}
        filter={store.filter}
        find={find}
        searchBox={searchBox}
        hasError={view.firstErrorSeq > 0}
        onFirstError={firstError}
        onLine={mark}
        wrap={wrap}
        onWrap={setWrap}
        times={stamps}
        timesName={stampName(style)}
        onTimes={setStamps}
        tools={tools}
      />
      {problem !== null && (
        <ErrorBox
          error={problem}
          title="The log could not be read"
          onRetry={() => {
            setFailed(null);
            store.retry();
          }}
        />
      )}
      {!view.ready && problem === null && <Loading label="Reading the log" />}
      {view.ready && rows === 0 && <Nothing filtered={isFiltered(store.filter)} complete={view.complete !== null} ended={ended} onAll={() => setShow(SHOW_ALL)} />}
      {view.ready && rows > 0 && (
        <Rows
          key={filterKey}
          store={store}
          viewport={viewport}
          scheme={scheme}
          wrap={wrap}
          times={stamps ? style : null}
          start={start}
          matcher={matcher}
          currentSeq={find.match?.seq ?? 0}
          marked={marked}
          onNumber={onNumber}
          onCopy={onCopy}
        />
      )}
      <Group justify="space-between">
        <StatusBar view={view} filtered={isFiltered(store.filter)} live={!ended} note={note} />
        {marked && (
          <Group gap="xs">
            <Button size="xs" variant="default" onClick={() => void copy(marked)}>
              Copy {marked.first === marked.last ? `line ${marked.first}` : `lines ${formatRange(marked.first, marked.last)}`}
            </Button>
            <CopyButton text={location.href} size="xs" label="Copy link" />
            <Button size="xs" variant="default" onClick={() => onLine?.(undefined)}>
              Unmark
            </Button>
          </Group>
        )}
      </Group>
    </section>
  );
}
