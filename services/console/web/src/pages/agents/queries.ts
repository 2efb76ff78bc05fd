// What the pages of the agents ask the server.
import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { call } from "../../api/call";
import type { AgentSearch } from "./search";

export const agentsQuery = (search: AgentSearch) =>
  queryOptions({
    queryKey: ["agents", "list", search],
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => call("TestService", "listAgents", { pageSize: 25, pageToken: search.page, userId: search.user, runs: 20 }, signal),
  });

/** The newest 100 ended tests of an agent, oldest first. */
export const agentRunsQuery = (agentId: string, userId: string | undefined) =>
  queryOptions({
    queryKey: ["agents", "runs", agentId, userId],
    queryFn: async ({ signal }) => {
      const answer = await call(
        "TestService",
        "listTests",
        {
          pageSize: 100,
          view: "TEST_VIEW_RESULT",
          filter: { agentId, userId, states: ["TEST_STATE_COMPLETED", "TEST_STATE_FAILED", "TEST_STATE_TIMED_OUT", "TEST_STATE_ARCHIVED"], includeArchived: true },
        },
        signal,
      );
      return (answer.tests ?? []).reverse();
    },
  });
