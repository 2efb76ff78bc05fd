// A test that is followed: messages of the event stream, which leave out code and answer, patched into what was read whole.
import { useQuery, useQueryClient, type UseQueryResult } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useFeed } from "../../api/events";
import { testQuery } from "../../api/queries";
import type { Test } from "../../api/types";
import { hasEnded } from "../../components/states";

/** `told` (view RESULT) over `known` (view FULL): what only FULL has is kept. An older message than what is known is not taken. */
export function mergeTold(known: Test, told: Test): Test {
  const isOlder = (told.history?.length ?? 0) < (known.history?.length ?? 0) || (hasEnded(known.state) && !hasEnded(told.state));
  if (isOlder || told.id !== known.id) return known;
  const merged: Test = { ...told, spec: known.spec ?? told.spec };
  if (known.projectFiles) merged.projectFiles = known.projectFiles;
  if (known.inputFiles) merged.inputFiles = known.inputFiles;
  if (told.result && known.result?.responseJson !== undefined) merged.result = { ...told.result, responseJson: known.result.responseJson };
  if (told.failure?.agentError && known.failure?.agentError?.traceback) {
    merged.failure = { ...told.failure, agentError: { ...told.failure.agentError, traceback: known.failure.agentError.traceback } };
  }
  return merged;
}

/** How long after the end what is counted then (cost, sum of the log) is there. */
const AFTER_END_MS = 4000;

export interface LiveTest {
  query: UseQueryResult<Test>;
  /** Whether it ended while this page was open. */
  endedHere: boolean;
  /** Takes the test as an answer of the API tells it (view RESULT). */
  take: (told: Test | undefined) => void;
}

/** Reads the test and follows it to its end. */
export function useLiveTest(testId: string, enabled: boolean): LiveTest {
  const client = useQueryClient();
  const query = useQuery({ ...testQuery(testId), enabled });
  const state = query.data?.state;
  const ended = hasEnded(state);
  // Which test, since another one may take its place (two that are compared are swapped).
  const [seenRunning, setSeenRunning] = useState("");
  if (state !== undefined && !ended && seenRunning !== testId) setSeenRunning(testId);
  const endedHere = seenRunning === testId && ended;

  const take = (told: Test | undefined) => {
    if (!told) return;
    const { queryKey } = testQuery(testId);
    // An answer still on its way may be older than this message.
    void client.cancelQueries({ queryKey, exact: true }).then(() => {
      client.setQueryData(queryKey, (known) => (known ? mergeTold(known, told) : known));
    });
  };
  useFeed<"test">(state !== undefined && !ended ? { kind: "test", testId } : null, (message) => {
    if (message.kind === "test") take(message.data.test);
  });

  useEffect(() => {
    if (!endedHere) return undefined;
    const read = () => {
      void client.invalidateQueries({ queryKey: testQuery(testId).queryKey, exact: true });
      void client.invalidateQueries({ queryKey: ["chain"] });
      void client.invalidateQueries({ queryKey: ["agent-stats"] });
    };
    // Answer and traceback now; cost is counted a moment later.
    read();
    const timer = setTimeout(read, AFTER_END_MS);
    return () => clearTimeout(timer);
  }, [endedHere, client, testId]);

  return { query, endedHere, take };
}
