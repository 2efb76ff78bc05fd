// Every place of a text in the whole output: the count, and the number of each matching line in order. Up to 10,000 are
// asked for at once; of more, only those around the reader are read. Lines that come are matched here by the same rule.
import { call } from "../api/call";
import { filterFields, type Line, type LogFilter } from "./lines";
import type { Matcher } from "./match";

/** Matching lines in a block: the most marks that an answer has. */
const BLOCK = 10_000;

/** Where in the output matches are. */
export interface Ask {
  (fromSeq: number, step: number): Promise<{ count: number; marks: number[]; lastSeq: number; nextSeq: number }>;
}

/** SearchLogs for `matcher` among the lines of `filter`. Throws ApiError. */
export function askerOf(testId: string, filter: LogFilter, matcher: Matcher, signal: AbortSignal): Ask {
  return async (fromSeq, step) => {
    const fields = filterFields({ ...filter, text: matcher.text, matchCase: matcher.matchCase });
    const answer = await call("TestService", "searchLogs", { testId, fromSeq: String(fromSeq), step, ...fields }, signal);
    return {
      count: Number(answer.count ?? 0),
      marks: (answer.marks ?? []).map(Number),
      lastSeq: Number(answer.lastSeq ?? 0),
      nextSeq: Number(answer.nextSeq ?? 0),
    };
  };
}

export interface Match {
  readonly seq: number;
  /** Which of all matches it is, from 0. */
  readonly index: number;
}

export class Find {
  /** Matching lines. */
  count = 0;
  /** Block b holds the matches b * 10,000 to b * 10,000 + 9,999; undefined where it was not read. */
  readonly #blocks: (number[] | undefined)[] = [];
  /** The first match of each block. */
  readonly #starts: number[] = [];
  #lastSeq = 0;
  #early: Line[] | null = [];

  constructor(
    private readonly ask: Ask,
    private readonly matcher: Matcher,
  ) {}

  /** Looks through what is stored. Throws ApiError. */
  async run(): Promise<void> {
    const first = await this.ask(1, 1);
    this.#blocks.push(first.marks);
    if (first.marks.length > 0) this.#starts.push(first.marks[0]!);
    this.count = first.count;
    this.#lastSeq = first.lastSeq;
    let from = first.nextSeq;
    while (from > 0) {
      const rest = await this.ask(from, BLOCK);
      this.#starts.push(...rest.marks);
      this.count += rest.count;
      this.#lastSeq = Math.max(this.#lastSeq, rest.lastSeq);
      from = rest.nextSeq;
    }
    const early = this.#early ?? [];
    this.#early = null;
    this.grow(early);
  }

  /** Lines have come. True when one of them matches. */
  grow(lines: readonly Line[]): boolean {
    if (this.#early) {
      this.#early.push(...lines);
      return false;
    }
    const before = this.count;
    for (const line of lines) {
      if (line.seq <= this.#lastSeq) continue;
      this.#lastSeq = line.seq;
      if (!this.matcher.isIn(line.text)) continue;
      const block = Math.floor(this.count / BLOCK);
      if (this.count % BLOCK === 0) {
        this.#starts[block] = line.seq;
        this.#blocks[block] = [];
      }
      // A block that was not read is read with this line in it.
      const marks = this.#blocks[block];
      if (marks && (marks.at(-1) ?? 0) < line.seq) marks.push(line.seq);
      this.count++;
    }
    return this.count > before;
  }

  /** The first match at or behind line `seq`, or the first of all. Null: there is none. Throws ApiError. */
  async from(seq: number): Promise<Match | null> {
    if (this.count === 0) return null;
    const block = Math.max(0, this.#starts.findLastIndex((start) => start <= seq));
    const marks = await this.#read(block);
    const at = marks.findIndex((mark) => mark >= seq);
    return this.at(at < 0 ? Math.min((block + 1) * BLOCK, this.count) : block * BLOCK + at);
  }

  /** The match with this index, counted round from the end to the start and back. Throws ApiError. */
  async at(index: number): Promise<Match | null> {
    if (this.count === 0) return null;
    const place = ((index % this.count) + this.count) % this.count;
    const block = Math.floor(place / BLOCK);
    let seq = (await this.#read(block))[place % BLOCK];
    if (seq === undefined) {
      // It came while its block was being read.
      this.#blocks[block] = undefined;
      seq = (await this.#read(block))[place % BLOCK];
    }
    return seq === undefined ? null : { seq, index: place };
  }

  async #read(block: number): Promise<number[]> {
    const here = this.#blocks[block];
    if (here) return here;
    const start = this.#starts[block];
    if (start === undefined) return [];
    const { marks } = await this.ask(start, 1);
    this.#blocks[block] = marks;
    return marks;
  }
}
