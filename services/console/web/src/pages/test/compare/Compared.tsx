// The parts of a comparison, below each other.
import { Badge, Stack, Table, Text } from "@mantine/core";
import { useMemo, type ReactNode } from "react";
import type { Test } from "../../../api/types";
import { visible } from "../../../components/bidi";
import { ErrorBox, Loading } from "../../../components/feedback";
import { MOST_LINES, useLogStart } from "./compareLogs";
import { answerLines, linesOf, numbersOf, settingsRows, type ComparedRow } from "./comparison";
import { DiffView } from "./DiffView";

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section aria-label={title}>
      <Text component="h2" fw={600} fz="md" m={0} mb={4}>
        {title}
      </Text>
      {children}
    </section>
  );
}

function Rows({ rows, only, label }: { rows: ComparedRow[]; only: boolean; label: string }) {
  const shown = only ? rows.filter((row) => row.differs) : rows;
  if (shown.length === 0) return <Text size="sm">Both are the same.</Text>;
  return (
    <Table.ScrollContainer minWidth={480} scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": label } }}>
      <Table verticalSpacing={4} aria-label={label}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>What</Table.Th>
            <Table.Th>First</Table.Th>
            <Table.Th>Second</Table.Th>
            <Table.Th>Difference</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {shown.map((row) => (
            <Table.Tr key={row.label}>
              <Table.Th scope="row">{visible(row.label)}</Table.Th>
              <Table.Td className="break">{visible(row.a)}</Table.Td>
              <Table.Td className="break">{visible(row.b)}</Table.Td>
              <Table.Td>
                {row.differs ? (
                  <Badge variant="default" tt="none">
                    {row.change || "differs"}
                  </Badge>
                ) : (
                  <Text span size="sm" c="dimmed">
                    same
                  </Text>
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function Logs({ a, b, only }: { a: string; b: string; only: boolean }) {
  const one = useLogStart(a);
  const other = useLogStart(b);
  if (one.error) return <ErrorBox error={one.error} title="The log of the first test could not be read" onRetry={() => void one.refetch()} />;
  if (other.error) return <ErrorBox error={other.error} title="The log of the second test could not be read" onRetry={() => void other.refetch()} />;
  if (!one.data || !other.data) return <Loading label="Loading the logs" />;
  const cut = [one.data.more && "first", other.data.more && "second"].filter(Boolean).join(" and the ");
  return (
    <>
      {cut && (
        <Text size="sm" mb={4}>
          Of the {cut} test only the first {MOST_LINES.toLocaleString("en-US")} lines are compared.
        </Text>
      )}
      <DiffView left={one.data.lines} right={other.data.lines} only={only} label="Logs side by side" />
    </>
  );
}

/** `only`: differences only. */
export function Compared({ a, b, only }: { a: Test; b: Test; only: boolean }) {
  const texts = useMemo(
    () => [
      { title: "Answer", left: answerLines(a), right: answerLines(b), always: true },
      { title: "Traceback", left: linesOf(a.failure?.agentError?.traceback), right: linesOf(b.failure?.agentError?.traceback), always: false },
      { title: "Query", left: linesOf(a.spec?.query), right: linesOf(b.spec?.query), always: true },
      { title: "Code", left: linesOf(a.spec?.agentCode), right: linesOf(b.spec?.agentCode), always: false },
      { title: "Requirements", left: a.spec?.requirements ?? [], right: b.spec?.requirements ?? [], always: false },
    ],
    [a, b],
  );
  return (
    <Stack>
      <Part title="Outcome and figures">
        <Rows rows={numbersOf(a, b)} only={only} label="Outcome and figures" />
      </Part>
      {texts
        .filter((text) => text.always || text.left.length + text.right.length > 0)
        .map((text) => (
          <Part key={text.title} title={text.title}>
            <DiffView left={text.left} right={text.right} only={only} label={`${text.title} side by side`} />
          </Part>
        ))}
      <Part title="Settings">
        <Rows rows={settingsRows(a, b)} only={only} label="Settings" />
      </Part>
      <Part title="Log">
        <Logs key={`${a.id} ${b.id}`} a={a.id ?? ""} b={b.id ?? ""} only={only} />
      </Part>
    </Stack>
  );
}
