// What the addresses of these pages say.
export interface AgentSearch {
  page?: string;
}

export function agentSearch(search: Record<string, unknown>): AgentSearch {
  return typeof search.page === "string" ? { page: search.page } : {};
}
