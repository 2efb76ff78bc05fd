// The list of lines: draws the rows that are seen, follows what the reader does to the list, and says how many lines came
// below. Which rows those are is the viewport's business.
import { Button } from "@mantine/core";
import { useCallback, useEffect, useLayoutEffect, useRef, useState, useSyncExternalStore, type KeyboardEvent } from "react";
import { ChevronDownIcon } from "../components/icons";
import { formatCount } from "../components/numbers";
import type { TimeStyle } from "../time/times";
import type { Scheme } from "./colors";
import { dividerBefore, isFiltered, type Line } from "./lines";
import type { Matcher } from "./match";
import { Row } from "./Row";
import type { LogStore } from "./store";
import type { Viewport } from "./viewport";

interface RowsProps {
  store: LogStore;
  viewport: Viewport;
  scheme: Scheme;
  wrap: boolean;
  times: TimeStyle | null;
  start: number;
  matcher: Matcher | null;
  currentSeq: number;
  marked: { first: number; last: number } | null;
  onNumber: (seq: number, extend: boolean) => void;
  onCopy: (event: ClipboardEvent) => void;
}

const UP = new Set(["ArrowUp", "PageUp", "Home"]);

export function Rows({ store, viewport, scheme, wrap, times, start, matcher, currentSeq, marked, onNumber, onCopy }: RowsProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const sizer = useRef<HTMLDivElement>(null);
  const block = useRef<HTMLDivElement>(null);
  const view = useSyncExternalStore(store.subscribe, () => store.view);
  const range = useSyncExternalStore(viewport.subscribe, () => viewport.range);
  const [unfolded, setUnfolded] = useState<ReadonlySet<number>>(new Set());
  const unfold = useCallback((seq: number) => setUnfolded((before) => new Set(before).add(seq)), []);
  const rows = view.count + view.partials.length;

  useLayoutEffect(() => {
    const [box, size, inner] = [scroller.current!, sizer.current!, block.current!];
    const detach = viewport.attach(box, (top, height) => {
      size.style.height = `${height}px`;
      inner.style.transform = `translateY(${top}px)`;
    });
    const observer = new ResizeObserver(() => viewport.resized());
    observer.observe(box);
    // Rows that are drawn later must not make the list narrower under somebody who reads to the right.
    const widths = new ResizeObserver(() => {
      if (inner.offsetWidth > (Number.parseFloat(size.style.minWidth) || 0)) size.style.minWidth = `${inner.offsetWidth}px`;
    });
    if (wrap) size.style.minWidth = "";
    else widths.observe(inner);
    return () => {
      observer.disconnect();
      widths.disconnect();
      detach();
    };
  }, [viewport, wrap]);
  // Before anything is drawn for lines that have come: to ask for the place afterwards costs a layout.
  useEffect(() => store.subscribe(() => viewport.scrolled()), [store, viewport]);
  useLayoutEffect(() => viewport.setCount(rows), [viewport, rows]);
  const wrapped = useRef(wrap);
  useLayoutEffect(() => {
    if (wrapped.current === wrap) return;
    wrapped.current = wrap;
    viewport.forgetHeights();
  }, [viewport, wrap]);
  useLayoutEffect(() => {
    // What is neither wrapped nor below a divider is as tall as all the others.
    const heights: [number, number][] = [];
    const tall = wrap ? block.current!.children : block.current!.querySelectorAll(".log-divided");
    for (const row of tall as Iterable<HTMLElement>) heights.push([Number(row.dataset.index), row.offsetHeight]);
    viewport.measured(heights);
  });
  useEffect(() => store.want(range.first, range.end), [store, range.first, range.end, view.count]);
  useEffect(() => {
    const box = scroller.current!;
    const onWheel = (event: WheelEvent) => {
      if (event.deltaY < 0) viewport.leaveEnd();
    };
    box.addEventListener("wheel", onWheel, { passive: true });
    return () => box.removeEventListener("wheel", onWheel);
  }, [viewport]);
  useEffect(() => {
    const box = scroller.current!;
    box.addEventListener("copy", onCopy);
    return () => box.removeEventListener("copy", onCopy);
  }, [onCopy]);

  const filtered = isFiltered(store.filter);
  const drawn = [];
  let previous: Line | undefined = range.first > 0 ? store.lineAt(range.first - 1) : undefined;
  for (let index = range.first; index < Math.min(range.end, rows); index++) {
    const line = store.lineAt(index);
    drawn.push(
      <Row
        key={index}
        index={index}
        line={line}
        divider={line && line.seq > 0 && (previous || index === 0) ? dividerBefore(previous, line, filtered) : ""}
        scheme={scheme}
        matcher={matcher}
        isCurrent={line !== undefined && line.seq > 0 && line.seq === currentSeq}
        isMarked={line !== undefined && marked !== null && line.seq >= marked.first && line.seq <= marked.last}
        unfolded={line !== undefined && unfolded.has(line.seq)}
        times={times}
        start={start}
        onNumber={onNumber}
        onUnfold={unfold}
      />,
    );
    previous = line;
  }
  const fresh = range.following ? 0 : view.count - range.seen;
  const onKeyDown = (event: KeyboardEvent) => {
    if (UP.has(event.key)) viewport.leaveEnd();
  };
  return (
    <div className="log-frame">
      {/* No live region: thousands of lines would be read out. The state of the log is told below it. */}
      <div ref={scroller} className={`log-scroll${wrap ? " log-wrap" : ""}`} role="region" aria-label="Lines of the log" tabIndex={0} onScroll={() => viewport.scrolled()} onKeyDown={onKeyDown}>
        <div ref={sizer} className="log-sizer">
          <div ref={block} className="log-block">
            {drawn}
          </div>
        </div>
      </div>
      {fresh > 0 && (
        <Button className="log-fresh" size="xs" leftSection={<ChevronDownIcon width={14} aria-hidden />} onClick={() => viewport.showEnd()}>
          {formatCount(fresh)} new {fresh === 1 ? "line" : "lines"}
        </Button>
      )}
    </div>
  );
}
