// What most tests leave as it is: model, variables, limits, names, labels, input files. Folded until it is needed.
import { Accordion, Input, NativeSelect, SimpleGrid, Stack, Switch, TagsInput, Textarea, TextInput } from "@mantine/core";
import type { PartProps } from "./AgentPart";
import { openParts, type DraftFile } from "./draft";
import { DropZone, FileList } from "./FileDrop";
import { Pairs } from "./Pairs";

const PROVIDERS = ["bedrock", "openai", "anthropic", "ollama"];

export function MorePart({ draft, errors, set, opened, onOpened }: PartProps & { opened: string[]; onOpened: (opened: string[]) => void }) {
  const text = (name: "name" | "agentName" | "agentId" | "entrypoint" | "modelId" | "baseUrl" | "region" | "timeoutS" | "cpu" | "memoryMib", label: string, more: { description?: string; placeholder?: string; inputMode?: "decimal" } = {}) => (
    <TextInput label={label} value={draft[name]} error={errors[name]} onChange={(event) => set({ [name]: event.currentTarget.value })} {...more} />
  );
  // Where an error stands, the part is open whatever was folded.
  const shown = [...new Set([...opened, ...openParts(draft, errors).filter((part) => hasError(part, errors))])];
  return (
    <Accordion multiple variant="separated" value={shown} onChange={onOpened} order={2}>
      <Accordion.Item value="model">
        <Accordion.Control>Model and environment</Accordion.Control>
        <Accordion.Panel>
          <Stack>
            <SimpleGrid cols={{ base: 1, xs: 2 }}>
              <TextInput label="Model provider" list="providers" placeholder="bedrock" value={draft.provider} error={errors.provider} onChange={(event) => set({ provider: event.currentTarget.value })} />
              <datalist id="providers">
                {PROVIDERS.map((one) => (
                  <option key={one} value={one} />
                ))}
              </datalist>
              {text("modelId", "Model", { placeholder: "us.amazon.nova-lite-v1:0" })}
              {text("baseUrl", "Address of the provider", { placeholder: "only where it is not the usual one" })}
              {text("region", "Region", { placeholder: "us-east-1" })}
            </SimpleGrid>
            <Pairs label="Environment variables" description="The agent finds them in os.environ. Values are stored with the test; for secrets use references." add="Add a variable" masked pairs={draft.env} error={errors.env} onChange={(env) => set({ env })} />
            <Pairs
              label="Secrets"
              description="Variables whose value comes from AWS Secrets Manager."
              add="Add a secret"
              valueLabel="Name or ARN of the secret"
              pairs={draft.secrets}
              error={errors.secrets}
              onChange={(secrets) => set({ secrets })}
            />
          </Stack>
        </Accordion.Panel>
      </Accordion.Item>
      <Accordion.Item value="settings">
        <Accordion.Control>Limits, names and labels</Accordion.Control>
        <Accordion.Panel>
          <Stack>
            <SimpleGrid cols={{ base: 1, xs: 2 }} style={{ alignItems: "end" }}>
              {text("timeoutS", "Time limit in seconds", { placeholder: "the server's default", inputMode: "decimal" })}
              {text("cpu", "CPU in vCPU", { placeholder: "the server's default", inputMode: "decimal" })}
              {text("memoryMib", "Memory in MiB", { placeholder: "the server's default", inputMode: "decimal" })}
              <NativeSelect
                label="Network"
                value={draft.network}
                error={errors.network}
                onChange={(event) => set({ network: event.currentTarget.value as "open" | "none" })}
                data={[
                  { value: "open", label: "Open: agents call models" },
                  { value: "none", label: "None while the agent runs" },
                ]}
              />
              <NativeSelect
                label="Priority"
                value={draft.priority}
                error={errors.priority}
                onChange={(event) => set({ priority: event.currentTarget.value })}
                data={[{ value: "", label: "5, the default" }, ..."9876543210".split("").map((value) => ({ value, label: value === "9" ? "9, first" : value === "0" ? "0, last" : value }))]}
              />
              {text("entrypoint", "Entry point", { placeholder: "agent:run", description: "Empty: what the file plainly offers." })}
              {text("name", "Name of the test")}
              {text("agentName", "Name of the agent")}
              {text("agentId", "Id of the agent", { description: "The same for all its tests." })}
            </SimpleGrid>
            <Pairs label="Labels" description="To find tests by." add="Add a label" pairs={draft.labels} error={errors.labels} onChange={(labels) => set({ labels })} />
            <TagsInput label="Debian packages" description="Programs that the agent needs beside Python, such as git." value={draft.systemPackages} error={errors.systemPackages} onChange={(systemPackages) => set({ systemPackages })} />
            {draft.network === "open" && <TagsInput label="Allowed hosts" description="Reached beside the internet, where the operator permits it: 127.0.0.1:11434." value={draft.allowHosts} error={errors.allowHosts} onChange={(allowHosts) => set({ allowHosts })} />}
            <Switch label="Fail where the answer is no plain JSON, instead of converting it" checked={draft.strictAnswer} onChange={(event) => set({ strictAnswer: event.currentTarget.checked })} />
            <Textarea label="Dockerfile" description="Goes with the agent into its deployment package. Empty: one is made." classNames={{ input: "mono" }} autosize minRows={2} maxRows={12} value={draft.dockerfile} error={errors.dockerfile} onChange={(event) => set({ dockerfile: event.currentTarget.value })} />
          </Stack>
        </Accordion.Panel>
      </Accordion.Item>
      <Accordion.Item value="inputs">
        <Accordion.Control>Input files</Accordion.Control>
        <Accordion.Panel>
          <Inputs files={draft.inputs} kept={draft.inputNames} error={errors.inputs} onFiles={(inputs) => set({ inputs, inputsDigest: "", inputNames: [] })} onClear={() => set({ inputs: [], inputsDigest: "", inputNames: [] })} />
        </Accordion.Panel>
      </Accordion.Item>
    </Accordion>
  );
}

function Inputs({ files, kept, error, onFiles, onClear }: { files: DraftFile[]; kept: string[]; error: string | undefined; onFiles: (files: DraftFile[]) => void; onClear: () => void }) {
  return (
    <DropZone label="Input files" onFiles={onFiles}>
      <Input.Wrapper labelElement="div" label="Files that the agent finds in /work/in" error={error}>
        <FileList folder={false} files={files} kept={kept} onFiles={onFiles} onClear={onClear} />
      </Input.Wrapper>
    </DropZone>
  );
}

function hasError(part: string, errors: PartProps["errors"]): boolean {
  const fields: Record<string, string[]> = {
    model: ["provider", "modelId", "baseUrl", "region", "env", "secrets"],
    settings: ["name", "agentName", "agentId", "entrypoint", "timeoutS", "cpu", "memoryMib", "priority", "network", "labels", "systemPackages", "allowHosts", "dockerfile"],
    inputs: ["inputs"],
  };
  return (fields[part] ?? []).some((field) => errors[field]);
}
