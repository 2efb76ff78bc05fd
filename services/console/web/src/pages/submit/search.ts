// What the address of the submit page says.
export interface SubmitSearch {
  /** Id of an older test that fills the form. */
  again?: string;
}

export function submitSearch(search: Record<string, unknown>): SubmitSearch {
  return typeof search.again === "string" ? { again: search.again } : {};
}
