// What the addresses of these pages say.
export interface QueueSearch {
  page?: string;
}

export function queueSearch(search: Record<string, unknown>): QueueSearch {
  return typeof search.page === "string" ? { page: search.page } : {};
}
