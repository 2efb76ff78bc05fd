// The log as a file: all of it or what is shown; as text to read, as text for a terminal, or as lines for a program.
import { ActionIcon, Button, Menu } from "@mantine/core";
import { DownloadIcon } from "../components/icons";
import { downloadPath, isFiltered, type LogFilter } from "./lines";

const FORMS = [
  { kind: "txt", colors: false, label: "plain text" },
  { kind: "txt", colors: true, label: "text with colours, for a terminal" },
  { kind: "jsonl", colors: false, label: "JSON lines, with numbers and times" },
] as const;

function Items({ title, testId, filter }: { title: string; testId: string; filter: LogFilter }) {
  return (
    <>
      <Menu.Label>{title}</Menu.Label>
      {FORMS.map(({ kind, colors, label }) => (
        <Menu.Item key={label} component="a" href={downloadPath(testId, kind, filter, colors)} download aria-label={`${title} as ${label}`}>
          As {label}
        </Menu.Item>
      ))}
    </>
  );
}

/** `short`: where there is little room, a button without words. */
export function Downloads({ testId, filter, short = false }: { testId: string; filter: LogFilter; short?: boolean }) {
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        {short ? (
          <ActionIcon variant="default" size={30} aria-label="Download" title="Download">
            <DownloadIcon width={14} aria-hidden />
          </ActionIcon>
        ) : (
          <Button size="xs" variant="default" leftSection={<DownloadIcon width={14} aria-hidden />}>
            Download
          </Button>
        )}
      </Menu.Target>
      <Menu.Dropdown>
        <Items title="All lines" testId={testId} filter={{}} />
        {isFiltered(filter) && <Items title="What is shown" testId={testId} filter={filter} />}
      </Menu.Dropdown>
    </Menu>
  );
}
