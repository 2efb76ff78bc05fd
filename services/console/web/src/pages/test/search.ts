// What the addresses of a test and of a comparison say.
export interface TestSearch {
  /** "12" or "12-40": lines of the log that are opened and marked. */
  line?: string;
  /** Which part is shown below the head. */
  tab?: string;
}

export function testSearch(search: Record<string, unknown>): TestSearch {
  const line = typeof search.line === "number" ? String(search.line) : search.line;
  return {
    ...(typeof line === "string" && /^\d{1,16}(-\d{1,16})?$/.test(line) ? { line } : {}),
    ...(typeof search.tab === "string" ? { tab: search.tab } : {}),
  };
}

export interface CompareSearch {
  a?: string;
  b?: string;
}

export function compareSearch(search: Record<string, unknown>): CompareSearch {
  return {
    ...(typeof search.a === "string" ? { a: search.a } : {}),
    ...(typeof search.b === "string" ? { b: search.b } : {}),
  };
}
