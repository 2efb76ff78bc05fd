// A line as pieces of text with their colours: ANSI colours by anser, every other escape removed, control characters as
// symbols. Matches are looked for in the text of the pieces together, which is what the reader sees.
import Anser from "anser";
import { visible } from "../components/bidi";
import { rgbOf, type Rgb } from "./colors";
import { ESCAPES } from "./match";

export interface Piece {
  readonly text: string;
  readonly fg: Rgb | null;
  readonly bg: Rgb | null;
  readonly bold: boolean;
  readonly dim: boolean;
  readonly italic: boolean;
  readonly underline: boolean;
  readonly strike: boolean;
}

const PLAIN = { fg: null, bg: null, bold: false, dim: false, italic: false, underline: false, strike: false };

const COLOUR = /^(?:\x1b\[|\x9b)([0-9;:]*)m$/;

/** Only the colours are kept, in the one form that anser knows. */
function coloursOnly(text: string): string {
  return text.replace(ESCAPES, (escape) => {
    const found = COLOUR.exec(escape);
    return found ? `\x1b[${semicolons(found[1] ?? "")}m` : "";
  });
}

/** ISO 8613-6 writes 38:2::1:2:3 where most write 38;2;1;2;3; "4:3" is a kind of underline, "4:0" none. */
function semicolons(codes: string): string {
  if (!codes.includes(":")) return codes;
  return codes
    .split(";")
    .map((code) => {
      const parts = code.split(":");
      if ((parts[0] === "38" || parts[0] === "48") && parts[1] === "2") return [parts[0], "2", ...parts.slice(-3)].join(";");
      if (parts[0] === "38" || parts[0] === "48") return parts.slice(0, 3).join(";");
      return parts[0] === "4" && parts[1] === "0" ? "24" : parts[0];
    })
    .join(";");
}

const CONTROLS = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]/g;

/** Control characters as symbols, and what turns the direction of text as escapes. A tab stays. */
export function withSymbols(text: string): string {
  const symbols = text.replace(CONTROLS, (char) => {
    const code = char.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    if (code === 0x7f) return "␡";
    if (code === 0x2028 || code === 0x2029) return "␤";
    return "�";
  });
  return visible(symbols);
}

/** The pieces of a line, none of them empty. */
export function piecesOf(text: string): Piece[] {
  if (!text.includes("\x1b") && !text.includes("\x9b")) return text ? [{ ...PLAIN, text: withSymbols(text) }] : [];
  return Anser.ansiToJson(coloursOnly(text), { json: true, use_classes: true, remove_empty: true }).map((entry) => {
    const has = (name: Anser.DecorationName) => entry.decorations.includes(name);
    return {
      text: withSymbols(entry.content),
      fg: rgbOf(entry.fg, entry.fg_truecolor),
      bg: rgbOf(entry.bg, entry.bg_truecolor),
      bold: has("bold"),
      dim: has("dim"),
      italic: has("italic"),
      underline: has("underline") || has("blink"),
      strike: has("strikethrough"),
    };
  });
}
