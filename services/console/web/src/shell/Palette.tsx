// The command palette (Ctrl-K): pages, tests by id or words, agents, and what can be done with the test that is open.
import { Spotlight, spotlight, type SpotlightActionData } from "@mantine/spotlight";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useRouterState } from "@tanstack/react-router";
import { useDebouncedValue } from "@mantine/hooks";
import { useState, type KeyboardEvent } from "react";
import { call } from "../api/call";
import { useSession } from "../api/session";
import { visible } from "../components/bidi";
import { AgentIcon, SearchIcon, TestIcon } from "../components/icons";
import { lookOf, nameOf, queryOf } from "../components/states";
import { useTestActions } from "./testActions";
import { PLACES } from "./navigation";

export const openPalette = (): void => spotlight.open();

const TEST_ID = /^tst_[0-9a-f]{32}$/;

export function Palette() {
  const navigate = useNavigate();
  const { isAdmin } = useSession();
  const [typed, setTyped] = useState("");
  const [query] = useDebouncedValue(typed.trim(), 200);
  const path = useRouterState({ select: (state) => state.location.pathname });
  const openTest = /^\/tests\/(tst_[0-9a-f]{32})/.exec(path)?.[1];
  const onTest = useTestActions(openTest);

  const tests = useQuery({
    queryKey: ["palette", "tests", query],
    enabled: query.length > 1,
    queryFn: async ({ signal }) => {
      const filter = TEST_ID.test(query) ? undefined : { text: query.slice(0, 200) };
      if (!filter) return [];
      return (await call("TestService", "listTests", { pageSize: 6, filter }, signal)).tests ?? [];
    },
  });
  const agents = useQuery({
    queryKey: ["palette", "agents"],
    staleTime: 30_000,
    enabled: query.length > 0,
    queryFn: async ({ signal }) => (await call("TestService", "listAgents", { pageSize: 100 }, signal)).agents ?? [],
  });

  // What is known here is found at once: Enter after quick typing must not take what stood there before.
  const words = typed.trim().toLowerCase();
  const matches = (text: string) => text.toLowerCase().includes(words);
  const pages: SpotlightActionData[] = PLACES.filter((place) => (isAdmin || !place.admin) && matches(place.label)).map((place) => ({
    id: `page ${place.to}`,
    label: place.label,
    description: `Go to the page (g ${place.key})`,
    leftSection: <place.icon width={20} aria-hidden />,
    onClick: () => void navigate({ to: place.to }),
  }));
  const byId: SpotlightActionData[] = TEST_ID.test(query)
    ? [{ id: `test ${query}`, label: `Test ${query}`, leftSection: <TestIcon width={20} aria-hidden />, onClick: () => void navigate({ to: "/tests/$testId", params: { testId: query } }) }]
    : [];
  const found: SpotlightActionData[] = (tests.data ?? []).map((test) => ({
    id: `test ${test.id}`,
    label: nameOf(test),
    description: `${lookOf(test.state, test.failure?.code).label} · ${queryOf(test)} · ${test.id}`,
    leftSection: <TestIcon width={20} aria-hidden />,
    onClick: () => void navigate({ to: "/tests/$testId", params: { testId: test.id ?? "" } }),
  }));
  const known: SpotlightActionData[] = (words ? (agents.data ?? []) : [])
    .filter((agent) => matches(`${agent.stats?.agentName} ${agent.stats?.agentId}`))
    .slice(0, 6)
    .map((agent) => ({
      id: `agent ${agent.stats?.agentId}`,
      label: visible(agent.stats?.agentName || (agent.stats?.agentId ?? "")),
      description: "Agent",
      leftSection: <AgentIcon width={20} aria-hidden />,
      onClick: () => void navigate({ to: "/agents/$agentId", params: { agentId: agent.stats?.agentId ?? "" }, search: isAdmin ? { user: agent.userId } : {} }),
    }));
  const actions = onTest.filter((action) => matches(String(action.label)));

  // Mantine selects the first of what stands there while one types; what the server finds comes later.
  const takeFirst = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.key !== "Enter" || event.nativeEvent.isComposing || typed.trim() !== query) return;
    const dialog = event.currentTarget.closest('[role="dialog"]');
    if (dialog && !dialog.querySelector("[data-selected]")) dialog.querySelector<HTMLElement>("[data-action]")?.click();
  };

  return (
    <Spotlight
      actions={[
        { group: "This test", actions },
        { group: "Pages", actions: pages },
        { group: "Tests", actions: [...byId, ...found] },
        { group: "Agents", actions: known },
      ].filter((group) => group.actions.length > 0)}
      filter={(_, all) => all}
      query={typed}
      onQueryChange={setTyped}
      shortcut={["mod + K"]}
      tagsToIgnore={[]}
      triggerOnContentEditable
      nothingFound="Nothing found. A test is found by its id, its name or words of its query."
      searchProps={{ leftSection: <SearchIcon width={20} aria-hidden />, placeholder: "Page, test, agent or action", "aria-label": "Page, test, agent or action", onKeyDown: takeFirst }}
      closeOnActionTrigger
      title="Go to…"
      clearQueryOnClose
      highlightQuery
    />
  );
}
