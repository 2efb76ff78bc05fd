// The log viewer as this page shows it: a chunk of its own.
import { lazy, type ComponentType } from "react";
import type { TestState } from "../../api/types";

interface LogViewerProps {
  testId: string;
  testState: TestState | undefined;
  line?: string;
  full?: boolean;
  onLine?: (line: string | undefined) => void;
}

const found = import.meta.glob<{ LogViewer: ComponentType<LogViewerProps> }>("../../log/LogViewer.tsx");

export const LogViewer = lazy(async () => {
  const load = found["../../log/LogViewer.tsx"];
  if (!load) throw new Error("The log viewer is not part of this build.");
  return { default: (await load()).LogViewer };
});
