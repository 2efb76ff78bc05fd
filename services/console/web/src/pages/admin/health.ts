// What the answer of GetSystemHealth means, in words. No I/O.
import type { HealthState, ServiceHealth, SystemHealth } from "../../api/types";
import { parseDuration, formatDuration } from "../../time/durations";

export interface Look {
  word: string;
  color: string;
}

export function lookOfHealth(state: HealthState | undefined): Look {
  switch (state) {
    case "HEALTH_STATE_HEALTHY":
      return { word: "Works", color: "green" };
    case "HEALTH_STATE_DEGRADED":
      return { word: "Degraded", color: "orange" };
    case "HEALTH_STATE_UNHEALTHY":
      return { word: "Down", color: "red" };
    default:
      return { word: "Not known", color: "gray" };
  }
}

const DOES: Record<string, string> = {
  gateway: "takes calls",
  scheduler: "grants slots: while it is down, tests wait",
  orchestrator: "runs tests: while it is down, none starts and none ends",
  logstreamer: "reads output: while it is down, logs stand still and come later",
  packager: "makes packages: while it is down, they wait",
};

/** What a service is for, and what its absence does. */
export const whatItDoes = (service: string): string => DOES[service] ?? "";

/** Services with their replicas, the worst service first, then by name. */
export function byService(services: ServiceHealth[]): { service: string; replicas: ServiceHealth[]; state: HealthState | undefined }[] {
  const names = [...new Set(services.map((one) => one.service ?? ""))];
  const rank = (state: HealthState | undefined) => ["HEALTH_STATE_UNHEALTHY", "HEALTH_STATE_DEGRADED", undefined, "HEALTH_STATE_HEALTHY"].indexOf(state);
  return names
    .map((service) => {
      const replicas = services.filter((one) => one.service === service);
      // One replica that works is enough for work to be done; none is a service that is down.
      const best = replicas.map((one) => one.state).sort((a, b) => rank(b) - rank(a))[0];
      const worst = replicas.map((one) => one.state).sort((a, b) => rank(a) - rank(b))[0];
      const state: HealthState | undefined = best === "HEALTH_STATE_HEALTHY" && worst !== "HEALTH_STATE_HEALTHY" ? "HEALTH_STATE_DEGRADED" : best;
      return { service, replicas: replicas.sort((a, b) => rank(a.state) - rank(b.state)), state };
    })
    .sort((a, b) => rank(a.state) - rank(b.state) || a.service.localeCompare(b.service));
}

/** The findings in sentences, the worst first; empty: all is well. */
export function whatIsWrong(health: SystemHealth): string[] {
  const said: string[] = [];
  for (const one of health.dependencies ?? []) {
    // One without a state was not asked yet, of which nothing follows.
    if (one.state && one.state !== "HEALTH_STATE_HEALTHY") said.push(`${one.name}: ${one.detail || lookOfHealth(one.state).word.toLowerCase()}`);
  }
  const isDeaf = (health.dependencies ?? []).some((one) => one.name === "nats" && one.state === "HEALTH_STATE_UNHEALTHY");
  if (isDeaf) said.push("Services report through nats: while it does not answer, those below may be well and only unheard");
  for (const { service, replicas, state } of byService(health.services ?? [])) {
    if (state === "HEALTH_STATE_HEALTHY") continue;
    const details = replicas.flatMap((one) => (one.checks ?? []).filter((check) => check.state !== "HEALTH_STATE_HEALTHY").map((check) => check.detail || `${check.name} does not work`));
    const what = details[0] ?? (replicas.every((one) => !one.instance) ? "was never heard of" : `is ${lookOfHealth(state).word.toLowerCase()}`);
    const effect = state === "HEALTH_STATE_UNHEALTHY" && DOES[service] ? ` It ${DOES[service]}.` : "";
    said.push(`${service}: ${what}.${effect}`.replace("..", "."));
  }
  if (Number(health.deadLetterCount ?? 0) > 0) said.push(`${health.deadLetterCount} dead letters: messages that no service could handle`);
  return said;
}

/** The checks of a replica that say more than when it was last heard from, which stands above them. */
export function toldOf(replica: ServiceHealth): { name: string; detail: string }[] {
  return (replica.checks ?? [])
    .filter((check) => check.state !== "HEALTH_STATE_HEALTHY" && check.detail && !(check.name === "report" && replica.lastSeenTime))
    .map((check) => ({ name: check.name ?? "", detail: check.detail ?? "" }));
}

/** "2 h 10 min", of a replica that started then. */
export function uptime(startTime: string | undefined, now: number): string {
  const at = Date.parse(startTime ?? "");
  return Number.isFinite(at) ? formatDuration(Math.max(0, Math.floor((now - at) / 1000) * 1000)) : "–";
}

/** A lag below this is the ordinary time from an event to who hears of it. */
const LAG_MS = 2000;

export function lagOf(text: string | undefined): { words: string; high: boolean } {
  const ms = parseDuration(text);
  return { words: formatDuration(ms), high: (ms ?? 0) > LAG_MS };
}
