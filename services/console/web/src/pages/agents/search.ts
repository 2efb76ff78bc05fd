// What the addresses of the agents say.
export interface AgentSearch {
  /** Token of the page of agents. */
  page?: string;
  user?: string;
}

export function agentSearch(search: Record<string, unknown>): AgentSearch {
  const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
  return Object.fromEntries(Object.entries({ page: text(search.page), user: text(search.user) }).filter(([, value]) => value !== undefined));
}
