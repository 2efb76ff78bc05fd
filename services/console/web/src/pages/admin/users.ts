// Which users Assay has heard of. No call lists them: they are gathered from the keys and from whose tests cost something.
import { queryOptions } from "@tanstack/react-query";
import { call } from "../../api/call";

/** How far back somebody may have run their last test. */
const BACK_MS = 90 * 86_400_000;
/** Pages of 100 keys that are read at most. */
const MOST_PAGES = 10;

async function holdersOfKeys(signal: AbortSignal): Promise<string[]> {
  const users = new Set<string>();
  let pageToken: string | undefined;
  for (let page = 0; page < MOST_PAGES; page++) {
    const answer = await call("AdminService", "listApiKeys", { pageSize: 100, pageToken, includeEnded: true }, signal);
    for (const key of answer.keys ?? []) if (key.userId) users.add(key.userId);
    pageToken = answer.nextPageToken;
    if (!pageToken) break;
  }
  return [...users];
}

/** Whoever signs in through a sign-in service has no key, but tests. `now`: of the server, in milliseconds. */
async function ownersOfTests(now: number, signal: AbortSignal): Promise<string[]> {
  const answer = await call("AdminService", "getCostReport", { groupBy: "COST_GROUPING_USER", fromTime: new Date(now - BACK_MS).toISOString() }, signal);
  return (answer.rows ?? []).flatMap((row) => (row.key ? [row.key] : []));
}

/** Known users in the order of the alphabet: suggestions, never all there may be. What cannot be read is left out. */
export const usersQuery = (now: () => number) =>
  queryOptions({
    queryKey: ["users"],
    staleTime: 60_000,
    queryFn: async ({ signal }) => {
      const found = await Promise.allSettled([holdersOfKeys(signal), ownersOfTests(now(), signal)]);
      return [...new Set(found.flatMap((one) => (one.status === "fulfilled" ? one.value : [])))].sort();
    },
  });
