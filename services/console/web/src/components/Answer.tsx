// What an agent answered, as text, Markdown or a tree, with copy and download. Knows nothing of tests.
import { Box, Button, Group, SegmentedControl, Stack, Text } from "@mantine/core";
import { lazy, Suspense, useMemo, useState } from "react";
import { visible } from "./bidi";
import { CopyButton } from "./CopyButton";
import { Loading } from "./feedback";
import { DownloadIcon } from "./icons";
import { parseJson, prettyJson, stringAnswer } from "./json";
import { JsonTree } from "./JsonTree";
import { saveText } from "./saveText";

const Markdown = lazy(() => import("./Markdown"));

/** Characters up to which Markdown is laid out without holding the page up. */
const MOST_MARKDOWN = 100_000;
const SHORT = 50_000;

type View = "text" | "markdown" | "tree" | "json";

/** Whether a text has the marks of Markdown: headings, lists, fences, tables, emphasis, links. */
export function looksLikeMarkdown(text: string): boolean {
  return /^(#{1,6} |[-*+] |\d+\. |```|> |\|.*\|)/m.test(text) || /\*\*[^*\n]+\*\*|\[[^\]\n]+\]\([^)\n]+\)/.test(text);
}

function Plain({ text }: { text: string }) {
  const [whole, setWhole] = useState(text.length <= SHORT);
  return (
    <>
      <Box component="pre" className="break mono" m={0} fz="sm" mah="70vh" tabIndex={0} aria-label="Answer" style={{ whiteSpace: "pre-wrap", overflow: "auto" }}>
        {visible(whole ? text : text.slice(0, SHORT))}
      </Box>
      {!whole && (
        <Button variant="default" size="xs" mt="xs" onClick={() => setWhole(true)}>
          Show all {text.length.toLocaleString("en-US")} characters
        </Button>
      )}
    </>
  );
}

/** `json`: the answer as JSON text. `name`: of the file it is saved as, without its ending. */
export function Answer({ json, name }: { json: string; name: string }) {
  const text = useMemo(() => stringAnswer(json), [json]);
  const root = useMemo(() => parseJson(json), [json]);
  const views: { value: View; label: string }[] =
    text === null
      ? [...(root ? [{ value: "tree" as const, label: "Tree" }] : []), { value: "json", label: "JSON" }]
      : [
          { value: "text", label: "Text" },
          ...(text.length <= MOST_MARKDOWN ? [{ value: "markdown" as const, label: "Markdown" }] : []),
          { value: "json", label: "JSON" },
        ];
  const [chosen, setChosen] = useState<View | null>(null);
  const first = text !== null && text.length <= MOST_MARKDOWN && looksLikeMarkdown(text) ? "markdown" : (views[0]?.value ?? "json");
  const view = chosen && views.some((one) => one.value === chosen) ? chosen : first;
  const isText = text !== null && view !== "json";
  const whole = isText ? text : json;
  return (
    <Stack gap="sm">
      <Group justify="space-between" gap="xs">
        <SegmentedControl size="xs" aria-label="How the answer is shown" data={views} value={view} onChange={(value) => setChosen(value as View)} />
        <Group gap="xs">
          <CopyButton text={whole} label="Copy the answer" />
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<DownloadIcon width={14} aria-hidden />}
            onClick={() => (isText ? saveText(`${name}.${view === "markdown" ? "md" : "txt"}`, whole) : saveText(`${name}.json`, json, "application/json"))}
          >
            Download
          </Button>
        </Group>
      </Group>
      {view === "tree" && root && <JsonTree text={json} root={root} label="Answer" />}
      {view === "markdown" && text !== null && (
        <Suspense fallback={<Loading />}>
          <Markdown text={text} />
        </Suspense>
      )}
      {view === "text" && text !== null && (text === "" ? <Text c="dimmed">The answer is an empty text.</Text> : <Plain text={text} />)}
      {view === "json" && <Plain text={root ? prettyJson(json, root) : json} />}
    </Stack>
  );
}
