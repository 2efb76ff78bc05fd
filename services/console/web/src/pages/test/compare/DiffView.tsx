// Two texts side by side, line by line; below each other where the screen is narrow. Long ones are a virtual list.
import { Box, Group, Text } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef } from "react";
import { visible } from "../../../components/bidi";
import { diffLines, onlyDifferences, stacked, type DiffRow, type Gap } from "./diff";

const VIRTUAL_FROM = 300;
const LONGEST = 2000;

function Side({ text, mark, index, wide }: { text: string | undefined; mark: "same" | "removed" | "added"; index: number | null; wide: boolean }) {
  const there = text !== undefined && index !== null;
  const tint = mark === "removed" ? "light-dark(var(--mantine-color-red-0), rgba(224, 49, 49, 0.18))" : "light-dark(var(--mantine-color-green-0), rgba(47, 158, 68, 0.18))";
  return (
    <Box flex={1} miw={0} w={wide ? "50%" : "100%"} bg={mark === "same" || !there ? undefined : tint} px={4}>
      {there && (
        <Group gap={6} wrap="nowrap" align="flex-start">
          <Text span fz={12} c="dimmed" className="mono" miw={36} ta="right" aria-hidden>
            {index + 1}
          </Text>
          <Text span fz={12} className="mono" aria-hidden={mark === "same"} w={10}>
            {mark === "removed" ? "−" : mark === "added" ? "+" : " "}
          </Text>
          <Text span fz={12} className="mono break" style={{ whiteSpace: "pre-wrap" }}>
            {visible(text.length > LONGEST ? `${text.slice(0, LONGEST)}… (${text.length.toLocaleString("en-US")} characters)` : text)}
          </Text>
        </Group>
      )}
    </Box>
  );
}

function Row({ row, left, right, wide }: { row: DiffRow | Gap; left: readonly string[]; right: readonly string[]; wide: boolean }) {
  if ("skipped" in row) {
    return (
      <Text fz={12} c="dimmed" ta="center" bg="var(--mantine-color-default-hover)">
        {row.skipped.toLocaleString("en-US")} same {row.skipped === 1 ? "line" : "lines"}
      </Text>
    );
  }
  const a = <Side text={row.left === null ? undefined : left[row.left]} mark={row.same ? "same" : "removed"} index={row.left} wide={wide} />;
  const b = <Side text={row.right === null ? undefined : right[row.right]} mark={row.same ? "same" : "added"} index={row.right} wide={wide} />;
  if (!wide) {
    return (
      <>
        {row.left !== null && a}
        {!row.same && row.right !== null && b}
      </>
    );
  }
  return (
    <Group gap={0} wrap="nowrap" align="stretch">
      {a}
      {b}
    </Group>
  );
}

interface Props {
  left: readonly string[];
  right: readonly string[];
  only: boolean;
  label: string;
}

/** `left` and `right`: lines. `only`: differences only. */
export function DiffView({ left, right, only, label }: Props) {
  const wide = useMediaQuery("(min-width: 48em)", true) ?? true;
  const all = useMemo(() => diffLines(left, right), [left, right]);
  const rows = useMemo(() => {
    const laid = wide ? all : stacked(all);
    return only ? onlyDifferences(laid) : laid;
  }, [all, only, wide]);
  const changed = useMemo(() => all.filter((row) => !row.same).length, [all]);
  const place = useRef<HTMLDivElement>(null);
  const many = rows.length > VIRTUAL_FROM;
  // eslint-disable-next-line react-hooks/incompatible-library -- the page does not use the compiler that this is about
  const list = useVirtualizer({ count: rows.length, getScrollElement: () => place.current, estimateSize: () => 20, overscan: 30, enabled: many });
  const show = (row: DiffRow | Gap) => <Row row={row} left={left} right={right} wide={wide} />;
  return (
    <div>
      <Text size="sm" mb={4} role="status">
        {left.length === 0 && right.length === 0 ? "Both are empty." : changed === 0 ? "Both are the same." : `${changed.toLocaleString("en-US")} ${changed === 1 ? "line differs" : "lines differ"}.`}
      </Text>
      {(changed > 0 || !only) && rows.length > 0 && (
        <Box ref={place} role="region" aria-label={label} tabIndex={0} mah="60vh" style={{ overflow: "auto", border: "1px solid var(--mantine-color-default-border)", borderRadius: 8 }}>
          {many ? (
            <Box pos="relative" h={list.getTotalSize()}>
              {list.getVirtualItems().map((item) => (
                <Box key={item.key} data-index={item.index} ref={list.measureElement} pos="absolute" top={0} left={0} right={0} style={{ transform: `translateY(${item.start}px)` }}>
                  {show(rows[item.index] as DiffRow | Gap)}
                </Box>
              ))}
            </Box>
          ) : (
            rows.map((row, index) => <div key={index}>{show(row)}</div>)
          )}
        </Box>
      )}
    </div>
  );
}
