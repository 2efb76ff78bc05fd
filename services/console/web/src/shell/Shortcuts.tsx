// The keys that hold everywhere, and the list of all of them behind "?".
import { Kbd, Modal, Table, Text } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { useSession } from "../api/session";
import { isTyping } from "../components/typing";
import { PLACES } from "./navigation";

const LOG_KEYS: [string, string][] = [
  ["/", "search in the log"],
  ["n, N", "next match, previous match"],
  ["e", "first error"],
  ["g g, G", "first line, last line"],
  ["w", "wrap lines or not"],
  ["t", "time stamps or not"],
];

export function Shortcuts() {
  const navigate = useNavigate();
  const { isAdmin } = useSession();
  const [opened, setOpened] = useState(false);
  const waiting = useRef(0);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (document.querySelector('[role="dialog"]')) return;
      if (event.key === "?") {
        event.preventDefault();
        setOpened(true);
      } else if (event.key === "g") {
        waiting.current = event.timeStamp;
      } else if (event.timeStamp - waiting.current < 1500) {
        waiting.current = 0;
        const place = PLACES.find((one) => one.key === event.key && (isAdmin || !one.admin));
        if (place) {
          event.preventDefault();
          void navigate({ to: place.to });
        }
      }
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [navigate, isAdmin]);
  const rows: [string, string][] = [
    ["Ctrl K", "go to a page, test or agent; do something with the test"],
    ["?", "this list"],
    ...PLACES.filter((place) => isAdmin || !place.admin).map((place): [string, string] => [`g ${place.key}`, place.label]),
  ];
  const table = (lines: [string, string][]) => (
    <Table>
      <Table.Tbody>
        {lines.map(([keys, what]) => (
          <Table.Tr key={keys}>
            <Table.Td w={110}>
              <Kbd>{keys}</Kbd>
            </Table.Td>
            <Table.Td>{what}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
  return (
    <Modal opened={opened} onClose={() => setOpened(false)} title="Keyboard shortcuts" size="md" closeButtonProps={{ "aria-label": "Close" }}>
      {table(rows)}
      <Text fw={600} mt="md" mb={4}>
        In a log
      </Text>
      {table(LOG_KEYS)}
    </Modal>
  );
}
