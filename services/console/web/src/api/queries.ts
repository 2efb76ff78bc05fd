// Questions to the API that several pages ask, each with its key in one place.
import { QueryClient, queryOptions } from "@tanstack/react-query";
import { ApiError, call } from "./call";

const isAway = (error: unknown): boolean => error instanceof ApiError && error.isAway;
const AGAIN_MS = 4000;

/** One client for the page: what the server says is wrong is not asked again; a server that is away is, until it is back. */
export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 2000,
        // A browser that is offline may well reach the console: local mode is on the same machine. Asking tells.
        networkMode: "always",
        refetchOnReconnect: true,
        retry: (failures, error) => isAway(error) && failures < 3,
        retryDelay: (failures) => Math.min(500 * 2 ** failures, 4000),
        refetchInterval: (query) => (isAway(query.state.error) ? AGAIN_MS : false),
      },
      // Nothing is done later that somebody asked for now: what cannot be sent fails.
      mutations: { networkMode: "always" },
    },
  });
}

export const testQuery = (testId: string) =>
  queryOptions({
    queryKey: ["test", testId],
    queryFn: async ({ signal }) => {
      const { test } = await call("TestService", "getTest", { testId }, signal);
      if (!test) throw new ApiError(404, { code: "NOT_FOUND", message: `There is no test ${testId}.` });
      return test;
    },
  });

export const accountQuery = queryOptions({
  queryKey: ["account"],
  queryFn: ({ signal }) => call("AccountService", "getAccount", {}, signal),
});

export const chainQuery = (testId: string) =>
  queryOptions({
    queryKey: ["chain", testId],
    queryFn: async ({ signal }) => (await call("TestService", "getRetryChain", { testId }, signal)).tests ?? [],
  });

export const agentStatsQuery = (request: { agentId?: string; testId?: string; userId?: string }) =>
  queryOptions({
    queryKey: ["agent-stats", request],
    queryFn: ({ signal }) => call("TestService", "getAgentStats", request, signal),
  });

export const queueQuery = queryOptions({
  queryKey: ["queue"],
  queryFn: async ({ signal }) => (await call("QueueService", "getQueueStatus", {}, signal)).status ?? {},
});

export const healthQuery = queryOptions({
  queryKey: ["health"],
  queryFn: ({ signal }) => call("AdminService", "getSystemHealth", {}, signal),
  refetchInterval: 2000,
});
