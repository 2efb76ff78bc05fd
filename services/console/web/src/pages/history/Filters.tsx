// The filters of the history: each writes the address, and the address alone says what is listed.
import { Button, Chip, Collapse, Group, NativeSelect, SimpleGrid, Stack, Switch, TagsInput, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useEffect } from "react";
import type { TestState } from "../../api/types";
import { useSession } from "../../api/session";
import { ChevronDownIcon, SearchIcon } from "../../components/icons";
import { lookOf, STATES } from "../../components/states";
import { TextFilter } from "../../components/TextFilter";
import { countFilters, ORDERS, shortState, type HistoryOrder, type HistorySearch } from "./search";

type Change = (change: Partial<HistorySearch>) => void;

const SPANS = [
  { value: "", label: "Any time" },
  { value: "1h", label: "Last hour" },
  { value: "24h", label: "Last 24 hours" },
  { value: "7d", label: "Last 7 days" },
  { value: "30d", label: "Last 30 days" },
];

/** A time of the address in the form of a date field, in the zone of the browser; empty: none. */
function toField(value: string | undefined): string {
  const at = value ? Date.parse(value) : Number.NaN;
  if (!Number.isFinite(at)) return "";
  const local = new Date(at - new Date(at).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}
const fromField = (value: string): string | undefined => (value ? new Date(value).toISOString() : undefined);

export function Filters({ search, totals, change, clear }: { search: HistorySearch; totals: Partial<Record<TestState, number>> | undefined; change: Change; clear: () => void }) {
  const { isAdmin } = useSession();
  const count = countFilters(search);
  const hidden = ["agent", "provider", "label", "code", "from", "to", "user", "archived"].some((key) => key in search);
  const [opened, { toggle, open }] = useDisclosure(hidden);
  useEffect(() => {
    if (hidden) open();
  }, [hidden, open]);
  const span = SPANS.some((one) => one.value === (search.from ?? "")) && !search.to ? (search.from ?? "") : "exact";
  const states = STATES.filter((state) => state !== "TEST_STATE_ARCHIVED" || search.archived);
  return (
    <Stack gap="sm" component="search">
      <Group align="end" gap="sm">
        <TextFilter
          label="Words in name or query"
          placeholder="whole words"
          maxLength={200}
          flex="1 1 220px"
          leftSection={<SearchIcon width={16} aria-hidden />}
          value={search.text}
          onChange={(text) => change({ text })}
        />
        <NativeSelect
          label="Order"
          value={search.order ?? "newest"}
          onChange={(event) => change({ order: event.currentTarget.value === "newest" ? undefined : (event.currentTarget.value as HistoryOrder) })}
          data={Object.entries(ORDERS).map(([value, { label }]) => ({ value, label }))}
        />
        <Button variant="default" onClick={toggle} aria-expanded={opened} rightSection={<ChevronDownIcon width={14} aria-hidden />}>
          Filters{count > 0 ? ` (${count})` : ""}
        </Button>
        {count > 0 && (
          <Button variant="subtle" onClick={clear}>
            Clear all
          </Button>
        )}
      </Group>
      <Chip.Group multiple value={search.state ?? []} onChange={(value) => change({ state: value.length > 0 ? value : undefined })}>
        <Group gap={6} role="group" aria-label="States">
          {states.map((state) => (
            <Chip key={state} value={shortState(state)} size="xs" variant="light" color={lookOf(state).color}>
              {state === "TEST_STATE_FAILED" ? "Failed or cancelled" : lookOf(state).label}
              {totals?.[state] === undefined ? "" : ` ${totals[state].toLocaleString("en-US")}`}
            </Chip>
          ))}
        </Group>
      </Chip.Group>
      <Collapse expanded={opened}>
        {opened && (
          <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }} spacing="sm">
            <TextFilter label="Agent id" value={search.agent} onChange={(agent) => change({ agent })} />
            <TextFilter label="Model provider" value={search.provider} placeholder="bedrock" onChange={(provider) => change({ provider })} />
            <TextFilter label="Failure code" value={search.code} placeholder="AGENT_EXCEPTION" onChange={(code) => change({ code: code?.toUpperCase() })} />
            <TagsInput label="Labels" placeholder="team=blue" value={search.label ?? []} onChange={(label) => change({ label: label.length > 0 ? label : undefined })} />
            <NativeSelect
              label="Submitted"
              value={span}
              onChange={(event) => {
                const value = event.currentTarget.value;
                if (value === "exact") change({ from: new Date(Date.now() - 86_400_000).toISOString() });
                else change({ from: value || undefined, to: undefined });
              }}
              data={[...SPANS, { value: "exact", label: "From … to …" }]}
            />
            {span === "exact" && (
              <>
                <TextInput label="From" type="datetime-local" value={toField(search.from)} onChange={(event) => change({ from: fromField(event.currentTarget.value) })} />
                <TextInput label="Before" type="datetime-local" value={toField(search.to)} onChange={(event) => change({ to: fromField(event.currentTarget.value) })} />
              </>
            )}
            {isAdmin && <TextFilter label="User" value={search.user} placeholder="everybody" onChange={(user) => change({ user })} />}
            <Switch styles={{ root: { alignSelf: "end" } }} pb={8} label="Archived ones, too" checked={search.archived ?? false} onChange={(event) => change({ archived: event.currentTarget.checked || undefined })} />
          </SimpleGrid>
        )}
      </Collapse>
    </Stack>
  );
}
