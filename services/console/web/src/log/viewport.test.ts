import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { fromBar, heightFor, TALLEST, toBar } from "./scale";
import { Heights } from "./heights";
import { Viewport } from "./viewport";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const VIEW = 360;
const ROW = 18;

/** A scrolled element as a browser has it: its position stays in what there is. */
class Box {
  height = 0;
  top = 0;
  clientHeight = VIEW;
  #at = 0;
  get scrollTop(): number {
    return Math.min(this.#at, Math.max(0, this.height - VIEW));
  }
  set scrollTop(at: number) {
    this.#at = Math.min(Math.max(0, at), Math.max(0, this.height - VIEW));
  }
}

function viewport(count: number, following = false): { box: Box; seen: Viewport; user: (to: number) => void; firstSeen: () => number } {
  const box = new Box();
  const seen = new Viewport(ROW, following);
  seen.attach(box, (top, height) => {
    box.top = top;
    box.height = height;
  });
  seen.setCount(count);
  return {
    box,
    seen,
    user: (to) => {
      box.scrollTop = to;
      seen.scrolled();
    },
    // What is drawn at the upper edge of the box, by where the rows were put and not by what the viewport believes.
    firstSeen: () => seen.range.first + Math.floor((box.scrollTop - box.top) / ROW + 1e-6),
  };
}

test.each([0, 1, 20, 21, 100, 444_444, 444_500, 1_000_000, 7_000_000])("every place of a list of %i rows is reached, and the scale has no holes", (count) => {
  const total = count * ROW;
  const barEnd = Math.max(0, heightFor(total) - VIEW);
  expect(heightFor(total)).toBeLessThanOrEqual(TALLEST);
  let before = -1;
  for (let step = 0; step <= 1000; step++) {
    const bar = (barEnd * step) / 1000;
    const offset = fromBar(bar, total, VIEW);
    expect(offset).toBeGreaterThanOrEqual(before);
    expect(toBar(offset, total, VIEW)).toBeCloseTo(bar, 3);
    before = offset;
  }
  expect(fromBar(0, total, VIEW)).toBe(0);
  expect(fromBar(barEnd, total, VIEW)).toBe(Math.max(0, total - VIEW));
});

test("heights agree with a list that is added up row by row", () => {
  const heights = new Heights(ROW);
  heights.count = 3000;
  const plain = Array.from({ length: 3000 }, () => ROW);
  let seed = 7;
  const random = (below: number) => (seed = (seed * 48271) % 2147483647) % below;
  for (let i = 0; i < 400; i++) {
    const index = random(3000);
    const height = ROW * (1 + random(40));
    heights.measured(index, height);
    plain[index] = height;
  }
  let offset = 0;
  for (let index = 0; index < 3000; index++) {
    if (index % 37 === 0) {
      expect(heights.offsetOf(index)).toBe(offset);
      expect(heights.indexAt(offset)).toBe(index);
      expect(heights.indexAt(offset + plain[index]! - 1)).toBe(index);
    }
    offset += plain[index]!;
  }
  expect(heights.total).toBe(offset);
  heights.count = 2000;
  heights.count = 3000;
  expect(heights.total).toBe(plain.slice(0, 2000).reduce((sum, one) => sum + one, 0) + 1000 * ROW);
});

test("a million rows: the bar reaches the middle, the end and the start, and a wheel moves row by row", () => {
  const { box, seen, user, firstSeen } = viewport(1_000_000);
  user((box.height - VIEW) / 2);
  expect(Math.abs(firstSeen() - 500_000)).toBeLessThan(20);
  const from = firstSeen();
  for (let i = 0; i < 100; i++) user(box.scrollTop + 5 * ROW);
  expect(firstSeen()).toBe(from + 500);
  vi.runAllTimers();
  expect(firstSeen(), "at rest the bar is put right and nothing moves").toBe(from + 500);
  expect(box.scrollTop).toBeCloseTo(toBar((from + 500) * ROW, 1_000_000 * ROW, VIEW), -2);
  user(box.height);
  expect(seen.range.end).toBe(1_000_000);
  expect(seen.range.following).toBe(true);
  user(0);
  expect(firstSeen()).toBe(0);
});

test("the end is followed by position alone", () => {
  const { box, seen, user, firstSeen } = viewport(100);
  expect(firstSeen()).toBe(0);
  user(box.height);
  seen.setCount(150);
  expect(firstSeen()).toBe(130);
  user(box.scrollTop - 40);
  expect(seen.range).toMatchObject({ following: false, seen: 150 });
  const at = box.scrollTop;
  seen.setCount(400);
  expect(box.scrollTop).toBe(at);
  expect(seen.range.seen).toBe(150);
  seen.showEnd();
  expect(firstSeen()).toBe(380);
  seen.setCount(500);
  expect(firstSeen()).toBe(480);
});

test("what the reader scrolled is not undone by lines that come before the browser tells it", () => {
  const { box, seen, user } = viewport(1000);
  user(box.height);
  vi.runAllTimers();
  box.scrollTop -= 500;
  const at = box.scrollTop;
  seen.scrolled();
  seen.setCount(1100);
  expect(box.scrollTop).toBe(at);
  expect(seen.range.following).toBe(false);
  box.scrollTop = 90;
  vi.runAllTimers();
  expect(box.scrollTop).toBe(90);
});

test("rows above that turn out taller move nothing that is seen", () => {
  const { box, seen, user } = viewport(1000);
  user(5000);
  const top = seen.top;
  const { first } = seen.range;
  const screen = () => box.top - box.scrollTop + (top - first) * ROW;
  const before = screen();
  seen.measured(Array.from({ length: top - first }, (_, i) => [first + i, 3 * ROW] as const));
  expect(seen.top).toBe(top);
  // The rows above are two rows taller each, so the drawn block begins that much higher.
  expect(screen() + (top - seen.range.first) * 2 * ROW - (seen.range.first - first) * 0).toBe(before);
  vi.runAllTimers();
  expect(seen.top).toBe(top);
});

test("a row that is not seen is brought to the middle, one that is seen stays", () => {
  const { box, seen, firstSeen } = viewport(10_000);
  seen.reveal(3);
  expect(box.scrollTop).toBe(0);
  seen.reveal(5000);
  expect(firstSeen()).toBeGreaterThan(4980);
  expect(firstSeen()).toBeLessThan(5000);
  const at = box.scrollTop;
  seen.reveal(5002);
  expect(box.scrollTop).toBe(at);
});
