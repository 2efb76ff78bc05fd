// A log without lines, and why.
import { Button } from "@mantine/core";
import { Empty } from "../components/feedback";

export function Nothing({ filtered, complete, ended, onAll }: { filtered: boolean; complete: boolean; ended: boolean; onAll: () => void }) {
  if (filtered) {
    return (
      <Empty title="No line fits the filter">
        <Button size="xs" variant="default" onClick={onAll}>
          Show all lines
        </Button>
      </Empty>
    );
  }
  if (complete) return <Empty title="This test wrote nothing" />;
  return (
    <Empty title="Waiting for the first line">{ended ? "The test has ended; its output is still being collected." : "Lines show here as soon as the test writes them."}</Empty>
  );
}
