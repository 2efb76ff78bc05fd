import { Button, CopyButton as Copying, type ButtonProps } from "@mantine/core";
import { CheckIcon, CopyIcon } from "./icons";

/** Copies `text`, and says that it did. */
export function CopyButton({ text, label = "Copy", ...props }: { text: string; label?: string } & ButtonProps) {
  return (
    <Copying value={text} timeout={1500}>
      {({ copied, copy }) => (
        <Button size="compact-sm" variant="default" onClick={copy} leftSection={copied ? <CheckIcon width={14} aria-hidden /> : <CopyIcon width={14} aria-hidden />} {...props}>
          <span aria-live="polite">{copied ? "Copied" : label}</span>
        </Button>
      )}
    </Copying>
  );
}
