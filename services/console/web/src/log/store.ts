// The lines of one test that one filter lets through: how many there are, where each of them is, and what comes to them
// while the test runs. A view is made once from SearchLogs and grows by the feed from the line after; nothing between is
// missed. Knows nothing of rows on the screen.
import { ApiError, call } from "../api/call";
import type { FeedMessage } from "../api/events";
import type { LogsComplete } from "../api/types";
import { filterFields, isError, lineOf, PAGE, partialOf, type Line, type LogFilter } from "./lines";
import { matcherOf, type Matcher } from "./match";
import { Pages, readerOf } from "./pages";

export interface View {
  /** False until the first search has answered. */
  readonly ready: boolean;
  /** Lines that the filter lets through. */
  readonly count: number;
  /** The last line that was looked at, through the filter or not. */
  readonly lastSeq: number;
  /** Where the feed begins: the line behind what the search looked at. */
  readonly feedFrom: number;
  readonly firstErrorSeq: number;
  /** Set when the output has ended. */
  readonly complete: LogsComplete | null;
  /** What lines that have not ended say, at most one a stream. */
  readonly partials: readonly Line[];
  /** What could not be read, until it can. */
  readonly error: unknown;
  /** Grows when lines come that a row may show. */
  readonly version: number;
}

const EMPTY: View = { ready: false, count: 0, lastSeq: 0, feedFrom: 1, firstErrorSeq: 0, complete: null, partials: [], error: null, version: 0 };
const AGAIN_MS = 2000;

export class LogStore {
  #view: View = EMPTY;
  #marks: number[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #onLines = new Set<(lines: readonly Line[]) => void>();
  readonly #pages: Pages;
  #stop = new AbortController();
  /** The search under way: what another one still answers counts no more. */
  #searching = 0;
  #again: ReturnType<typeof setTimeout> | undefined;
  #arrived: Line[] = [];
  #partials = new Map<string, Line>();
  /** Behind which line each of them stands. */
  #afters = new Map<string, number>();
  #frame = 0;
  /** What the feed said last that was wrong with it. */
  #feedError: ApiError | null = null;
  /** A line that has not ended may come to have the text that is looked for: the filter of the view counts for it, too. */
  readonly #matcher: Matcher | null;

  constructor(
    readonly testId: string,
    readonly filter: LogFilter,
  ) {
    this.#matcher = matcherOf(filter.text ?? "", filter.matchCase ?? false);
    this.#pages = new Pages(
      readerOf(testId, filter),
      (page) => this.#placeOf(page),
      () => this.#set({ error: null, version: this.#view.version + 1 }),
      (error) => this.#failed(error, () => this.#pages.retry()),
    );
  }

  get view(): View {
    return this.#view;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Tells `listener` the lines that the feed brings from now on. */
  onLines(listener: (lines: readonly Line[]) => void): () => void {
    this.#onLines.add(listener);
    return () => this.#onLines.delete(listener);
  }

  lineAt(index: number): Line | undefined {
    return index < this.#view.count ? this.#pages.lineAt(index) : this.#view.partials[index - this.#view.count];
  }

  want(first: number, end: number): void {
    this.#pages.want(first, Math.min(end, this.#view.count));
  }

  /** Reads how many lines there are. Opened once; closed by `close`, and to be opened again after it. */
  open(): void {
    this.#stop = new AbortController();
    if (!this.#view.ready) void this.#search();
  }

  close(): void {
    this.#stop.abort();
    clearTimeout(this.#again);
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#pages.close();
  }

  retry(): void {
    clearTimeout(this.#again);
    this.#set({ error: null });
    if (this.#view.ready) this.#pages.retry();
    else void this.#search();
  }

  /** Index in the view of line `seq`, or of the first line behind it. Throws ApiError. */
  async indexOf(seq: number): Promise<number> {
    let low = 0;
    let high = this.#marks.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#marks[middle]! <= seq) low = middle;
      else high = middle - 1;
    }
    const lines = await this.#pages.whole(low, this.#stop.signal);
    const within = lines.findIndex((line) => line.seq >= seq);
    return Math.min(low * PAGE + (within < 0 ? lines.length : within), Math.max(0, this.#view.count - 1));
  }

  /** A message of the feed from line `lastSeq + 1` on. Many in one frame are one change. */
  take(message: FeedMessage<"log">): void {
    if (message.kind === "error") {
      if (!message.error.isAway) this.#set({ error: (this.#feedError = message.error) });
      return;
    }
    // The feed was taken up again.
    if (this.#feedError && this.#view.error === this.#feedError) this.#set({ error: null });
    if (message.kind === "end") return;
    const { lines, partialLines, complete } = message.data;
    for (const json of lines ?? []) {
      const line = lineOf(json);
      this.#arrived.push(line);
      this.#partials.delete(line.stream);
    }
    for (const json of partialLines ?? []) {
      const partial = partialOf(json);
      const after = Number(json.afterSeq ?? 0);
      // The filter leaves out what has become of an older one: the feed tells so again after a lost connection.
      if (json.gone && after < (this.#afters.get(partial.stream) ?? 0)) continue;
      this.#afters.set(partial.stream, after);
      if (partial.text && (!this.#matcher || this.#matcher.isIn(partial.text))) this.#partials.set(partial.stream, partial);
      else this.#partials.delete(partial.stream);
    }
    if (complete) this.#partials.clear();
    if (complete) {
      this.#append(complete);
      return;
    }
    this.#frame ||= requestAnimationFrame(() => this.#append(null));
  }

  #append(complete: LogsComplete | null): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    let { count, lastSeq, firstErrorSeq } = this.#view;
    // After a lost connection a line may come twice, never out of order.
    const fresh: Line[] = [];
    for (const line of this.#arrived) {
      if (line.seq <= lastSeq) continue;
      lastSeq = line.seq;
      fresh.push(line);
      if (count % PAGE === 0) this.#marks.push(line.seq);
      this.#pages.put(count++, line);
      if (!firstErrorSeq && isError(line.level)) firstErrorSeq = line.seq;
    }
    this.#arrived = [];
    const { version } = this.#view;
    this.#set({ count, lastSeq, firstErrorSeq, partials: [...this.#partials.values()], version: version + 1, ...(complete ? { complete } : {}) });
    if (fresh.length > 0) for (const listener of this.#onLines) listener(fresh);
  }

  async #search(): Promise<void> {
    const { signal } = this.#stop;
    const search = ++this.#searching;
    const marks: number[] = [];
    try {
      let from = 0;
      let count = 0;
      let firstErrorSeq = 0;
      for (;;) {
        const request = { testId: this.testId, fromSeq: String(from), step: PAGE, ...filterFields(this.filter) };
        const answer = await call("TestService", "searchLogs", request, signal);
        if (signal.aborted || search !== this.#searching) return;
        for (const mark of answer.marks ?? []) marks.push(Number(mark));
        count += Number(answer.count ?? 0);
        firstErrorSeq ||= Number(answer.firstErrorSeq ?? 0);
        from = Number(answer.nextSeq ?? 0);
        if (from > 0) continue;
        const lastSeq = Number(answer.lastSeq ?? 0);
        this.#marks = marks;
        this.#set({ ready: true, count, firstErrorSeq, lastSeq, feedFrom: lastSeq + 1, complete: answer.complete ?? null, error: null });
        return;
      }
    } catch (error) {
      if (!signal.aborted && search === this.#searching) this.#failed(error, () => void this.#search());
    }
  }

  #failed(error: unknown, again: () => void): void {
    this.#set({ error });
    if (error instanceof ApiError && error.isAway) {
      clearTimeout(this.#again);
      this.#again = setTimeout(again, error.retryAfterMs ?? AGAIN_MS);
    }
  }

  #placeOf(page: number): { mark: number; known: number } | null {
    const mark = this.#marks[page];
    return mark === undefined ? null : { mark, known: Math.min(PAGE, this.#view.count - page * PAGE) };
  }

  #set(change: Partial<View>): void {
    this.#view = { ...this.#view, ...change };
    for (const listener of this.#listeners) listener();
  }
}
