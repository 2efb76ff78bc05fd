// Names with values: labels, variables, references to secrets.
import { ActionIcon, Button, Group, Input, PasswordInput, Stack, TextInput } from "@mantine/core";
import { PlusIcon, TrashIcon } from "../../components/icons";
import type { Pair } from "./draft";

export function Pairs({
  label,
  description,
  pairs,
  onChange,
  error,
  add,
  masked = false,
  valueLabel = "Value",
}: {
  label: string;
  description?: string;
  pairs: Pair[];
  onChange: (pairs: Pair[]) => void;
  error?: string;
  add: string;
  masked?: boolean;
  valueLabel?: string;
}) {
  const set = (index: number, part: Partial<Pair>) => onChange(pairs.map((pair, at) => (at === index ? { ...pair, ...part } : pair)));
  const Value = masked ? PasswordInput : TextInput;
  return (
    <Input.Wrapper label={label} description={description} error={error} labelElement="div" role="group" aria-label={label} errorProps={{ style: { whiteSpace: "pre-line" } }}>
      <Stack gap={6} mt={4}>
        {pairs.map((pair, index) => (
          <Group key={index} gap={6} wrap="nowrap" align="start">
            <TextInput flex={1} aria-label={`${label}: name ${index + 1}`} placeholder="Name" value={pair.name} onChange={(event) => set(index, { name: event.currentTarget.value })} autoComplete="off" />
            <Value
              flex={2}
              aria-label={`${label}: ${valueLabel.toLowerCase()} of ${pair.name || index + 1}`}
              placeholder={valueLabel}
              value={pair.value}
              onChange={(event) => set(index, { value: event.currentTarget.value })}
              autoComplete="off"
            />
            <ActionIcon variant="default" size="lg" aria-label={`Remove ${pair.name || `line ${index + 1}`}`} onClick={() => onChange(pairs.filter((_, at) => at !== index))}>
              <TrashIcon width={16} aria-hidden />
            </ActionIcon>
          </Group>
        ))}
        <div>
          <Button size="xs" variant="default" leftSection={<PlusIcon width={14} aria-hidden />} onClick={() => onChange([...pairs, { name: "", value: "" }])}>
            {add}
          </Button>
        </div>
      </Stack>
    </Input.Wrapper>
  );
}
