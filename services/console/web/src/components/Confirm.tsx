import { Button, Group, Modal, Stack } from "@mantine/core";
import type { ReactNode } from "react";
import { ErrorBox } from "./feedback";

/** A question before something that cannot be taken back. Focus starts in the dialog and returns to where it was. */
export function Confirm({
  opened,
  title,
  confirm,
  cancel = "Back",
  danger = false,
  busy = false,
  disabled = false,
  error,
  onConfirm,
  onClose,
  children,
}: {
  opened: boolean;
  title: string;
  confirm: string;
  cancel?: string;
  danger?: boolean;
  busy?: boolean;
  /** There is nothing to do it to. */
  disabled?: boolean;
  error?: unknown;
  onConfirm: () => void;
  onClose: () => void;
  children?: ReactNode;
}) {
  return (
    <Modal opened={opened} onClose={onClose} title={title} centered closeButtonProps={{ "aria-label": "Close" }}>
      <Stack>
        {children}
        {error ? <ErrorBox error={error} /> : null}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {cancel}
          </Button>
          <Button color={danger ? "red" : undefined} loading={busy} disabled={disabled} onClick={onConfirm}>
            {confirm}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
