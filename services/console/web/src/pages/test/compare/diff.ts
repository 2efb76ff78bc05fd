// The difference of two texts by lines: the longest common run of lines where the table for it is small; what is larger
// is first held together by the lines that both sides have exactly once (patience). No DOM.

export interface DiffRow {
  /** Index of the line on each side, from 0; null: this side has none here. */
  left: number | null;
  right: number | null;
  same: boolean;
}

/** Cells of the table at most; a larger stretch without lines that hold it together is told as changed as a whole. */
const MOST_CELLS = 1_000_000;

type Range = [from: number, to: number];

/** Rows of both sides next to each other: same lines together, changed ones paired from the top of their gap. */
export function diffLines(left: readonly string[], right: readonly string[]): DiffRow[] {
  const pairs: [number, number][] = [];
  const work: { a: Range; b: Range }[] = [{ a: [0, left.length], b: [0, right.length] }];
  for (let one = work.pop(); one; one = work.pop()) {
    let [a0, a1] = one.a;
    let [b0, b1] = one.b;
    while (a0 < a1 && b0 < b1 && left[a0] === right[b0]) pairs.push([a0++, b0++]);
    while (a0 < a1 && b0 < b1 && left[a1 - 1] === right[b1 - 1]) pairs.push([--a1, --b1]);
    if (a0 === a1 || b0 === b1) continue;
    if ((a1 - a0) * (b1 - b0) <= MOST_CELLS) {
      pairs.push(...common(left, right, [a0, a1], [b0, b1]));
      continue;
    }
    const anchors = anchorsOf(left, right, [a0, a1], [b0, b1]);
    if (anchors.length === 0) continue;
    let [fromA, fromB] = [a0, b0];
    for (const [atA, atB] of [...anchors, [a1, b1] as const]) {
      work.push({ a: [fromA, atA], b: [fromB, atB] });
      [fromA, fromB] = [atA, atB];
    }
  }
  pairs.sort(([x], [y]) => x - y);
  return rowsOf(pairs, left.length, right.length);
}

function rowsOf(pairs: [number, number][], leftEnd: number, rightEnd: number): DiffRow[] {
  const rows: DiffRow[] = [];
  let [a, b] = [0, 0];
  for (const [nextA, nextB] of [...pairs, [leftEnd, rightEnd] as const]) {
    while (a < nextA || b < nextB) rows.push({ left: a < nextA ? a++ : null, right: b < nextB ? b++ : null, same: false });
    if (nextA < leftEnd && nextB < rightEnd) rows.push({ left: a++, right: b++, same: true });
  }
  return rows;
}

// Lines that each side has exactly once, in the longest order that both share.
function anchorsOf(left: readonly string[], right: readonly string[], [a0, a1]: Range, [b0, b1]: Range): [number, number][] {
  const seen = new Map<string, { a: number; b: number; countA: number; countB: number }>();
  for (let i = a0; i < a1; i++) {
    const line = left[i] as string;
    const known = seen.get(line);
    if (known) known.countA++;
    else seen.set(line, { a: i, b: -1, countA: 1, countB: 0 });
  }
  for (let i = b0; i < b1; i++) {
    const known = seen.get(right[i] as string);
    if (known) {
      known.countB++;
      known.b = i;
    }
  }
  const unique = [...seen.values()].filter((one) => one.countA === 1 && one.countB === 1);
  // Longest increasing run of b (they are in order of a): piles with the way back.
  const tops: number[] = [];
  const back: number[] = [];
  unique.forEach((one, index) => {
    let [low, high] = [0, tops.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((unique[tops[middle] as number] as { b: number }).b < one.b) low = middle + 1;
      else high = middle;
    }
    back[index] = low > 0 ? (tops[low - 1] as number) : -1;
    tops[low] = index;
  });
  const found: [number, number][] = [];
  for (let index = tops.at(-1) ?? -1; index >= 0; index = back[index] as number) {
    const one = unique[index] as { a: number; b: number };
    found.push([one.a, one.b]);
  }
  return found.reverse();
}

// The longest common run of lines, by the usual table.
function common(left: readonly string[], right: readonly string[], [a0, a1]: Range, [b0, b1]: Range): [number, number][] {
  const [n, m] = [a1 - a0, b1 - b0];
  const width = m + 1;
  const table = new Uint32Array((n + 1) * width);
  const cell = (i: number, j: number) => table[i * width + j] as number;
  for (let i = n - 1; i >= 0; i--) {
    for (let j = m - 1; j >= 0; j--) {
      table[i * width + j] = left[a0 + i] === right[b0 + j] ? cell(i + 1, j + 1) + 1 : Math.max(cell(i + 1, j), cell(i, j + 1));
    }
  }
  const pairs: [number, number][] = [];
  for (let [i, j] = [0, 0]; i < n && j < m; ) {
    if (left[a0 + i] === right[b0 + j]) pairs.push([a0 + i++, b0 + j++]);
    else if (cell(i + 1, j) >= cell(i, j + 1)) i++;
    else j++;
  }
  return pairs;
}

/** The same rows for one column: of changed ones that follow each other, first all of the left side, then all of the right. */
export function stacked(rows: readonly DiffRow[]): DiffRow[] {
  const shown: DiffRow[] = [];
  let added: DiffRow[] = [];
  for (const row of rows) {
    if (row.same) {
      shown.push(...added, row);
      added = [];
      continue;
    }
    if (row.left !== null) shown.push({ left: row.left, right: null, same: false });
    if (row.right !== null) added.push({ left: null, right: row.right, same: false });
  }
  return [...shown, ...added];
}

export interface Gap {
  /** How many same lines are left out here. */
  skipped: number;
}

/** The rows that differ, with `around` same ones before and after; what is left out is a gap. */
export function onlyDifferences(rows: readonly DiffRow[], around = 2): (DiffRow | Gap)[] {
  const keep = new Uint8Array(rows.length);
  rows.forEach((row, index) => {
    if (!row.same) keep.fill(1, Math.max(0, index - around), index + around + 1);
  });
  const shown: (DiffRow | Gap)[] = [];
  rows.forEach((row, index) => {
    if (keep[index]) {
      shown.push(row);
      return;
    }
    const last = shown.at(-1);
    if (last && "skipped" in last) last.skipped++;
    else shown.push({ skipped: 1 });
  });
  return shown;
}
