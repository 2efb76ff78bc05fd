// What a part of the page shows while it waits, when there is nothing, and when something went wrong.
import { Alert, Button, Group, List, Skeleton, Stack, Text, ThemeIcon } from "@mantine/core";
import type { ReactNode } from "react";
import { ApiError } from "../api/call";
import { visible } from "./bidi";
import { EmptyIcon, WarningIcon } from "./icons";

/** An error in the server's words, with what to do. `onRetry` adds a button: of what is read, which goes on by itself. */
export function ErrorBox({ error, title, onRetry }: { error: unknown; title?: string; onRetry?: () => void }) {
  const api = error instanceof ApiError ? error : null;
  return (
    <Alert color="red" variant="light" role="alert" icon={<WarningIcon width={20} aria-hidden />} title={title ?? "This did not work"}>
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{visible(error instanceof Error ? error.message : String(error))}</Text>
        {api && api.violations.length > 0 && (
          <List size="sm">
            {api.violations.map((one) => (
              <List.Item key={`${one.field} ${one.description}`}>
                <b>{one.field}</b>: {visible(one.description)}
              </List.Item>
            ))}
          </List>
        )}
        {onRetry && api?.isAway && <Text size="sm">It is read again by itself as soon as it can be.</Text>}
        {onRetry && (
          <Button size="xs" variant="default" onClick={onRetry}>
            Try again
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

/** Nothing to show, and what would change that. `heading`: it is all that the page has. */
export function Empty({ title, heading = false, children }: { title: string; heading?: boolean; children?: ReactNode }) {
  return (
    <Stack align="center" gap="xs" py="xl">
      <ThemeIcon size={48} radius="xl" variant="light" color="gray" aria-hidden>
        <EmptyIcon width={26} />
      </ThemeIcon>
      <Text fw={600} m={0} component={heading ? "h1" : "p"}>
        {title}
      </Text>
      {children && (
        <Text component="div" c="dimmed" size="sm" ta="center" maw={480}>
          {children}
        </Text>
      )}
    </Stack>
  );
}

/** Grey lines in the place of what is being read. */
export function Loading({ lines = 4, label = "Loading" }: { lines?: number; label?: string }) {
  return (
    <Stack gap="sm" role="status" aria-label={label} aria-busy>
      {Array.from({ length: lines }, (_, index) => (
        <Skeleton key={index} height={18} width={`${100 - ((index * 17) % 40)}%`} />
      ))}
    </Stack>
  );
}

/** The heading of a page with what can be done on it. */
export function PageHeader({ title, description, children }: { title: ReactNode; description?: ReactNode; children?: ReactNode }) {
  return (
    <Group justify="space-between" align="flex-start" gap="sm">
      {/* A long description wraps before it pushes the buttons below itself. */}
      <div style={{ flex: "1 1 260px", minWidth: 0 }}>
        <Text component="h1" fz={24} fw={700} lh={1.25} m={0}>
          {title}
        </Text>
        {description && (
          <Text component="div" c="dimmed" size="sm" mt={2}>
            {description}
          </Text>
        )}
      </div>
      <Group gap="xs">{children}</Group>
    </Group>
  );
}
