// The text of a row as runs of one look each: colours, matches, and where a huge line is folded. Keeps what it parsed of a
// line as long as the line is kept.
import type { CSSProperties } from "react";
import { piecesOf, type Piece } from "./ansi";
import { BACKGROUND, css, CURRENT, MATCH, readable, TEXT, type Rgb, type Scheme } from "./colors";
import type { Line } from "./lines";
import type { Matcher, Span } from "./match";

/** Characters of a line that are shown at first; of the further pieces of a huge line none that are longer. */
export const FOLD = 2000;

interface Parsed {
  pieces: Piece[];
  text: string;
}
const parsed = new WeakMap<Line, Parsed>();

function parse(line: Line): Parsed {
  let found = parsed.get(line);
  if (!found) {
    const pieces = piecesOf(line.text);
    found = { pieces, text: pieces.map((piece) => piece.text).join("") };
    parsed.set(line, found);
  }
  return found;
}

export interface Run {
  readonly text: string;
  readonly style: CSSProperties | undefined;
  readonly isMatch: boolean;
}

export interface RowText {
  readonly runs: Run[];
  /** What the fold hides: bytes, and matches in it. */
  readonly hiddenBytes: number;
  readonly hiddenMatches: number;
}

/** What is shown of `line`. `isCurrent`: the reader is at its match. */
export function textOf(line: Line, look: { scheme: Scheme; matcher: Matcher | null; isCurrent: boolean; unfolded: boolean }): RowText {
  const { pieces, text } = parse(line);
  const spans = look.matcher?.spans(text) ?? [];
  const isLong = text.length > FOLD && !look.unfolded;
  const shown = !isLong ? text.length : line.continued ? 0 : FOLD;
  const runs: Run[] = [];
  let at = 0;
  for (const piece of pieces) {
    if (at >= shown) break;
    cut(piece, at, Math.min(at + piece.text.length, shown), spans, look, runs);
    at += piece.text.length;
  }
  return {
    runs,
    hiddenBytes: isLong ? new TextEncoder().encode(text.slice(shown)).length : 0,
    hiddenMatches: isLong ? spans.filter((span) => span.end > shown).length : 0,
  };
}

function cut(piece: Piece, start: number, end: number, spans: Span[], look: { scheme: Scheme; isCurrent: boolean }, runs: Run[]): void {
  let at = start;
  const add = (to: number, isMatch: boolean) => {
    if (to <= at) return;
    runs.push({ text: piece.text.slice(at - start, to - start), style: styleOf(piece, look.scheme, isMatch ? (look.isCurrent ? "current" : "match") : ""), isMatch });
    at = to;
  };
  for (const span of spans) {
    if (span.end <= at) continue;
    if (span.start >= end) break;
    add(Math.max(span.start, at), false);
    add(Math.min(span.end, end), true);
  }
  add(end, false);
}

const styles = new Map<string, CSSProperties | undefined>();

function styleOf(piece: Piece, scheme: Scheme, mark: "" | "match" | "current"): CSSProperties | undefined {
  const { fg, bg, bold, dim, italic, underline, strike } = piece;
  const key = `${scheme} ${mark} ${fg} ${bg} ${bold} ${dim} ${italic} ${underline} ${strike}`;
  if (styles.has(key)) return styles.get(key);
  if (styles.size > 5000) styles.clear();
  const style = makeStyle(piece, scheme, mark);
  styles.set(key, style);
  return style;
}

function makeStyle({ fg, bg, bold, dim, italic, underline, strike }: Piece, scheme: Scheme, mark: "" | "match" | "current"): CSSProperties | undefined {
  const under: Rgb | null = mark === "current" ? CURRENT[scheme] : mark === "match" ? MATCH[scheme] : bg;
  const style: CSSProperties = {};
  if (under) style.backgroundColor = css(under);
  if (fg || under || dim) {
    const wanted = fg ?? (dim ? (scheme === "light" ? ([110, 115, 120] as const) : ([150, 155, 160] as const)) : TEXT[scheme]);
    style.color = css(readable(wanted, under ?? BACKGROUND[scheme]));
  }
  if (bold) style.fontWeight = 700;
  if (italic) style.fontStyle = "italic";
  if (underline || strike) style.textDecoration = [underline ? "underline" : "", strike ? "line-through" : ""].join(" ").trim();
  return Object.keys(style).length > 0 ? style : undefined;
}
