// What was asked for: settings, query, code, requirements, variables.
import { Badge, Button, Group, Stack, Table, Text } from "@mantine/core";
import { useState, type ReactNode } from "react";
import type { Test } from "../../../api/types";
import { visible } from "../../../components/bidi";
import { CodeView } from "../../../components/CodeView";
import { CopyButton } from "../../../components/CopyButton";
import { EditIcon } from "../../../components/icons";
import { ButtonLink } from "../../../components/links";
import { settingsOf } from "./settings";

function Part({ title, text, children }: { title: string; text?: string; children: ReactNode }) {
  return (
    <section aria-label={title}>
      <Group justify="space-between" mb={4}>
        <Text component="h2" fw={600} fz="md" m={0}>
          {title}
        </Text>
        {text !== undefined && <CopyButton text={text} aria-label={`Copy: ${title}`} />}
      </Group>
      {children}
    </section>
  );
}

function Variable({ name, value, secret }: { name: string; value: string; secret: boolean }) {
  const [seen, setSeen] = useState(false);
  return (
    <Table.Tr>
      <Table.Th scope="row" className="mono break">
        {name}
      </Table.Th>
      <Table.Td className="mono break">{secret || seen ? visible(value || "(empty)") : "••••••••"}</Table.Td>
      <Table.Td ta="right">
        {secret ? (
          <Badge variant="default" tt="none">
            secret, by reference
          </Badge>
        ) : (
          <Button size="compact-xs" variant="default" aria-label={`${seen ? "Hide" : "Show"} the value of ${name}`} onClick={() => setSeen(!seen)}>
            {seen ? "Hide" : "Show"}
          </Button>
        )}
      </Table.Td>
    </Table.Tr>
  );
}

export function SettingsTab({ test }: { test: Test }) {
  const spec = test.spec ?? {};
  const requirements = spec.requirements ?? [];
  const variables = [
    ...Object.entries(spec.env ?? {}).map(([name, value]) => ({ name, value, secret: false })),
    ...Object.entries(spec.secretRefs ?? {}).map(([name, value]) => ({ name, value, secret: true })),
  ].sort((a, b) => a.name.localeCompare(b.name));
  const rows = settingsOf(spec).filter((row) => !["Variables", "Secrets", "Labels"].includes(row.label));
  return (
    <Stack>
      <Part title="Query" {...(spec.query ? { text: spec.query } : {})}>
        {spec.query === undefined ? <Text c="dimmed">The agent was run without a query.</Text> : spec.query === "" ? <Text c="dimmed">The query was an empty text.</Text> : <CodeView text={spec.query} label="Query" maxHeight="30vh" />}
      </Part>
      <Part title="Settings">
        <Table verticalSpacing={4} aria-label="Settings">
          <Table.Tbody>
            {rows.map((row) => (
              <Table.Tr key={row.label}>
                <Table.Th scope="row" w="40%" maw={240}>
                  {row.label}
                </Table.Th>
                <Table.Td className="break">{visible(row.value)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
        <ButtonLink to="/submit" search={{ again: test.id ?? "" }} mt="sm" size="xs" variant="default" leftSection={<EditIcon width={14} aria-hidden />}>
          Edit and run again
        </ButtonLink>
      </Part>
      {spec.agentCode && (
        <Part title="Code" text={spec.agentCode}>
          <CodeView text={spec.agentCode} language="python" label="Code of the agent" />
        </Part>
      )}
      {requirements.length > 0 && (
        <Part title="Requirements" text={requirements.join("\n")}>
          <CodeView text={requirements.join("\n")} label="Requirements" maxHeight="30vh" />
        </Part>
      )}
      {variables.length > 0 && (
        <Part title="Environment">
          <Table verticalSpacing={4} aria-label="Environment variables">
            <Table.Tbody>
              {variables.map((one) => (
                <Variable key={one.name} {...one} />
              ))}
            </Table.Tbody>
          </Table>
        </Part>
      )}
      {spec.dockerfile && (
        <Part title="Dockerfile of the package" text={spec.dockerfile}>
          <CodeView text={spec.dockerfile} label="Dockerfile" maxHeight="30vh" />
        </Part>
      )}
    </Stack>
  );
}
