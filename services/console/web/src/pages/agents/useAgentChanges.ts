import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { useFeed } from "../../api/events";
import type { TestFilter } from "../../api/types";
import { hasEnded } from "../../components/states";

/** Tests that end change the figures of agents: they are read again, at most this often. */
const AGAIN_MS = 3000;

/** Reads the figures of agents again when tests of them end. */
export function useAgentChanges(filter: TestFilter): void {
  const client = useQueryClient();
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  useFeed<"tests">({ kind: "tests", filter }, (message) => {
    if (message.kind !== "tests") return;
    const tests = message.data.tests ?? [];
    // The first message has no tests: what ended between the reading of the figures and it, nobody told.
    const counts = message.data.more || tests.length === 0 || tests.some((test) => hasEnded(test.state));
    if (!counts || timer.current !== undefined) return;
    timer.current = setTimeout(() => {
      timer.current = undefined;
      void client.invalidateQueries({ queryKey: ["agents"] });
      void client.invalidateQueries({ queryKey: ["agent-stats"] });
    }, AGAIN_MS);
  });
}
