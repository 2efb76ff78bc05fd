import { expect, it } from "vitest";
import type { HealthState } from "../api/types";
import { confirmed } from "./trouble";

const HEALTHY: HealthState = "HEALTH_STATE_HEALTHY";
const DEGRADED: HealthState = "HEALTH_STATE_DEGRADED";
const DOWN: HealthState = "HEALTH_STATE_UNHEALTHY";

it.each<[string, HealthState[], HealthState | null]>([
  ["one bad reading is no trouble", [DOWN, HEALTHY], null],
  ["two bad ones are", [DOWN, DOWN], DOWN],
  ["of two different ones the better counts", [DOWN, DEGRADED], DEGRADED],
  ["a good one is not asked again", [HEALTHY], null],
])("%s", async (_name, readings, wanted) => {
  const left = [...readings];
  expect(await confirmed(() => Promise.resolve(left.shift()), 0)).toBe(wanted);
  expect(left).toEqual([]);
});
