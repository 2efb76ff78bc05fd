// A list may be taller than a browser lets an element be (17.8 million pixels in Firefox; drawing gets coarse from about 8
// million on). Taller ones are squeezed in the middle: near both ends one pixel of the scroll bar is one pixel of the list.

/** The tallest element that is used, in pixels. */
export const TALLEST = 8_000_000;
const EDGE = 1_000_000;

/** Height of the scrolled element for a list of `total` pixels. */
export const heightFor = (total: number): number => Math.min(total, TALLEST);

/** Place of the scroll bar for place `offset` of the list. `view`: height of what is seen of it. */
export function toBar(offset: number, total: number, view: number): number {
  const height = heightFor(total);
  if (height === total || offset <= EDGE) return offset;
  const [end, barEnd] = [total - view, height - view];
  if (offset >= end - EDGE) return barEnd - (end - offset);
  return EDGE + ((offset - EDGE) * (barEnd - 2 * EDGE)) / (end - 2 * EDGE);
}

/** Place of the list for place `bar` of the scroll bar. */
export function fromBar(bar: number, total: number, view: number): number {
  const height = heightFor(total);
  if (height === total || bar <= EDGE) return bar;
  const [end, barEnd] = [total - view, height - view];
  if (bar >= barEnd - EDGE) return end - (barEnd - bar);
  return EDGE + ((bar - EDGE) * (end - 2 * EDGE)) / (barEnd - 2 * EDGE);
}
