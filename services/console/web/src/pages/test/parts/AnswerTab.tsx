// What came of the test: the answer or why there is none, what was called, and how the answer was made plain JSON.
import { Code, List, Paper, Stack, Table, Text } from "@mantine/core";
import type { Test } from "../../../api/types";
import { Answer } from "../../../components/Answer";
import { visible } from "../../../components/bidi";
import { Empty } from "../../../components/feedback";
import { hasEnded } from "../../../components/states";
import { FailureBox } from "./FailureBox";
import { Findings } from "./Findings";

function Entry({ test }: { test: Test }) {
  const entry = test.result?.entry;
  if (!entry) return null;
  const passed = entry.queryPassed ? "The query was passed to it." : test.spec?.query === undefined ? "There was no query." : "The query was not passed to it.";
  return (
    <Paper component="section" withBorder p="sm" aria-labelledby="called">
      <Text component="h2" id="called" fw={600} fz="md" m={0} mb={4}>
        What was called
      </Text>
      <Text size="sm" className="break">
        <Code>{visible(entry.call || (entry.name ?? ""))}</Code>: {entry.kind} <Code>{visible(entry.name ?? "")}</Code>
        {entry.signature && (
          <>
            {" "}
            with signature <Code>{visible(entry.signature)}</Code>
          </>
        )}
        . {passed} {entry.named ? "The test named it." : "Assay chose it."}
      </Text>
      {entry.candidates && entry.candidates.length > 0 && (
        <Text size="sm" mt={4} className="break">
          Could have been called, too: {visible(entry.candidates.join(", "))}
        </Text>
      )}
    </Paper>
  );
}

function Conversions({ test }: { test: Test }) {
  const conversions = test.result?.conversions ?? [];
  if (conversions.length === 0) return null;
  return (
    <Paper component="section" withBorder p="sm" aria-labelledby="conversions">
      <Text component="h2" id="conversions" fw={600} fz="md" m={0} mb={4}>
        Turned into plain JSON
      </Text>
      <Table.ScrollContainer minWidth={360} scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "Conversions" } }}>
        <Table verticalSpacing={4}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Where</Table.Th>
              <Table.Th>Type</Table.Th>
              <Table.Th>By</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {conversions.map((one, index) => (
              <Table.Tr key={index} className="mono break">
                <Table.Td>{visible(one.path ?? "")}</Table.Td>
                <Table.Td>{visible(one.type ?? "")}</Table.Td>
                <Table.Td>{one.how}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Paper>
  );
}

export function AnswerTab({ test }: { test: Test }) {
  const json = test.result?.responseJson;
  const leftOut = test.result?.filesLeftOut ?? [];
  return (
    <Stack>
      <Findings testId={test.id ?? ""} />
      {test.failure && <FailureBox failure={test.failure} />}
      {json ? (
        <section aria-labelledby="answer">
          <Text component="h2" id="answer" fw={600} fz="md" m={0} mb={4}>
            Answer
          </Text>
          <Answer json={json} name={`answer-${test.id}`} />
        </section>
      ) : (
        !test.failure && <Empty title={hasEnded(test.state) ? "There is no answer" : "No answer yet"}>{!hasEnded(test.state) && "It appears here when the test has ended."}</Empty>
      )}
      <Entry test={test} />
      <Conversions test={test} />
      {leftOut.length > 0 && (
        <section aria-labelledby="left-out">
          <Text component="h2" id="left-out" fw={600} fz="md" m={0} mb={4}>
            Files that were not kept
          </Text>
          <List size="sm" className="break">
            {leftOut.map((line, index) => (
              <List.Item key={index}>{visible(line)}</List.Item>
            ))}
          </List>
        </section>
      )}
    </Stack>
  );
}
