import { ActionIcon, TextInput, type TextInputProps } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useState } from "react";
import { CloseIcon } from "./icons";

/** A text field that writes the address a moment after the last key, and follows it when it changes elsewhere. */
export function TextFilter({ value, onChange, ...props }: { value: string | undefined; onChange: (value: string | undefined) => void } & Omit<TextInputProps, "value" | "onChange">) {
  const [typed, setTyped] = useState(value ?? "");
  const [told, setTold] = useState(value);
  const write = useDebouncedCallback((text: string) => onChange(text.trim() || undefined), 350);
  if (told !== value) {
    setTold(value);
    if ((value ?? "") !== typed.trim()) setTyped(value ?? "");
  }
  const type = (text: string) => {
    setTyped(text);
    write(text);
  };
  return (
    <TextInput
      {...props}
      value={typed}
      onChange={(event) => type(event.currentTarget.value)}
      rightSection={
        typed ? (
          <ActionIcon variant="subtle" color="gray" aria-label={`Clear: ${String(props.label)}`} onClick={() => type("")}>
            <CloseIcon width={16} aria-hidden />
          </ActionIcon>
        ) : null
      }
    />
  );
}
