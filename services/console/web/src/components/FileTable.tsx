// Files with size, checksum and, where their content can be had, a link.
import { Anchor, Group, Table, Text } from "@mantine/core";
import { visible } from "./bidi";
import { CopyButton } from "./CopyButton";
import { DownloadIcon } from "./icons";
import { formatBytes } from "./numbers";

export interface FileRow {
  path?: string | undefined;
  /** Bytes, as int64 text. */
  size?: string | undefined;
  sha256?: string | undefined;
  executable?: boolean | undefined;
}

/** `hrefOf`: where a file is downloaded; without it there are no links. */
export function FileTable({ files, label, hrefOf }: { files: FileRow[]; label: string; hrefOf?: (path: string) => string }) {
  return (
    <Table.ScrollContainer minWidth={520} scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": label } }}>
      <Table aria-label={label} verticalSpacing={4}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>File</Table.Th>
            <Table.Th ta="right">Size</Table.Th>
            <Table.Th>SHA-256</Table.Th>
            {hrefOf && <Table.Th>Content</Table.Th>}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {files.map((file) => (
            <Table.Tr key={file.path}>
              <Table.Td className="mono break">
                {visible(file.path ?? "")}
                {file.executable && (
                  <Text span size="xs" c="dimmed" ml={6}>
                    executable
                  </Text>
                )}
              </Table.Td>
              <Table.Td ta="right" style={{ whiteSpace: "nowrap" }}>
                {formatBytes(file.size ?? "0")}
              </Table.Td>
              <Table.Td>
                {file.sha256 ? (
                  <Group gap={6} wrap="nowrap">
                    <Text span className="mono" size="sm" title={file.sha256}>
                      {file.sha256.slice(0, 12)}…
                    </Text>
                    <CopyButton text={file.sha256} size="compact-xs" aria-label={`Copy the SHA-256 of ${visible(file.path ?? "")}`} />
                  </Group>
                ) : (
                  "–"
                )}
              </Table.Td>
              {hrefOf && (
                <Table.Td>
                  <Anchor href={hrefOf(file.path ?? "")} download size="sm" aria-label={`Download ${visible(file.path ?? "")}`}>
                    <DownloadIcon width={14} aria-hidden /> Download
                  </Anchor>
                </Table.Td>
              )}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
