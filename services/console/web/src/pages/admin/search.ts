// What the addresses of these pages say.
export interface AdminSearch {
  page?: string;
}

export function adminSearch(search: Record<string, unknown>): AdminSearch {
  return typeof search.page === "string" ? { page: search.page } : {};
}
