// The agent: one file in the editor, or several files.
import { Box, Button, FileButton, Group, Input, SegmentedControl, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { CodeEditor } from "../../components/CodeEditor";
import type { Draft, DraftFile, FieldErrors } from "./draft";
import { EXAMPLE_CODE, EXAMPLE_QUERY } from "./example";
import { DropZone, FileList } from "./FileDrop";

export interface PartProps {
  draft: Draft;
  errors: FieldErrors;
  set: (part: Partial<Draft>) => void;
}

export function AgentPart({ draft, errors, set, onFiles, problem }: PartProps & { onFiles: (files: DraftFile[]) => void; problem: string }) {
  const several = draft.source === "files";
  return (
    <DropZone label="Agent" onFiles={onFiles}>
      <Stack gap="sm">
        <Group justify="space-between">
          <SegmentedControl
            aria-label="How the agent is handed in"
            value={draft.source}
            onChange={(value) => set({ source: value as Draft["source"] })}
            data={[
              { value: "code", label: "One file" },
              { value: "files", label: "Several files" },
            ]}
          />
          {!several && (
            <Group gap="xs">
              <FileButton accept=".py" onChange={(file) => file && onFiles([{ path: file.name, file }])}>
                {(props) => (
                  <Button {...props} variant="default" size="xs">
                    Choose a file…
                  </Button>
                )}
              </FileButton>
              {draft.code === "" && <Button variant="light" size="xs" onClick={() => set({ code: EXAMPLE_CODE, query: draft.query || EXAMPLE_QUERY })}>
              Start with an example
              </Button>}
            </Group>
          )}
        </Group>
        {problem && <Input.Error role="alert">{problem}</Input.Error>}
        {several ? (
          <>
            <FileList
              folder
              files={draft.files}
              kept={draft.projectNames}
              onFiles={onFiles}
              onClear={() => set({ files: [], projectDigest: "", projectNames: [], agentPath: "" })}
            />
            <TextInput
              label="The agent's file"
              description="Empty: agent.py, main.py, app.py, or the only Python file at the top."
              value={draft.agentPath}
              error={errors.agentPath}
              onChange={(event) => set({ agentPath: event.currentTarget.value })}
            />
            {errors.files && <Input.Error style={{ whiteSpace: "pre-line" }}>{errors.files}</Input.Error>}
          </>
        ) : (
          <Input.Wrapper
            label="Agent code"
            labelElement="div"
            description="Python. Anything with a function run(query) will do; a file can be dropped here. Escape, then Tab leaves the editor."
            error={errors.code}
            id="agent-code"
            inputContainer={(editor) => <Box my={4}>{editor}</Box>}
          >
            <CodeEditor value={draft.code} onChange={(code) => set({ code })} label="Agent code" describedBy="agent-code-description agent-code-error" invalid={Boolean(errors.code)} hint={"def run(query):\n    return …"} />
          </Input.Wrapper>
        )}
        <Textarea
          label="Requirements"
          description="As in requirements.txt, a line each. Empty: what the agent's own files say."
          placeholder="httpx>=0.27"
          classNames={{ input: "mono" }}
          autosize
          minRows={2}
          maxRows={10}
          value={draft.requirements}
          error={errors.requirements && <Text component="span" inherit style={{ whiteSpace: "pre-line" }}>{errors.requirements}</Text>}
          onChange={(event) => set({ requirements: event.currentTarget.value })}
        />
      </Stack>
    </DropZone>
  );
}
