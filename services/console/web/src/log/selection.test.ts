import { expect, test } from "vitest";
import { Selection } from "./selection";

function rows(...seqs: number[]): { block: HTMLElement; text: (seq: number) => Node } {
  const block = document.createElement("div");
  for (const seq of seqs) {
    const row = document.createElement("div");
    row.className = "log-row";
    row.dataset.seq = String(seq);
    row.append(`text ${seq}`);
    block.append(row);
  }
  return { block, text: (seq) => block.querySelector(`[data-seq="${seq}"]`)!.firstChild! };
}
const ends = (anchorNode: Node, focusNode: Node) => ({ anchorNode, focusNode, isCollapsed: anchorNode === focusNode });

test("a selection among rows that are drawn is the browser's own", () => {
  const { text } = rows(1, 2, 3);
  const selection = new Selection();
  selection.begin(text(1), false);
  selection.finish(ends(text(1), text(3)));
  expect(selection.lost(ends(text(1), text(3)))).toBeNull();
});

test.each([
  ["down", 2, 900],
  ["up", 900, 2],
])("a selection that was drawn %s over rows that went has both of its ends", (_, from, to) => {
  const { block, text } = rows(2, 3, 899, 900);
  const selection = new Selection();
  selection.begin(text(from), false);
  selection.changed(ends(text(from), text(3)));
  // The row of the first end goes; the browser puts the end at the next one.
  selection.changed(ends(text(899), text(to)));
  selection.finish(ends(text(899), text(to)));
  expect(selection.lost(ends(text(899), text(to)))).toEqual({ first: 2, last: 900 });
  expect(selection.lost(ends(block, block)), "also when it is scrolled out of sight").toEqual({ first: 2, last: 900 });
});

test("a click takes the selection away, and one with Shift moves its end", () => {
  const { block, text } = rows(1, 2, 3, 900);
  const selection = new Selection();
  selection.begin(text(1), false);
  selection.finish(ends(text(1), text(2)));
  selection.begin(text(900), true);
  selection.finish(ends(text(3), text(900)));
  expect(selection.lost(ends(text(3), text(900)))).toEqual({ first: 1, last: 900 });
  selection.begin(document.body, false);
  selection.finish(ends(block, block));
  expect(selection.lost(ends(block, block))).toBeNull();
});
