// What the address of the history says: every filter. Anything else in it is left out.
export interface HistorySearch {
  page?: string;
}

export function historySearch(search: Record<string, unknown>): HistorySearch {
  return typeof search.page === "string" ? { page: search.page } : {};
}
