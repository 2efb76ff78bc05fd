// Code to write: a plain field until CodeMirror is there.
import { Paper, Textarea } from "@mantine/core";
import { lazy, Suspense } from "react";

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

const CodeMirrorEditor = lazy(() => import("./CodeMirrorEditor"));

export function CodeEditor(props: CodeEditorProps) {
  return (
    <Paper withBorder radius="sm" style={{ overflow: "hidden", ...(props.invalid ? { borderColor: "var(--mantine-color-error)" } : {}) }}>
      <Suspense
        fallback={<Textarea aria-label={props.label} classNames={{ input: "mono" }} minRows={14} autosize maxRows={24} value={props.value} onChange={(event) => props.onChange(event.currentTarget.value)} />}
      >
        <CodeMirrorEditor {...props} />
      </Suspense>
    </Paper>
  );
}
