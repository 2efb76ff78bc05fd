// What of the list is seen: which rows to draw and where. Owns the scroll position; knows rows by their index alone.
//
// Why not @tanstack/react-virtual: it builds its table of places again with every count (a log grows many times a second)
// and has no lists taller than an element may be. Rows that are only ever added need less.
//
// The list's own place (`offset`) and that of the scroll bar differ by `shift`: by the scale of a very tall list (scale.ts),
// and by what rows above turned out taller than thought. While somebody scrolls the shift stays, so that nothing jumps and
// no position is written under a moving finger; at rest the bar is put where it belongs.
import { Heights } from "./heights";
import { fromBar, heightFor, toBar } from "./scale";

/** Rows drawn above and below what is seen. */
const OVERSCAN = 15;
/** From this much of scrolling in one step it was the scroll bar that was dragged, or a key to an end. */
const JUMP = 3;
const REST_MS = 150;
/** So near to the end counts as at the end. */
const AT_END_PX = 4;

export interface Range {
  /** First row drawn, and the one after the last. */
  readonly first: number;
  readonly end: number;
  /** Whether the end of the list is followed. */
  readonly following: boolean;
  /** Rows that there were when the end was last followed. */
  readonly seen: number;
}

/** What the viewport needs of the scrolled element. */
export type Scroller = Pick<HTMLElement, "scrollTop" | "clientHeight">;

/** Puts the drawn rows and the height of the scrolled element in place. */
export type Place = (top: number, height: number) => void;

export class Viewport {
  #heights: Heights;
  #scroller: Scroller | null = null;
  #place: Place = () => undefined;
  #offset = 0;
  #bar = 0;
  /** Height of what is seen. Kept, since asking the element for it may make the browser lay out the page once more. */
  #view = 0;
  #range: Range = { first: 0, end: 0, following: false, seen: 0 };
  #listeners = new Set<() => void>();
  #rest: ReturnType<typeof setTimeout> | undefined;
  #moving = false;
  #drawnTop = Number.NaN;
  #drawnHeight = Number.NaN;

  constructor(row: number, following: boolean) {
    this.#heights = new Heights(row);
    this.#range = { ...this.#range, following };
  }

  get range(): Range {
    return this.#range;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  get count(): number {
    return this.#heights.count;
  }

  /** The first row that is seen. */
  get top(): number {
    return this.#heights.indexAt(this.#offset);
  }

  attach(scroller: Scroller, place: Place): () => void {
    this.#scroller = scroller;
    this.#place = place;
    this.#bar = scroller.scrollTop;
    this.#view = scroller.clientHeight;
    this.#drawnTop = this.#drawnHeight = Number.NaN;
    this.#settle();
    return () => {
      clearTimeout(this.#rest);
      this.#scroller = null;
    };
  }

  /** Rows were added. `scrolled` comes first, where the reader may have scrolled since it was called. */
  setCount(count: number): void {
    if (count === this.#heights.count) return;
    this.#heights.count = count;
    this.#settle();
  }

  /** Rows are of another height now (wrapped or not): what was measured does not hold any more. */
  forgetHeights(): void {
    const top = this.top;
    const { count, row } = this.#heights;
    this.#heights = new Heights(row);
    this.#heights.count = count;
    this.#offset = this.#heights.offsetOf(top);
    this.#settle();
  }

  /** The element was scrolled, by whomever. Also to be called before everything else that moves the bar, since the browser
   * tells it late: what the reader did in between would be undone. */
  scrolled(): void {
    const scroller = this.#scroller;
    if (!scroller) return;
    const bar = scroller.scrollTop;
    const moved = bar - this.#bar;
    // One's own writes come back as events; a browser may round them.
    if (Math.abs(moved) < 1) return;
    const view = this.#view;
    const total = this.#heights.total;
    const end = Math.max(0, total - view);
    const barEnd = Math.max(0, heightFor(total) - view);
    this.#bar = bar;
    if (bar <= 0) this.#offset = 0;
    else if (bar >= barEnd - 1) this.#offset = end;
    else if (Math.abs(moved) > JUMP * view) this.#offset = fromBar(bar, total, view);
    else this.#offset = Math.min(Math.max(0, this.#offset + moved), end);
    this.#moving = true;
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => {
      this.scrolled();
      this.#moving = false;
      this.#draw();
    }, REST_MS);
    this.#draw({ following: this.#offset >= end - AT_END_PX });
  }

  /** The reader turned up: the end is not followed from now on, also where the next lines come before the scrolling. */
  leaveEnd(): void {
    if (this.#range.following && this.#heights.total > this.#view) this.#draw({ following: false });
  }

  /** The element's size changed. */
  resized(): void {
    this.scrolled();
    if (this.#scroller) this.#view = this.#scroller.clientHeight;
    this.#settle();
  }

  /** Drawn rows were measured. What is seen stays where it is. */
  measured(rows: readonly (readonly [index: number, height: number])[]): void {
    if (rows.length === 0) return;
    this.scrolled();
    const top = this.top;
    const into = this.#offset - this.#heights.offsetOf(top);
    let grown = false;
    for (const [index, height] of rows) grown = this.#heights.measured(index, height) !== 0 || grown;
    if (!grown) return;
    this.#offset = this.#heights.offsetOf(top) + into;
    this.#settle();
  }

  /** Shows row `index`: at the top, or with `center` in the middle. */
  show(index: number, center = true): void {
    const view = this.#view;
    const at = this.#heights.offsetOf(Math.min(Math.max(index, 0), Math.max(this.count - 1, 0)));
    this.#moving = false;
    this.#offset = at - (center ? (view - this.#heights.row) / 2 : 0);
    this.#range = { ...this.#range, following: false };
    this.#settle();
  }

  /** Shows row `index` where it is not seen; moves no more than it takes. */
  reveal(index: number): void {
    const view = this.#view;
    const at = this.#heights.offsetOf(index);
    if (at < this.#offset || at + 2 * this.#heights.row > this.#offset + view) this.show(index);
    else this.#draw({ following: false });
  }

  showEnd(): void {
    this.#moving = false;
    this.#range = { ...this.#range, following: true };
    this.#settle();
  }

  // The place is brought into what there is, or to the end that is followed.
  #settle(): void {
    const end = Math.max(0, this.#heights.total - this.#view);
    this.#offset = this.#range.following ? end : Math.min(Math.max(0, this.#offset), end);
    this.#draw();
  }

  #draw(change: Partial<Range> = {}): void {
    const scroller = this.#scroller;
    if (!scroller) return;
    const view = this.#view;
    const total = this.#heights.total;
    const following = change.following ?? this.#range.following;
    const first = Math.max(0, this.#heights.indexAt(this.#offset) - OVERSCAN);
    const end = Math.min(this.count, this.#heights.indexAt(this.#offset + view) + 1 + OVERSCAN);
    const bar = this.#moving && !following ? this.#bar : toBar(this.#offset, total, view);
    const height = heightFor(total);
    const top = this.#heights.offsetOf(first) - (this.#offset - bar);
    if (top !== this.#drawnTop || height !== this.#drawnHeight) {
      this.#drawnTop = top;
      this.#drawnHeight = height;
      this.#place(top, height);
    }
    if (Math.abs(bar - this.#bar) >= 1) {
      scroller.scrollTop = bar;
      this.#bar = bar;
    }
    const before = this.#range;
    const seen = following || before.seen === 0 ? this.count : before.seen;
    if (first === before.first && end === before.end && following === before.following && seen === before.seen) return;
    this.#range = { first, end, following, seen };
    for (const listener of this.#listeners) listener();
  }
}
