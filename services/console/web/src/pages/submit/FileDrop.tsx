// A place to drop files on, with a button for whoever does not drag.
import { Button, FileButton, Group, List, Paper, Text } from "@mantine/core";
import { useRef, useState, type DragEvent, type ReactNode } from "react";
import { visible } from "../../components/bidi";
import { UploadIcon } from "../../components/icons";
import { formatBytes } from "../../components/numbers";
import type { DraftFile } from "./draft";
import { filesOfDrop, filesOfField } from "./dropped";

/** Takes what is dropped anywhere on `children`. */
export function DropZone({ onFiles, label, children }: { onFiles: (files: DraftFile[]) => void; label: string; children: ReactNode }) {
  const [over, setOver] = useState(false);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    void filesOfDrop(event.dataTransfer).then((files) => files.length > 0 && onFiles(files));
  };
  return (
    <div
      role="group"
      aria-label={label}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setOver(false);
      }}
      onDrop={drop}
      style={over ? { outline: "3px dashed var(--mantine-primary-color-filled)", outlineOffset: 4 } : undefined}
    >
      {children}
    </div>
  );
}

/** Files that were chosen, and how to choose others. `kept`: names of files that the server has from an older test. */
export function FileList({ files, kept, onFiles, onClear, folder }: { files: DraftFile[]; kept: string[]; onFiles: (files: DraftFile[]) => void; onClear: () => void; folder: boolean }) {
  const field = useRef<HTMLInputElement>(null);
  const names = files.length > 0 ? files.map((one) => `${one.path} (${formatBytes(one.file.size)})`) : kept;
  return (
    <Paper withBorder p="md">
      <Group gap="xs">
        <FileButton multiple onChange={(chosen) => onFiles(chosen.map((file) => ({ path: file.name, file })))}>
          {(props) => (
            <Button {...props} variant="default" leftSection={<UploadIcon width={16} aria-hidden />}>
              Choose files…
            </Button>
          )}
        </FileButton>
        {folder && (
          <>
            <input
              ref={(input) => {
                field.current = input;
                // React knows no name for it.
                input?.setAttribute("webkitdirectory", "");
              }}
              type="file"
              hidden
              onChange={(event) => {
                if (event.currentTarget.files) onFiles(filesOfField(event.currentTarget.files));
                event.currentTarget.value = "";
              }}
            />
            <Button variant="default" onClick={() => field.current?.click()}>
              Choose a folder…
            </Button>
          </>
        )}
        {names.length > 0 && (
          <Button variant="subtle" onClick={onClear}>
            Remove all
          </Button>
        )}
      </Group>
      <Text size="sm" c="dimmed" mt="xs">
        Or drop {folder ? "files, a folder or a ZIP" : "files"} here.
      </Text>
      {names.length > 0 && (
        <List size="sm" mt="xs" className="mono break">
          {names.slice(0, 30).map((name) => (
            <List.Item key={name}>{visible(name)}</List.Item>
          ))}
          {names.length > 30 && <List.Item>and {names.length - 30} more</List.Item>}
        </List>
      )}
    </Paper>
  );
}
