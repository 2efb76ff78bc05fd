// Whether and where a text is in a line, by the rule of the server (SearchLogs): ANSI escapes are passed over, and case is
// folded unless it matters. Knows nothing of rows and colours.

// The escapes that the server passes over, piece by piece the same: control sequences, strings such as links and titles,
// escapes of two or three characters; what was cut off in the middle as far as it goes.
export const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]?|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~]?)|\x9b[0-?]*[ -/]*[@-~]?/g;

/** The line without its ANSI escapes. */
export function plain(text: string): string {
  return text.includes("\x1b") || text.includes("\x9b") ? text.replace(ESCAPES, "") : text;
}

const ASCII = /^[\x00-\x7f]*$/;

/** Unicode's full case folding, as near as JavaScript has it: both cases of every letter give the same. */
export function fold(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  let folded = "";
  // By character, since the lower case of a Greek sigma depends on what is around it.
  for (const char of text) folded += foldChar(char);
  return folded;
}

function foldChar(char: string): string {
  if (char === "ı") return char;
  // Over the upper case of the lower one: ß and ẞ become "ss", a long s an s.
  return char === "İ" ? "i̇" : char.toLowerCase().toUpperCase().toLowerCase();
}

export interface Span {
  start: number;
  end: number;
}

export interface Matcher {
  readonly text: string;
  readonly matchCase: boolean;
  /** Whether the text is in this line, which may have escapes. */
  isIn(line: string): boolean;
  /** Where it is in a line without escapes; matches do not overlap. At most `most`. */
  spans(plainLine: string, most?: number): Span[];
}

/** A matcher for `text`; null for an empty one. */
export function matcherOf(text: string, matchCase: boolean): Matcher | null {
  if (!text) return null;
  const wanted = matchCase ? text : fold(text);
  return {
    text,
    matchCase,
    isIn: (line) => {
      const clean = plain(line);
      return (matchCase ? clean : fold(clean)).includes(wanted);
    },
    spans: (line, most = 1000) => {
      if (matchCase || ASCII.test(line)) return occurrences(matchCase ? line : line.toLowerCase(), wanted, most);
      const { folded, origin } = foldWithOrigin(line);
      return occurrences(folded, wanted, most).map(({ start, end }) => ({
        start: origin[start] ?? 0,
        // A letter that folds to two is marked whole where one of them matches.
        end: (origin[end - 1] ?? 0) + (line.codePointAt(origin[end - 1] ?? 0)! > 0xffff ? 2 : 1),
      }));
    },
  };
}

function occurrences(line: string, wanted: string, most: number): Span[] {
  const found: Span[] = [];
  for (let at = line.indexOf(wanted); at >= 0 && found.length < most; at = line.indexOf(wanted, at + wanted.length)) {
    found.push({ start: at, end: at + wanted.length });
  }
  return found;
}

function foldWithOrigin(line: string): { folded: string; origin: number[] } {
  let folded = "";
  const origin: number[] = [];
  let at = 0;
  for (const char of line) {
    const piece = foldChar(char);
    for (let i = 0; i < piece.length; i++) origin.push(at);
    folded += piece;
    at += char.length;
  }
  return { folded, origin };
}
