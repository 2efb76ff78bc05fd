// Lines as text for the clipboard, without numbers and times, also of those that the page does not hold.
import type { Line } from "./lines";
import { plain } from "./match";
import type { ReadLines } from "./pages";

/** What a clipboard is asked to take at most. Whoever wants more downloads it. */
export const MOST_LINES = 50_000;
const PAGE_LINES = 5000;

/** The lines with numbers `first` to `last` that `read` gives. Pieces of one line are put together. Throws ApiError. */
export async function linesAsText(read: ReadLines, first: number, last: number, signal: AbortSignal): Promise<string> {
  let text = "";
  let lines = 0;
  let from = first;
  while (from > 0 && from <= last) {
    const page = await read(from, PAGE_LINES, signal);
    for (const line of page.lines) {
      if (line.seq > last || ++lines > MOST_LINES) return text;
      text += joint(line, text === "") + plain(line.text);
    }
    from = page.nextSeq;
  }
  return text;
}

const joint = (line: Line, isFirst: boolean): string => (isFirst || line.continued ? "" : "\n");
