// What the history asks the server.
import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { call } from "../../api/call";
import type { TestState } from "../../api/types";
import { ORDERS, toFilter, type HistorySearch } from "./search";

export const PAGE_SIZE = 25;

export const listQuery = (search: HistorySearch, now: () => number) =>
  queryOptions({
    queryKey: ["tests", "list", search],
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) =>
      call(
        "TestService",
        "listTests",
        {
          pageSize: PAGE_SIZE,
          pageToken: search.page,
          filter: toFilter(search, now()),
          order: ORDERS[search.order ?? "newest"].api,
        },
        signal,
      ),
  });

/** Totals by state of the tests of the caller, or of the one user that an admin looks at. */
export const totalsQuery = (user: string | undefined) =>
  queryOptions({
    queryKey: ["tests", "totals", user],
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => {
      const answer = await call("TestService", "listTests", { pageSize: 1, includeTotals: true, filter: user ? { userId: user } : undefined }, signal);
      return Object.fromEntries((answer.totals ?? []).map((total) => [total.state, Number(total.count ?? 0)])) as Partial<Record<TestState, number>>;
    },
  });
