// What the address of the queue says.
export interface QueueSearch {
  /** Token of the page of waiting tests. */
  page?: string;
}

export function queueSearch(search: Record<string, unknown>): QueueSearch {
  return typeof search.page === "string" && search.page ? { page: search.page } : {};
}
