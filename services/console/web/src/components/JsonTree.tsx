// A JSON text as a tree that folds. Numbers keep their digits. Many rows are a virtual list in a box of their own.
import { Box, Button, Group, Text, UnstyledButton } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef, useState } from "react";
import { visible } from "./bidi";
import { ChevronDownIcon, ChevronRightIcon } from "./icons";
import { decodeString, foldedBelow, rowsOf, type JsonNode, type JsonRow } from "./json";

const VIRTUAL_FROM = 300;
const SHORT_TEXT = 300;
const MOST_INDENT = 16;

const COLORS: Record<JsonNode["kind"], string | undefined> = {
  object: "dimmed",
  array: "dimmed",
  string: "light-dark(var(--mantine-color-teal-9), var(--mantine-color-teal-3))",
  number: "light-dark(var(--mantine-color-blue-9), var(--mantine-color-blue-3))",
  literal: "light-dark(var(--mantine-color-grape-9), var(--mantine-color-grape-3))",
};

function Value({ text, node }: { text: string; node: JsonNode }) {
  const [whole, setWhole] = useState(false);
  const raw = text.slice(node.start, node.end);
  if (node.kind === "string") {
    const value = decodeString(raw);
    const part = whole || value.length <= SHORT_TEXT ? value : value.slice(0, SHORT_TEXT);
    return (
      <>
        <Text span inherit c={COLORS.string} className="break" style={{ whiteSpace: "pre-wrap" }}>
          &quot;{visible(part)}
          {part === value ? '"' : "…"}
        </Text>
        {value.length > SHORT_TEXT && (
          <Button size="compact-xs" variant="subtle" ml={4} onClick={() => setWhole(!whole)}>
            {whole ? "Less" : `All ${value.length.toLocaleString("en-US")} characters`}
          </Button>
        )}
      </>
    );
  }
  return (
    <Text span inherit c={COLORS[node.kind]} className="break">
      {node.children.length === 0 && node.kind === "object" ? "{}" : node.children.length === 0 && node.kind === "array" ? "[]" : raw}
    </Text>
  );
}

function Row({ text, row, folded, onFold }: { text: string; row: JsonRow; folded: boolean; onFold: (id: string) => void }) {
  const { node } = row;
  const count = node.children.length;
  const label = row.label === null ? null : <Text span inherit fw={600}>{visible(row.label)}: </Text>;
  const words = node.kind === "object" ? `{ ${count} ${count === 1 ? "key" : "keys"} }` : `[ ${count} ${count === 1 ? "item" : "items"} ]`;
  return (
    <Box pl={Math.min(row.depth, MOST_INDENT) * 18 + (row.folds ? 0 : 18)} fz="sm" className="mono" py={1}>
      {row.folds ? (
        <UnstyledButton fz="sm" className="mono" aria-expanded={!folded} onClick={() => onFold(row.id)}>
          {folded ? <ChevronRightIcon width={14} aria-hidden /> : <ChevronDownIcon width={14} aria-hidden />} {label}
          <Text span inherit c="dimmed">
            {words}
          </Text>
        </UnstyledButton>
      ) : (
        <>
          {label}
          <Value text={text} node={node} />
        </>
      )}
    </Box>
  );
}

/** `root`: what parseJson made of `text`. A large tree opens with all but its first levels shut. */
export function JsonTree({ text, root, label }: { text: string; root: JsonNode; label: string }) {
  const [folded, setFolded] = useState<ReadonlySet<string>>(() => foldedBelow(root, rowsOf(root, new Set()).length > VIRTUAL_FROM ? 2 : 6));
  const rows = useMemo(() => rowsOf(root, folded), [root, folded]);
  const place = useRef<HTMLDivElement>(null);
  const many = rows.length > VIRTUAL_FROM;
  // eslint-disable-next-line react-hooks/incompatible-library -- the page does not use the compiler that this is about
  const list = useVirtualizer({
    count: rows.length,
    getScrollElement: () => place.current,
    estimateSize: () => 24,
    getItemKey: (index) => rows[index]?.id ?? index,
    overscan: 20,
    enabled: many,
  });
  const fold = (id: string) => {
    const next = new Set(folded);
    if (!next.delete(id)) next.add(id);
    setFolded(next);
  };
  const show = (row: JsonRow) => <Row text={text} row={row} folded={folded.has(row.id)} onFold={fold} />;
  return (
    <>
      {root.children.length > 0 && (
        <Group gap="xs" mb="xs">
          <Button size="compact-sm" variant="default" onClick={() => setFolded(new Set())}>
            Unfold all
          </Button>
          <Button size="compact-sm" variant="default" onClick={() => setFolded(foldedBelow(root, 1))}>
            Fold all
          </Button>
        </Group>
      )}
      {many ? (
        <Box ref={place} role="group" aria-label={label} tabIndex={0} mah="70vh" style={{ overflow: "auto" }}>
          <Box pos="relative" h={list.getTotalSize()}>
            {list.getVirtualItems().map((item) => (
              <Box key={item.key} data-index={item.index} ref={list.measureElement} pos="absolute" top={0} left={0} right={0} style={{ transform: `translateY(${item.start}px)` }}>
                {show(rows[item.index] as JsonRow)}
              </Box>
            ))}
          </Box>
        </Box>
      ) : (
        <Box role="group" aria-label={label}>
          {rows.map((row) => (
            <div key={row.id}>{show(row)}</div>
          ))}
        </Box>
      )}
    </>
  );
}
