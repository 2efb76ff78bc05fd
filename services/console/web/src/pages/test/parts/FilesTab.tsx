// The files of a test: what was handed in, and what the agent left.
import { Stack, Text } from "@mantine/core";
import type { Test, TestFile } from "../../../api/types";
import { Empty } from "../../../components/feedback";
import { FileTable } from "../../../components/FileTable";
import { Time, useNow } from "../../../time/times";
import { fileHref, leftUntil } from "../words";

export function FilesTab({ test }: { test: Test }) {
  const id = test.id ?? "";
  const groups: { kind: "output" | "project" | "input"; title: string; files: TestFile[] }[] = [
    { kind: "output", title: "Left by the agent", files: test.outputFiles ?? [] },
    { kind: "project", title: "Project", files: test.projectFiles ?? [] },
    { kind: "input", title: "Inputs", files: test.inputFiles ?? [] },
  ];
  const expires = test.filesExpireTime;
  const now = useNow(1000, expires !== undefined);
  const left = leftUntil(expires, now);
  const gone = expires !== undefined && left === null;
  if (groups.every((group) => group.files.length === 0)) {
    return <Empty title="There are no files">What the agent writes to /work/out is kept here.</Empty>;
  }
  return (
    <Stack>
      {groups
        .filter((group) => group.files.length > 0)
        .map((group) => {
          const removed = group.kind === "output" && gone;
          return (
            <section key={group.kind} aria-label={group.title}>
              <Text component="h2" fw={600} fz="md" m={0} mb={4}>
                {group.title}
              </Text>
              {group.kind === "output" && expires && (
                <Text size="sm" c="dimmed" mb={4}>
                  {removed ? (
                    <>
                      Their content was removed <Time value={expires} />.
                    </>
                  ) : (
                    <>Their content is removed in {left}.</>
                  )}
                </Text>
              )}
              <FileTable files={group.files} label={group.title} {...(removed ? {} : { hrefOf: (path: string) => fileHref(id, group.kind, path) })} />
            </section>
          );
        })}
    </Stack>
  );
}
