// What can be done with a log: search, filter, go to a place, how it looks, take it along. On a narrow screen, where the lines
// need the room, what is seldom used folds into one button.
import { ActionIcon, Button, Checkbox, Divider, Group, NativeSelect, Popover, Stack, Text, TextInput } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { memo, useState, type ReactNode, type RefObject } from "react";
import type { LogLevel, LogStream } from "../api/types";
import { ChevronDownIcon, ChevronUpIcon, SearchIcon } from "../components/icons";
import { formatCount } from "../components/numbers";
import { Downloads } from "./Downloads";
import { parseRange, STREAMS, type LogFilter } from "./lines";
import type { Show } from "./show";
import type { FindState } from "./useFind";

interface ToolbarProps {
  testId: string;
  show: Show;
  onShow: (change: Partial<Show>) => void;
  filter: LogFilter;
  find: FindState & { step: (by: 1 | -1) => void };
  searchBox: RefObject<HTMLInputElement | null>;
  hasError: boolean;
  onFirstError: () => void;
  onLine: (first: number, last: number) => void;
  wrap: boolean;
  onWrap: (wrap: boolean) => void;
  times: boolean;
  timesName: string;
  onTimes: (times: boolean) => void;
  /** More of the page around, at the end. */
  tools?: ReactNode;
}

const LEVEL_CHOICES = [
  { value: "", label: "All levels" },
  { value: "LOG_LEVEL_INFO", label: "Info and above" },
  { value: "LOG_LEVEL_WARNING", label: "Warning and above" },
  { value: "LOG_LEVEL_ERROR", label: "Error and above" },
];

function found(find: FindState, wanted: boolean): string {
  if (!wanted) return "";
  if (find.error) return "The search failed";
  if (find.count === null) return "Searching…";
  if (find.count === 0) return "No match";
  return `${find.match ? `${formatCount(find.match.index + 1)} of ` : ""}${formatCount(find.count)} ${find.count === 1 ? "line" : "lines"}`;
}

interface StreamsProps {
  streams: readonly LogStream[];
  onChange: (streams: LogStream[]) => void;
}

function StreamBoxes({ streams, onChange }: StreamsProps) {
  return (
    <Checkbox.Group label="Streams that are shown" description="None chosen: all" value={[...streams]} onChange={(value) => onChange(value as LogStream[])}>
      <Stack gap="xs" mt="xs">
        {Object.entries(STREAMS).map(([value, { label }]) => (
          <Checkbox key={value} size="xs" value={value} label={label} />
        ))}
      </Stack>
    </Checkbox.Group>
  );
}

function Streams({ streams, onChange }: StreamsProps) {
  return (
    <Popover position="bottom-start" trapFocus withRoles>
      <Popover.Target>
        <Button size="xs" variant="default" rightSection={<ChevronDownIcon width={12} aria-hidden />}>
          {streams.length === 0 ? "All streams" : streams.length === 1 ? STREAMS[streams[0]!]?.label : `${streams.length} streams`}
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-label="Streams">
        <StreamBoxes streams={streams} onChange={onChange} />
      </Popover.Dropdown>
    </Popover>
  );
}

/** `count`: how many of what it hides narrow the view. */
function Folded({ count, children }: { count: number; children: ReactNode }) {
  return (
    <Popover position="bottom-end" trapFocus withRoles>
      <Popover.Target>
        <Button size="xs" variant="default" px={10} style={{ flex: "none" }} rightSection={<ChevronDownIcon width={12} aria-hidden />}>
          Options{count > 0 ? ` (${count})` : ""}
        </Button>
      </Popover.Target>
      <Popover.Dropdown mah="70dvh" style={{ overflow: "auto" }}>
        <Stack gap="sm" align="flex-start">
          {children}
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}

function GoTo({ onLine }: { onLine: (first: number, last: number) => void }) {
  const [text, setText] = useState("");
  const range = parseRange(text);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (range) onLine(range.first, range.last);
      }}
    >
      <TextInput
        size="xs"
        w={110}
        aria-label="Go to line or range"
        placeholder="Go to line"
        value={text}
        error={text !== "" && !range}
        onChange={(event) => setText(event.currentTarget.value)}
      />
    </form>
  );
}

/** Drawn again only when something of it changes: lines may come with every frame. */
export const Toolbar = memo(function Toolbar(props: ToolbarProps) {
  const { testId, show, onShow, filter, find, searchBox, hasError, onFirstError, onLine, wrap, onWrap, times, timesName, onTimes, tools } = props;
  const wanted = show.text !== "";
  const narrow = useMediaQuery("(max-width: 47.99em)", false, { getInitialValueInEffect: false });
  const search = (
    <TextInput
      ref={searchBox}
      size="xs"
      {...(narrow ? { flex: 1, miw: 0 } : { w: 220 })}
      maxLength={200}
      aria-label="Search in the whole log"
      aria-keyshortcuts="/"
      placeholder="Search in the whole log"
      leftSection={<SearchIcon width={14} aria-hidden />}
      value={show.text}
      onChange={(event) => onShow({ text: event.currentTarget.value })}
      onKeyDown={(event) => {
        if (event.key === "Enter") {
          event.preventDefault();
          find.step(event.shiftKey ? -1 : 1);
        } else if (event.key === "Escape") {
          if (wanted) onShow({ text: "" });
          else event.currentTarget.blur();
        }
      }}
    />
  );
  const steps = (
    <>
      <ActionIcon variant="default" size={30} aria-label="Previous match" title="Previous match (N)" disabled={!find.count} onClick={() => find.step(-1)}>
        <ChevronUpIcon width={14} aria-hidden />
      </ActionIcon>
      <ActionIcon variant="default" size={30} aria-label="Next match" title="Next match (n)" disabled={!find.count} onClick={() => find.step(1)}>
        <ChevronDownIcon width={14} aria-hidden />
      </ActionIcon>
    </>
  );
  const count = (
    <Text size="xs" c="dimmed" role="status" {...(narrow ? { flex: 1, miw: 0, lh: 1.2 } : { miw: 70 })}>
      {found(find, wanted)}
    </Text>
  );
  const error = (
    <Button
      size="xs"
      variant="default"
      px={narrow ? 10 : undefined}
      style={{ flex: "none" }}
      disabled={!hasError}
      title={hasError ? "To the first line of level error (e)" : "No line of level error so far"}
      aria-keyshortcuts="e"
      onClick={onFirstError}
    >
      First error
    </Button>
  );
  const matches = (
    <>
      <Checkbox size="xs" label="Match case" checked={show.matchCase} onChange={(event) => onShow({ matchCase: event.currentTarget.checked })} />
      <Checkbox size="xs" label="Only matches" checked={show.only} onChange={(event) => onShow({ only: event.currentTarget.checked })} />
    </>
  );
  const levels = (
    <NativeSelect
      size="xs"
      aria-label="Levels"
      data={LEVEL_CHOICES}
      value={show.minLevel ?? ""}
      onChange={(event) => onShow({ minLevel: (event.currentTarget.value || undefined) as LogLevel | undefined })}
    />
  );
  const looks = (
    <>
      <Checkbox size="xs" label="Wrap" aria-keyshortcuts="w" checked={wrap} onChange={(event) => onWrap(event.currentTarget.checked)} />
      <Checkbox size="xs" label={`Times (${timesName})`} aria-keyshortcuts="t" checked={times} onChange={(event) => onTimes(event.currentTarget.checked)} />
    </>
  );
  const streams = { streams: show.streams, onChange: (chosen: LogStream[]) => onShow({ streams: chosen }) };
  if (narrow) {
    return (
      <Stack gap={6} role="toolbar" aria-label="Log">
        <Group gap={6} wrap="nowrap">
          {search}
          {steps}
        </Group>
        <Group gap={6} wrap="nowrap">
          {count}
          {error}
          <Folded count={[show.matchCase, show.only, show.minLevel, show.streams.length > 0].filter(Boolean).length}>
            {matches}
            {levels}
            <Divider w="100%" />
            <StreamBoxes {...streams} />
            <Divider w="100%" />
            {looks}
            <GoTo onLine={onLine} />
            {tools}
          </Folded>
          <Downloads testId={testId} filter={filter} short />
        </Group>
      </Stack>
    );
  }
  return (
    <Group gap="xs" role="toolbar" aria-label="Log">
      {search}
      {steps}
      {count}
      {matches}
      {levels}
      <Streams {...streams} />
      {error}
      <GoTo onLine={onLine} />
      {looks}
      <Downloads testId={testId} filter={filter} />
      {tools}
    </Group>
  );
});
