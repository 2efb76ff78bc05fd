// JSON text taken apart without changing it: numbers keep their digits (an integer may be larger than a double holds),
// keys their order. No recursion: an answer may be nested as deep as it is long.

export interface JsonNode {
  kind: "object" | "array" | "string" | "number" | "literal";
  /** Where its text begins and ends in the whole. */
  start: number;
  end: number;
  /** Name in the object it is in, decoded. */
  key?: string;
  children: JsonNode[];
}

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const LITERAL = /true|false|null/y;

function match(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : -1;
}

// The end of the string that begins at `at`; -1: it has none.
function stringEnd(text: string, at: number): number {
  for (let i = at + 1; ; ) {
    const quote = text.indexOf('"', i);
    if (quote < 0) return -1;
    let slashes = 0;
    while (text[quote - 1 - slashes] === "\\") slashes++;
    if (slashes % 2 === 0) return quote + 1;
    i = quote + 1;
  }
}

function leaf(text: string, at: number): JsonNode | null {
  const char = text[at];
  if (char === '"') {
    const end = stringEnd(text, at);
    return end < 0 ? null : { kind: "string", start: at, end, children: [] };
  }
  for (const [kind, pattern] of [["number", NUMBER], ["literal", LITERAL]] as const) {
    const end = match(pattern, text, at);
    if (end > at) return { kind, start: at, end, children: [] };
  }
  return null;
}

/** The tree of a JSON text; null: it is none. */
export function parseJson(text: string): JsonNode | null {
  const open: JsonNode[] = [];
  let at = match(SPACE, text, 0);
  for (;;) {
    const parent = open.at(-1);
    let key: string | undefined;
    if (parent && (text[at] === "]" || text[at] === "}") && parent.children.length === 0) {
      at = close(at);
      if (open.length === 0) return at === text.length ? parent : null;
    } else {
      if (parent?.kind === "object") {
        const end = text[at] === '"' ? stringEnd(text, at) : -1;
        if (end < 0) return null;
        key = decodeString(text.slice(at, end));
        at = match(SPACE, text, end);
        if (text[at] !== ":") return null;
        at = match(SPACE, text, at + 1);
      }
      const char = text[at];
      const node: JsonNode | null =
        char === "{" || char === "[" ? { kind: char === "{" ? "object" : "array", start: at, end: -1, children: [] } : leaf(text, at);
      if (!node) return null;
      if (key !== undefined) node.key = key;
      parent?.children.push(node);
      if (node.end < 0) {
        open.push(node);
        at = match(SPACE, text, at + 1);
        continue;
      }
      at = match(SPACE, text, node.end);
      if (!parent) return at === text.length ? node : null;
    }
    // After a value: a comma goes on, brackets close as many as there are.
    for (;;) {
      if (at < 0) return null;
      const last = open.at(-1);
      if (!last) return null;
      if (text[at] === ",") {
        at = match(SPACE, text, at + 1);
        break;
      }
      if (text[at] !== "]" && text[at] !== "}") return null;
      at = close(at);
      if (open.length === 0) return at === text.length ? last : null;
    }
  }

  function close(where: number): number {
    const node = open.at(-1);
    if (!node || text[where] !== (node.kind === "object" ? "}" : "]")) return -1;
    node.end = where + 1;
    open.pop();
    return match(SPACE, text, where + 1);
  }
}

/** The text of a JSON string; what JSON.parse refuses (raw control characters) stays as it is written. */
export function decodeString(raw: string): string {
  try {
    return JSON.parse(raw) as string;
  } catch {
    return raw.slice(1, -1);
  }
}

/** A JSON text that is a string, decoded; null: it is something else. */
export function stringAnswer(text: string): string | null {
  if (!text.startsWith('"')) return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "string" ? value : null;
  } catch {
    return null;
  }
}

export interface JsonRow {
  node: JsonNode;
  /** Names the node for as long as the text stays. */
  id: string;
  depth: number;
  /** Name or number in its parent. */
  label: string | null;
  /** Whether it has anything to unfold. */
  folds: boolean;
}

/** The rows of a tree that are seen with `folded` nodes (by id) shut. */
export function rowsOf(root: JsonNode, folded: ReadonlySet<string>): JsonRow[] {
  const rows: JsonRow[] = [];
  const stack: JsonRow[] = [{ node: root, id: "0", depth: 0, label: null, folds: root.children.length > 0 }];
  for (let row = stack.pop(); row; row = stack.pop()) {
    rows.push(row);
    if (!row.folds || folded.has(row.id)) continue;
    for (let i = row.node.children.length - 1; i >= 0; i--) {
      const node = row.node.children[i] as JsonNode;
      stack.push({ node, id: String(node.start), depth: row.depth + 1, label: node.key ?? String(i), folds: node.children.length > 0 });
    }
  }
  return rows;
}

/** Ids of the nodes below `depth` that fold: what is shut when a large tree opens. */
export function foldedBelow(root: JsonNode, depth: number): Set<string> {
  return new Set(rowsOf(root, new Set()).filter((row) => row.folds && row.depth >= depth).map((row) => row.id));
}

/** The text with one value a line, indented; digits and escapes as they were. Nesting beyond 100 is not indented further. */
export function prettyJson(text: string, root: JsonNode): string {
  const lines: string[] = [];
  const indent = (depth: number) => "  ".repeat(Math.min(depth, 100));
  const head = (node: JsonNode) => (node.key === undefined ? "" : `${JSON.stringify(node.key)}: `);
  type Step = { node: JsonNode; depth: number; comma: string } | { line: string };
  const stack: Step[] = [{ node: root, depth: 0, comma: "" }];
  for (let step = stack.pop(); step; step = stack.pop()) {
    if ("line" in step) {
      lines.push(step.line);
      continue;
    }
    const { node, depth, comma } = step;
    if (node.children.length === 0) {
      const value = node.kind === "object" ? "{}" : node.kind === "array" ? "[]" : text.slice(node.start, node.end);
      lines.push(indent(depth) + head(node) + value + comma);
      continue;
    }
    const [left, right] = node.kind === "object" ? ["{", "}"] : ["[", "]"];
    lines.push(indent(depth) + head(node) + left);
    stack.push({ line: indent(depth) + right + comma });
    for (let i = node.children.length - 1; i >= 0; i--) {
      stack.push({ node: node.children[i] as JsonNode, depth: depth + 1, comma: i < node.children.length - 1 ? "," : "" });
    }
  }
  return lines.join("\n");
}
