// The log of a test on a page of its own.
import { Button, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { ApiError } from "../../api/call";
import { testQuery } from "../../api/queries";
import { ErrorBox, Loading, PageHeader } from "../../components/feedback";
import { StateBadge } from "../../components/StateBadge";
import { hasEnded, nameOf } from "../../components/states";
import { useFeed } from "../../api/events";
import { LogViewer } from "../../log/LogViewer";
import { searchOf, showOf } from "../../log/show";
import { isTestId } from "./search";
import { UnknownTest } from "./UnknownTest";

export function LogPage() {
  const { testId } = useParams({ from: "/tests/$testId/log" });
  const search = useSearch({ from: "/tests/$testId/log" });
  const navigate = useNavigate({ from: "/tests/$testId/log" });
  const test = useQuery({ ...testQuery(testId), enabled: isTestId(testId) });
  const { refetch } = test;
  useFeed(test.data && !hasEnded(test.data.state) ? { kind: "test", testId } : null, () => void refetch());
  if (!isTestId(testId) || (test.error instanceof ApiError && test.error.code === "NOT_FOUND")) return <UnknownTest testId={testId} />;
  // What was read stays: the log goes on by itself when the server is there again.
  if (test.error && !test.data) return <ErrorBox error={test.error} title="The test could not be read" onRetry={() => void refetch()} />;
  if (!test.data) return <Loading label="Reading the test" />;
  return (
    <Stack gap="sm">
      <PageHeader title={`Log of ${nameOf(test.data)}`} description={<StateBadge state={test.data.state} failureCode={test.data.failure?.code} />}>
        <Button component={Link} to={`/tests/${testId}`} variant="default" size="xs">
          To the test
        </Button>
      </PageHeader>
      <LogViewer
        full
        testId={testId}
        testState={test.data.state}
        line={search.line}
        onLine={(line) => void navigate({ search: (before) => ({ ...before, line }), replace: true, resetScroll: false })}
        show={showOf(search)}
        onShow={(show) => void navigate({ search: (before) => ({ ...before, ...searchOf(show) }), replace: true, resetScroll: false })}
      />
    </Stack>
  );
}
