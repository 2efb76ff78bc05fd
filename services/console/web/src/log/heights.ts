// How tall rows are: all alike but for those that were measured. A million rows cost nothing until they are looked at.
const BLOCK = 512;

export class Heights {
  #count = 0;
  /** What measured rows are taller than the others, by block of rows. */
  readonly #blocks = new Map<number, { extra: Float64Array; sum: number }>();

  constructor(readonly row: number) {}

  get count(): number {
    return this.#count;
  }

  set count(count: number) {
    // Few rows ever go: those of lines that had not ended.
    for (let index = count; index < this.#count; index++) this.measured(index, this.row);
    this.#count = count;
  }

  /** A row was measured. Returns by how much the list grew. */
  measured(index: number, height: number): number {
    const extra = height - this.row;
    let block = this.#blocks.get(Math.floor(index / BLOCK));
    if (!block) {
      if (extra === 0) return 0;
      block = { extra: new Float64Array(BLOCK), sum: 0 };
      this.#blocks.set(Math.floor(index / BLOCK), block);
    }
    const grown = extra - block.extra[index % BLOCK]!;
    block.extra[index % BLOCK] = extra;
    block.sum += grown;
    return grown;
  }

  /** Where row `index` begins, in pixels from the top of the list. `count` gives its height. */
  offsetOf(index: number): number {
    const place = Math.floor(index / BLOCK);
    let offset = index * this.row;
    for (const [at, block] of this.#blocks) {
      if (at < place) offset += block.sum;
      else if (at === place) for (let i = 0; i < index % BLOCK; i++) offset += block.extra[i]!;
    }
    return offset;
  }

  get total(): number {
    return this.offsetOf(this.#count);
  }

  /** The row at `offset`; the first or last one where it is outside. */
  indexAt(offset: number): number {
    let low = 0;
    let high = this.#count - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.offsetOf(middle) <= offset) low = middle;
      else high = middle - 1;
    }
    return Math.max(low, 0);
  }
}
