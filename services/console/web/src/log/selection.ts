// What of the log is selected with the mouse, also where it reaches over rows that are not drawn any more: the browser
// moves the end of a selection whose row goes, so both ends are noted while the button is down.
import { useCallback, useEffect, useState } from "react";

/** Lines of a selection, by number. */
export interface Selected {
  readonly first: number;
  readonly last: number;
}

type Ends = Pick<globalThis.Selection, "anchorNode" | "focusNode" | "isCollapsed">;

function seqOf(node: Node | null): number {
  const element = node instanceof Element ? node : node?.parentElement;
  return Number(element?.closest<HTMLElement>(".log-row")?.dataset.seq ?? 0);
}

export class Selection {
  #anchor = 0;
  #focus = 0;
  #down = false;

  /** A button was pressed at `target`. `extend`: with Shift, which moves the other end only. */
  begin(target: Node | null, extend: boolean): void {
    this.#down = true;
    if (!extend) this.#anchor = this.#focus = seqOf(target);
  }

  /** The selection has changed. */
  changed(ends: Ends | null): void {
    if (this.#down && ends) this.#focus = seqOf(ends.focusNode) || this.#focus;
  }

  /** The button was let go. */
  finish(ends: Ends | null): void {
    this.changed(ends);
    this.#down = false;
    if (!ends || ends.isCollapsed) this.#anchor = this.#focus = 0;
  }

  /** The lines that are selected, where the browser does not know so any more; null: it does, or nothing is selected. */
  lost(ends: Ends | null): Selected | null {
    if (!this.#anchor || !this.#focus) return null;
    if (ends && seqOf(ends.anchorNode) === this.#anchor && seqOf(ends.focusNode) === this.#focus) return null;
    return { first: Math.min(this.#anchor, this.#focus), last: Math.max(this.#anchor, this.#focus) };
  }
}

/** Watches the selection of the page. Gives what of it the browser has lost. */
export function useLostSelection(): () => Selected | null {
  const [selection] = useState(() => new Selection());
  useEffect(() => {
    const controller = new AbortController();
    const options = { signal: controller.signal, capture: true };
    document.addEventListener("pointerdown", (event) => selection.begin(event.target as Node | null, event.shiftKey), options);
    document.addEventListener("selectionchange", () => selection.changed(document.getSelection()), options);
    document.addEventListener("pointerup", () => selection.finish(document.getSelection()), options);
    return () => controller.abort();
  }, [selection]);
  return useCallback(() => selection.lost(document.getSelection()), [selection]);
}
