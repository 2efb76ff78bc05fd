import { Center, Loader, Paper, Stack, Text, Title } from "@mantine/core";
import type { ApiError } from "../api/call";

/** The first moment of the page. */
export function Starting() {
  return (
    <Center component="main" mih="100vh">
      <Loader aria-label="Loading" />
    </Center>
  );
}

/** The console or the gateway does not answer, and nothing was shown yet. */
export function Away({ error }: { error: ApiError }) {
  return (
    <Center component="main" mih="100vh" p="md">
      <Paper withBorder p="xl" maw={480} role="alert">
        <Stack>
          <Title order={1} fz={22}>
            Assay does not answer
          </Title>
          <Text>{error.message}</Text>
          <Text size="sm" c="dimmed">
            This page tries again every 2 seconds and goes on by itself.
          </Text>
          <Loader size="sm" aria-label="Trying again" />
        </Stack>
      </Paper>
    </Center>
  );
}
