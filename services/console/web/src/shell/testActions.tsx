// What the palette offers for the test that is open. A page listens for the name; the palette knows no dialog.
import type { SpotlightActionData } from "@mantine/spotlight";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { testQuery } from "../api/queries";
import { CompareIcon, EditIcon, HistoryIcon, PackageIcon, RetryIcon, StopIcon } from "../components/icons";
import { hasEnded, hasPassed } from "../components/states";

/** What can be asked of the page of a test from outside. */
export type TestAction = "cancel" | "retry" | "compare" | "package";

const target = new EventTarget();
/** Tests whose page listens: its log on a page of its own has no dialogs. */
const listening = new Set<string>();
/** What the page of a test is asked for as soon as it is there. */
const waiting = new Map<string, TestAction>();

/** Calls `act` when the palette asks this test's page for something. */
export function useTestAction(testId: string, act: (action: TestAction) => void): void {
  const latest = useRef(act);
  useEffect(() => {
    latest.current = act;
  });
  useEffect(() => {
    const listener = (event: Event) => latest.current((event as CustomEvent<TestAction>).detail);
    target.addEventListener(testId, listener);
    listening.add(testId);
    const asked = waiting.get(testId);
    waiting.delete(testId);
    if (asked) latest.current(asked);
    return () => {
      target.removeEventListener(testId, listener);
      listening.delete(testId);
    };
  }, [testId]);
}

/** The actions for the test with this id, by its state as it is known to the page. */
export function useTestActions(testId: string | undefined): SpotlightActionData[] {
  const client = useQueryClient();
  const navigate = useNavigate();
  if (!testId) return [];
  const test = client.getQueryData(testQuery(testId).queryKey);
  if (!test) return [];
  const ask = (action: TestAction) => () => {
    if (listening.has(testId)) {
      target.dispatchEvent(new CustomEvent(testId, { detail: action }));
      return;
    }
    waiting.set(testId, action);
    void navigate({ to: "/tests/$testId", params: { testId } });
  };
  const ended = hasEnded(test.state);
  return [
    ...(ended ? [] : [{ id: "cancel", label: "Cancel this test", leftSection: <StopIcon width={20} aria-hidden />, onClick: ask("cancel") }]),
    ...(ended ? [{ id: "retry", label: "Retry this test", leftSection: <RetryIcon width={20} aria-hidden />, onClick: ask("retry") }] : []),
    { id: "again", label: "Edit this test and run it again", leftSection: <EditIcon width={20} aria-hidden />, onClick: () => void navigate({ to: "/submit", search: { again: testId } }) },
    { id: "compare", label: "Compare this test with another", leftSection: <CompareIcon width={20} aria-hidden />, onClick: ask("compare") },
    ...(hasPassed(test) ? [{ id: "package", label: "Package of this test", leftSection: <PackageIcon width={20} aria-hidden />, onClick: ask("package") }] : []),
    { id: "log", label: "Log of this test, full screen", leftSection: <HistoryIcon width={20} aria-hidden />, onClick: () => void navigate({ to: "/tests/$testId/log", params: { testId } }) },
  ];
}
