// Whether admins are warned on every page. One bad reading may be a busy moment, so a second one has to say the same.
import { queryOptions } from "@tanstack/react-query";
import { call } from "../api/call";
import type { HealthState } from "../api/types";

const AGAIN_MS = 1500;
const EVERY_MS = 10_000;

const isBad = (state: HealthState | undefined): state is HealthState => state === "HEALTH_STATE_DEGRADED" || state === "HEALTH_STATE_UNHEALTHY";

/** The state that two readings agree on at least: the better one. `againMs`: between them. */
export async function confirmed(read: () => Promise<HealthState | undefined>, againMs = AGAIN_MS): Promise<HealthState | null> {
  const first = await read();
  if (!isBad(first)) return null;
  await new Promise((resolve) => setTimeout(resolve, againMs));
  const second = await read();
  if (!isBad(second)) return null;
  return first === second ? second : "HEALTH_STATE_DEGRADED";
}

export const troubleQuery = queryOptions({
  queryKey: ["trouble"],
  queryFn: ({ signal }) => confirmed(async () => (await call("AdminService", "getSystemHealth", {}, signal)).state),
  refetchInterval: EVERY_MS,
});
