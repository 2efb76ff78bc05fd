// Pages of the lines of a view: read when they are looked at, kept while they are among the last used. Page p holds the
// lines p * 500 to p * 500 + 499 of the view and begins at the number marks[p].
import { call } from "../api/call";
import { filterFields, lineOf, PAGE, type Line, type LogFilter } from "./lines";

/** Pages that are kept: memory stays flat however long the output is. */
const KEPT = 60;
const AT_ONCE = 3;
/** While the reader moves fast, pages that are gone in a moment are not asked for. */
const CALM_MS = 70;

/** Lines from `fromSeq` on, at most `most`. */
export type ReadLines = (fromSeq: number, most: number, signal: AbortSignal) => Promise<{ lines: Line[]; nextSeq: number }>;

/** GetLogs for the lines of `filter`. Throws ApiError. */
export function readerOf(testId: string, filter: LogFilter): ReadLines {
  return async (fromSeq, most, signal) => {
    const answer = await call("TestService", "getLogs", { testId, fromSeq: String(fromSeq), pageSize: most, ...filterFields(filter) }, signal);
    return { lines: (answer.lines ?? []).map(lineOf), nextSeq: Number(answer.nextSeq ?? 0) };
  };
}

export class Pages {
  /** By number, the least recently used first. A page may have holes while its lines still come. */
  readonly #pages = new Map<number, (Line | undefined)[]>();
  readonly #reading = new Map<number, AbortController>();
  #wanted: number[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastRead = 0;

  /**
   * `markOf`: where page p begins, and how many lines of it are known.
   * `changed`: lines have come. `failed`: a page could not be read; `retry` asks again.
   */
  constructor(
    private readonly read: ReadLines,
    private readonly markOf: (page: number) => { mark: number; known: number } | null,
    private readonly changed: () => void,
    private readonly failed: (error: unknown) => void,
  ) {}

  /** The line at `index` of the view, where it is here. */
  lineAt(index: number): Line | undefined {
    return this.#pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  /** A line that came by itself. */
  put(index: number, line: Line): void {
    const page = Math.floor(index / PAGE);
    const lines = this.#pages.get(page) ?? [];
    lines[index % PAGE] = line;
    this.#use(page, lines);
  }

  /** These rows are looked at now: what is not here is read, and what nobody looks at any more is not waited for. */
  want(first: number, end: number): void {
    this.#wanted = [];
    for (let page = Math.floor(first / PAGE); page * PAGE < end; page++) {
      const lines = this.#pages.get(page);
      if (lines) this.#use(page, lines);
      if (!this.#isWhole(page, first, end)) this.#wanted.push(page);
    }
    for (const [page, controller] of this.#reading) {
      if (!this.#wanted.includes(page)) controller.abort();
    }
    if (this.#wanted.length > 0 && this.#timer === undefined) {
      const wait = Math.max(0, CALM_MS - (performance.now() - this.#lastRead));
      this.#timer = setTimeout(() => this.#start(), wait);
    }
  }

  retry(): void {
    this.#start();
  }

  /** All lines of a page, read where they are not here. Throws ApiError. */
  async whole(page: number, signal: AbortSignal): Promise<Line[]> {
    const place = this.markOf(page);
    if (!place) return [];
    if (!this.#isWhole(page, page * PAGE, page * PAGE + place.known)) return this.#fill(page, place, signal);
    return (this.#pages.get(page) ?? []).filter((line) => line !== undefined);
  }

  close(): void {
    this.#wanted = [];
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const controller of this.#reading.values()) controller.abort();
  }

  #isWhole(page: number, first: number, end: number): boolean {
    const known = this.markOf(page)?.known ?? 0;
    const lines = this.#pages.get(page);
    const last = Math.min(end - page * PAGE, known);
    for (let i = Math.max(0, first - page * PAGE); i < last; i++) if (!lines?.[i]) return false;
    return true;
  }

  #use(page: number, lines: (Line | undefined)[]): void {
    this.#pages.delete(page);
    this.#pages.set(page, lines);
    if (this.#pages.size > KEPT) this.#pages.delete(this.#pages.keys().next().value!);
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const page of this.#wanted) {
      if (this.#reading.size >= AT_ONCE) return;
      const place = this.markOf(page);
      if (place && !this.#reading.has(page)) void this.#readOne(page, place);
    }
  }

  async #readOne(page: number, place: { mark: number; known: number }): Promise<void> {
    const controller = new AbortController();
    this.#reading.set(page, controller);
    this.#lastRead = performance.now();
    try {
      await this.#fill(page, place, controller.signal);
      this.#wanted = this.#wanted.filter((one) => one !== page);
    } catch (error) {
      if (!controller.signal.aborted) this.failed(error);
      return;
    } finally {
      this.#reading.delete(page);
    }
    this.changed();
    this.#start();
  }

  // A page of the API is also cut at 1 MiB of text: it takes several for one page of long lines.
  async #fill(page: number, place: { mark: number; known: number }, signal: AbortSignal): Promise<Line[]> {
    const read: Line[] = [];
    let from = place.mark;
    while (read.length < place.known && from > 0) {
      const answer = await this.read(from, place.known - read.length, signal);
      read.push(...answer.lines);
      from = answer.nextSeq;
    }
    // Into what is there now: lines of the same page may have come by themselves while these were read.
    const lines = this.#pages.get(page) ?? [];
    read.forEach((line, index) => (lines[index] = line));
    this.#use(page, lines);
    return lines.filter((line) => line !== undefined);
  }
}
