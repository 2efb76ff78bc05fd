// Code to read. Plain text until CodeMirror is there; plain for good where it is not worth loading it.
import { Box, Paper } from "@mantine/core";
import { lazy, Suspense } from "react";
import { visible } from "./bidi";
import type { CodeLanguage } from "./codeSetup";

const CodeMirrorView = lazy(() => import("./CodeMirrorView"));

/** `label` says what the code is, for screen readers. */
export function CodeView({ text, language = "text", label, maxHeight = "60vh" }: { text: string; language?: CodeLanguage; label: string; maxHeight?: string }) {
  const plain = (
    <Box component="pre" className="mono" m={0} p="xs" fz={13} mah={maxHeight} tabIndex={0} aria-label={label} style={{ whiteSpace: "pre-wrap", overflow: "auto" }}>
      {visible(text)}
    </Box>
  );
  return (
    <Paper withBorder radius="sm" style={{ overflow: "hidden" }}>
      <Suspense fallback={plain}>
        <CodeMirrorView text={text} language={language} label={label} maxHeight={maxHeight} />
      </Suspense>
    </Paper>
  );
}
