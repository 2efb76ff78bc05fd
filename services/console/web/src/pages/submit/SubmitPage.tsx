// Hands in a test. What was typed stays in the tab until it was accepted.
import { Button, Group, Paper, SimpleGrid, Stack, Switch, Text, Textarea } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { ApiError, call } from "../../api/call";
import { accountQuery, testQuery } from "../../api/queries";
import { newRequestId } from "../../api/requestId";
import { useSession } from "../../api/session";
import { forget, keep, recall } from "../../api/tabMemory";
import { ErrorBox, Loading, PageHeader } from "../../components/feedback";
import { FindingList } from "../../components/FindingList";
import { CheckIcon, RunningIcon } from "../../components/icons";
import { formatDuration } from "../../time/durations";
import { keepFindings } from "../test/parts/findings";
import { AgentPart } from "./AgentPart";
import { Allowance } from "./Allowance";
import { EMPTY, errorsOf, fromMemory, fromTest, openParts, toMemory, toSpec, unsayable, type Draft, type DraftFile, type FieldErrors } from "./draft";
import { textOf } from "./dropped";
import { MorePart } from "./MorePart";
import { submitSearch } from "./search";
import { upload } from "./upload";

export function SubmitPage() {
  const { again } = submitSearch(useSearch({ strict: false }) as Record<string, unknown>);
  const older = useQuery({ ...testQuery(again ?? ""), enabled: Boolean(again), staleTime: Infinity });
  if (!again) return <Form key="new" again="" start={EMPTY} />;
  if (older.error) {
    return (
      <Stack>
        <PageHeader title="New test" />
        <ErrorBox error={older.error} title="The older test could not be read" onRetry={() => void older.refetch()} />
      </Stack>
    );
  }
  return older.data ? <Form key={again} again={again} start={fromTest(older.data)} /> : <Loading lines={8} />;
}

/** `start`: what the form is filled with where this tab remembers nothing; `again`: id of the older test that it is of. */
function Form({ start, again }: { start: Draft; again: string }) {
  const { userId } = useSession();
  const navigate = useNavigate();
  const client = useQueryClient();
  // Each older test has a memory of its own: to look at one takes nothing from what was typed for a new one.
  const memory = `assay-draft ${userId}${again && ` ${again}`}`;
  const [draft, setDraft] = useState<Draft>(() => fromMemory(recall(memory), start));
  const [opened, setOpened] = useState(() => openParts(draft, {}));
  const [errors, setErrors] = useState<FieldErrors>({});
  const [problem, setProblem] = useState("");
  // One id for one intent: a second click, or a second try after a lost answer, makes no second test.
  const requestId = useRef(newRequestId());
  const form = useRef<HTMLFormElement>(null);
  // Once it was accepted nothing more is remembered, also not what a timer had in hand.
  const remembers = useRef(true);
  const unkept = useRef<() => void>(() => undefined);

  const set = (part: Partial<Draft>) => {
    setDraft((now) => ({ ...now, ...part }));
    setErrors((now) => Object.fromEntries(Object.entries(now).filter(([field]) => !(field in part))));
    // What was said of another draft does not hold for this one.
    if (!submit.isPending) submit.reset();
    // Another draft is another intent: after a lost answer the server may have the one before under this id.
    requestId.current = newRequestId();
  };
  useEffect(() => {
    const write = () => {
      if (!remembers.current) return;
      const text = toMemory(draft);
      if (text === toMemory(EMPTY)) forget(memory);
      else keep(memory, text);
    };
    const timer = setTimeout(write, 300);
    unkept.current = write;
    return () => clearTimeout(timer);
  }, [draft, memory]);
  useEffect(() => {
    // Who reloads, or goes elsewhere, right after a keystroke loses nothing.
    const now = () => unkept.current();
    window.addEventListener("pagehide", now);
    return () => {
      window.removeEventListener("pagehide", now);
      now();
    };
  }, []);

  const submit = useMutation({
    mutationFn: async (validateOnly: boolean) => {
      const violations = unsayable(draft);
      if (violations.length > 0) throw new ApiError(400, { code: "INVALID_ARGUMENT", message: "Some fields cannot be understood.", violations });
      const digests = {
        project: draft.source === "files" && draft.files.length > 0 ? await upload(draft.files, true) : undefined,
        inputs: draft.inputs.length > 0 ? await upload(draft.inputs, false) : undefined,
      };
      return call("TestService", "submitTest", { spec: toSpec(draft, digests), requestId: validateOnly ? undefined : requestId.current, validateOnly });
    },
    onMutate: () => setErrors({}),
    onSuccess: (answer, validateOnly) => {
      if (validateOnly) return;
      remembers.current = false;
      forget(memory);
      const testId = answer.test?.id ?? "";
      keepFindings(client, testId, answer.findings);
      void client.invalidateQueries({ queryKey: accountQuery.queryKey });
      void navigate({ to: "/tests/$testId", params: { testId } });
    },
    onError: (error) => {
      if (!(error instanceof ApiError)) return;
      const found = errorsOf(error.violations);
      setErrors(found);
      // What is wrong with the call is no reason for another test: only an accepted one ends the intent.
      if (!error.isAway) requestId.current = newRequestId();
      requestAnimationFrame(() => form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus());
    },
  });

  const take = async (files: DraftFile[]) => {
    setProblem("");
    const requirements = files.find((one) => one.path === "requirements.txt");
    const rest = files.filter((one) => one !== requirements);
    const only = rest.length === 1 ? rest[0] : undefined;
    try {
      // One Python file, alone or with its requirements, is an agent in one file.
      if (only?.path.endsWith(".py")) {
        set({ source: "code", code: await textOf(only.file), ...(requirements ? { requirements: await textOf(requirements.file) } : {}) });
      } else if (rest.length === 0 && requirements) {
        set({ requirements: await textOf(requirements.file) });
      } else if (only && !only.path.toLowerCase().endsWith(".zip") && draft.source === "code") {
        throw new Error(`${only.path} is no Python file. Drop a .py file, or several files or a ZIP as a project.`);
      } else {
        set({ source: "files", files, projectDigest: "", projectNames: [] });
      }
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };

  const checked = submit.isSuccess && submit.variables ? (submit.data.findings ?? []) : null;
  const error = submit.error;
  const wait = error instanceof ApiError && error.retryAfterMs ? ` Come back in ${formatDuration(error.retryAfterMs)}.` : "";
  const elsewhere = error && (!(error instanceof ApiError) || error.violations.length === 0 || errors[""]);
  return (
    <form
      ref={form}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (!submit.isPending) submit.mutate(false);
      }}
    >
      <Stack>
        <PageHeader title="New test" description={again ? "Filled from an older test, to be edited. Values of variables are as they were." : undefined} />
        <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="lg">
          <AgentPart draft={draft} errors={errors} set={set} onFiles={(files) => void take(files)} problem={problem} />
          <Stack>
            <Paper withBorder p="md">
              <Stack gap="sm">
                <Textarea
                  label="Query"
                  description="What the agent is asked. Left empty, it gets an empty text."
                  autosize
                  minRows={4}
                  maxRows={14}
                  disabled={!draft.withQuery}
                  value={draft.query}
                  error={errors.query}
                  onChange={(event) => set({ query: event.currentTarget.value })}
                />
                <Switch label="Run it without a query" checked={!draft.withQuery} onChange={(event) => set({ withQuery: !event.currentTarget.checked })} />
              </Stack>
            </Paper>
            <MorePart draft={draft} errors={errors} set={set} opened={opened} onOpened={setOpened} />
          </Stack>
        </SimpleGrid>
        <div aria-live="polite">
          {elsewhere ? <ErrorBox title={submit.variables ? "The test would not be accepted" : "The test was not accepted"} error={wait && error instanceof Error ? new Error(error.message + wait) : error} /> : null}
          {error && !elsewhere && (
            <Text c="red" role="alert">
              {submit.variables ? "The test would not be accepted" : "The test was not accepted"}: see the fields above that say why.
            </Text>
          )}
          {checked && checked.length === 0 && <Text c="green">Nothing was found that speaks against this test.</Text>}
          {checked && <FindingList findings={checked} label="What the check noticed" />}
        </div>
        <Group justify="space-between">
          <Allowance />
          <Group gap="xs" ml="auto" justify="flex-end">
            <Button
              variant="subtle"
              onClick={() => {
                forget(memory);
                setDraft(EMPTY);
                setErrors({});
                submit.reset();
              }}
            >
              Clear the form
            </Button>
            <Button variant="default" leftSection={<CheckIcon width={16} aria-hidden />} loading={submit.isPending && submit.variables} disabled={submit.isPending} onClick={() => submit.mutate(true)}>
              Check only
            </Button>
            <Button type="submit" leftSection={<RunningIcon width={16} aria-hidden />} loading={submit.isPending && !submit.variables}>
              Run test
            </Button>
          </Group>
        </Group>
      </Stack>
    </form>
  );
}
