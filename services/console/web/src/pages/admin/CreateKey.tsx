// Makes an API key and shows its secret once: it is in no list and in no memory of the page afterwards.
import { Alert, Button, Code, Group, Modal, NativeSelect, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { ApiError, call } from "../../api/call";
import { CopyButton } from "../../components/CopyButton";
import { ErrorBox } from "../../components/feedback";
import { KeyIcon } from "../../components/icons";

const LIVES = [
  { value: "", label: "For ever" },
  { value: "86400s", label: "1 day" },
  { value: "604800s", label: "7 days" },
  { value: "2592000s", label: "30 days" },
  { value: "7776000s", label: "90 days" },
  { value: "31536000s", label: "1 year" },
];

export function CreateKey({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  return (
    <Modal opened={opened} onClose={onClose} title="New API key" closeOnClickOutside={false} closeButtonProps={{ "aria-label": "Close" }}>
      <Form onClose={onClose} />
    </Modal>
  );
}

function Form({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const [user, setUser] = useState("");
  const [name, setName] = useState("");
  const [role, setRole] = useState<"ROLE_USER" | "ROLE_ADMIN">("ROLE_USER");
  const [ttl, setTtl] = useState("7776000s");
  // Two submits may come before the form is drawn anew; each would make a key, and only the last one's secret is shown.
  const isMaking = useRef(false);
  const create = useMutation({
    gcTime: 0,
    mutationFn: () => call("AdminService", "createApiKey", { userId: user.trim(), name: name.trim(), role, ttl: ttl || undefined }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["keys"] }),
    onError: () => {
      isMaking.current = false;
    },
  });
  const errorOf = (field: string) => (create.error instanceof ApiError ? create.error.violations.find((one) => one.field === field)?.description : undefined);
  if (create.data) {
    return (
      <Stack>
        <Alert color="orange" icon={<KeyIcon width={20} aria-hidden />} title={`The key of ${create.data.key?.userId}`}>
          This is the only time that it is shown. Copy it now and hand it over safely.
        </Alert>
        <Code block className="break" aria-label="The new key">
          {create.data.secret}
        </Code>
        <Group justify="space-between">
          <CopyButton text={create.data.secret ?? ""} label="Copy the key" size="sm" />
          <Button onClick={onClose}>Done</Button>
        </Group>
      </Stack>
    );
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (isMaking.current) return;
        isMaking.current = true;
        create.mutate();
      }}
    >
      <Stack>
        <TextInput label="User" description="Letters, digits, _ and -." required value={user} error={errorOf("user_id")} onChange={(event) => setUser(event.currentTarget.value)} data-autofocus />
        <TextInput label="Name" description="What the key is for, such as ci." value={name} error={errorOf("name")} onChange={(event) => setName(event.currentTarget.value)} />
        <NativeSelect
          label="Role"
          value={role}
          error={errorOf("role")}
          onChange={(event) => setRole(event.currentTarget.value as typeof role)}
          data={[
            { value: "ROLE_USER", label: "User: their own tests" },
            { value: "ROLE_ADMIN", label: "Admin: everybody's tests, and these pages" },
          ]}
        />
        <NativeSelect label="Lifetime" value={ttl} error={errorOf("ttl")} onChange={(event) => setTtl(event.currentTarget.value)} data={LIVES} />
        {create.error && !["user_id", "name", "role", "ttl"].some(errorOf) && <ErrorBox error={create.error} />}
        <Group justify="space-between">
          <Text size="sm" c="dimmed">
            The secret is shown once.
          </Text>
          <Button type="submit" loading={create.isPending} disabled={!user.trim()}>
            Make the key
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
