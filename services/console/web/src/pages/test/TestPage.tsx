// A test: its head, and below it one of its parts, which the address names.
import { Alert, Button, Group, Modal, Tabs, Text } from "@mantine/core";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useRef, useState } from "react";
import { ApiError } from "../../api/call";
import type { Test } from "../../api/types";
import { visible } from "../../components/bidi";
import { ErrorBox, Loading, PageHeader } from "../../components/feedback";
import { OpenIcon } from "../../components/icons";
import { ButtonLink } from "../../components/links";
import { hasEnded, lookOf } from "../../components/states";
import { searchOf, showOf } from "../../log/show";
import { useTestAction, type TestAction } from "../../shell/testActions";
import { CancelForm } from "./dialogs/CancelForm";
import { ComparePicker } from "./dialogs/ComparePicker";
import { RetryForm } from "./dialogs/RetryForm";
import { useLiveTest } from "./live";
import { PackageTab } from "./package/PackageTab";
import { AnswerTab } from "./parts/AnswerTab";
import { FilesTab } from "./parts/FilesTab";
import { HistoryTab } from "./parts/HistoryTab";
import { MetricsTab } from "./parts/MetricsTab";
import { SettingsTab } from "./parts/SettingsTab";
import { isTestId, TABS, type TestSearch, type TestTab } from "./search";
import { TestHead } from "./TestHead";
import { UnknownTest } from "./UnknownTest";

const LogViewer = lazy(async () => ({ default: (await import("../../log/LogViewer")).LogViewer }));

const LABELS: Record<TestTab, string> = {
  answer: "Answer",
  log: "Log",
  metrics: "Metrics",
  settings: "Settings",
  files: "Files",
  package: "Package",
  history: "History",
};

/** The button that opened the dialog may be gone with the state of the test: the keyboard goes on in the page. */
function keepFocus() {
  if (document.activeElement === document.body) document.getElementById("main")?.focus();
}

const CLOSE = { "aria-label": "Close" };

export function TestPage() {
  const { testId } = useParams({ from: "/tests/$testId" });
  const search = useSearch({ from: "/tests/$testId" });
  const navigate = useNavigate({ from: "/tests/$testId" });
  return (
    <TestView
      key={testId}
      testId={testId}
      search={search}
      onSearch={(part, push) => void navigate({ search: (before) => ({ ...before, ...part }), replace: !push, resetScroll: false })}
    />
  );
}

interface ViewProps {
  testId: string;
  search: TestSearch;
  /** Changes these words of the address; `push`: so that Back leads to where it was. */
  onSearch: (part: TestSearch, push: boolean) => void;
}

export function TestView({ testId, search, onSearch }: ViewProps) {
  const known = isTestId(testId);
  const { query, endedHere, take } = useLiveTest(testId, known);
  if (!known || (query.error instanceof ApiError && query.error.code === "NOT_FOUND")) return <UnknownTest testId={testId} />;
  if (query.data) return <Known test={query.data} endedHere={endedHere} take={take} search={search} onSearch={onSearch} />;
  if (query.error) {
    return (
      <>
        <PageHeader title="Test" />
        <ErrorBox error={query.error} title="The test could not be read" onRetry={() => void query.refetch()} />
      </>
    );
  }
  return (
    <>
      <PageHeader title="Test" />
      <Loading label="Loading the test" />
    </>
  );
}

interface KnownProps {
  test: Test;
  endedHere: boolean;
  take: (told: Test | undefined) => void;
  search: TestSearch;
  onSearch: ViewProps["onSearch"];
}

function Known({ test, endedHere, take, search, onSearch }: KnownProps) {
  const testId = test.id ?? "";
  const ended = hasEnded(test.state);
  const [dialog, setDialog] = useState<"cancel" | "retry" | "compare" | null>(null);
  // What is open stays open when the test ends while somebody looks on.
  const [first] = useState<TestTab>(search.line || !ended ? "log" : "answer");
  const tab = search.tab ?? first;
  const open = (next: TestTab) => onSearch({ tab: next }, true);
  const parts = useRef<HTMLDivElement>(null);
  const act = (action: TestAction) => {
    if (action !== "package") return setDialog(action);
    open("package");
    // The part may be open and below the window's edge: to press the button must show something.
    parts.current?.scrollIntoView?.({ block: "start" });
  };
  useTestAction(testId, act);
  const close = () => setDialog(null);
  const panel = (name: TestTab) => {
    switch (name) {
      case "answer":
        return <AnswerTab test={test} />;
      case "log":
        return (
          <LogViewer
            testId={testId}
            testState={test.state}
            line={search.line}
            onLine={(line) => onSearch({ tab: "log", line }, false)}
            show={showOf(search)}
            onShow={(show) => onSearch({ tab: "log", ...searchOf(show) }, false)}
            tools={
              <ButtonLink to="/tests/$testId/log" params={{ testId }} search={{ line: search.line, ...searchOf(showOf(search)) }} size="xs" variant="default" leftSection={<OpenIcon width={14} aria-hidden />}>
                Full screen
              </ButtonLink>
            }
          />
        );
      case "metrics":
        return <MetricsTab test={test} />;
      case "settings":
        return <SettingsTab test={test} />;
      case "files":
        return <FilesTab test={test} />;
      case "package":
        return <PackageTab test={test} />;
      case "history":
        return <HistoryTab test={test} />;
    }
  };
  const look = lookOf(test.state, test.failure?.code);
  const cancelled = test.failure?.code === "CANCELLED";
  return (
    <>
      <TestHead test={test} act={act} />
      <div role="status">
        {endedHere && tab !== "answer" && (
          <Alert color={look.color} variant="light" mb="md" py="xs">
            <Group gap="sm">
              <Text size="sm" className="break" lineClamp={2}>
                <b>{look.label}</b>
                {test.failure?.message && !cancelled ? `: ${visible(test.failure.message)}` : "."}
              </Text>
              <Button size="compact-sm" variant="default" onClick={() => open("answer")}>
                {cancelled ? "Show the outcome" : test.failure ? "Show the failure" : "Show the answer"}
              </Button>
            </Group>
          </Alert>
        )}
      </div>
      <Tabs ref={parts} className="below-header" value={tab} onChange={(value) => value && open(value as TestTab)} keepMounted={false}>
        <Tabs.List aria-label="Parts of this test" mb="md">
          {TABS.map((name) => (
            <Tabs.Tab key={name} value={name}>
              {name === "answer" && test.failure ? (cancelled ? "Outcome" : "Failure") : LABELS[name]}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {TABS.map((name) => (
          <Tabs.Panel key={name} value={name}>
            {name === tab && <Suspense fallback={<Loading />}>{panel(name)}</Suspense>}
          </Tabs.Panel>
        ))}
      </Tabs>
      <Modal opened={dialog === "cancel"} onClose={close} onExitTransitionEnd={keepFocus} title="Cancel this test" centered closeButtonProps={CLOSE}>
        <CancelForm test={test} onClose={close} onTold={take} />
      </Modal>
      <Modal opened={dialog === "retry"} onClose={close} title="Retry this test" size="lg" centered closeButtonProps={CLOSE}>
        <RetryForm test={test} onClose={close} />
      </Modal>
      <Modal opened={dialog === "compare"} onClose={close} title="Compare with another test" size="lg" centered closeButtonProps={CLOSE}>
        <ComparePicker test={test} onClose={close} />
      </Modal>
    </>
  );
}
