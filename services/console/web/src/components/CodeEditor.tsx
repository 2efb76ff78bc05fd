// Code to write: a plain field until CodeMirror is there.
import { Paper, Textarea } from "@mantine/core";
import { lazy, Suspense, useRef } from "react";

export interface CodeEditorProps {
  value: string;
  onChange: (value: string) => void;
  /** What is written here, for screen readers. */
  label: string;
  describedBy?: string;
  invalid?: boolean;
  hint?: string;
  minHeight?: string;
}

/** Where somebody is in the plain field: the editor that takes its place goes on there. Null: elsewhere. */
export interface Cursor {
  from: number;
  to: number;
}

const CodeMirrorEditor = lazy(() => import("./CodeMirrorEditor"));

export function CodeEditor(props: CodeEditorProps) {
  const cursor = useRef<Cursor | null>(null);
  return (
    <Paper withBorder radius="sm" style={{ overflow: "hidden", ...(props.invalid ? { borderColor: "var(--mantine-color-error)" } : {}) }}>
      <Suspense
        fallback={
          <Textarea
            aria-label={props.label}
            classNames={{ input: "mono" }}
            minRows={14}
            autosize
            maxRows={24}
            value={props.value}
            onChange={(event) => props.onChange(event.currentTarget.value)}
            onSelect={({ currentTarget }) => {
              cursor.current = { from: currentTarget.selectionStart, to: currentTarget.selectionEnd };
            }}
            onBlur={() => {
              cursor.current = null;
            }}
          />
        }
      >
        <CodeMirrorEditor {...props} cursorRef={cursor} />
      </Suspense>
    </Paper>
  );
}
