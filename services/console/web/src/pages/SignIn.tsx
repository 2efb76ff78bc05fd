// The way in: an API key, or the organisation's own sign-in where it is set up.
import { Alert, Button, Center, Code, Divider, Paper, PasswordInput, Stack, Text, Title } from "@mantine/core";
import { useState, type SubmitEvent } from "react";
import { signInWithKey, type SignInWays } from "../api/session";
import { ErrorBox } from "../components/feedback";
import { KeyIcon, OpenIcon } from "../components/icons";

// Why a sign-in by a link ended here: the console's own words for it, in the address.
const FAILED: Record<string, string> = {
  expired: "This link was used before, or it is too old. Ask for a new one, or sign in another way.",
  refused: "Your organisation has signed you in, but this server does not let you in.",
  declined: "The sign-in was cancelled.",
  unavailable: "The sign-in service does not answer. Try again in a moment.",
};

/** `ended`: who was signed in until now, for whom it must be said that they are not any more. */
export function SignIn({ ways, onSignedIn, ended = "" }: { ways: SignInWays; onSignedIn: () => void; ended?: string }) {
  const [key, setKey] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);

  const submit = async (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await signInWithKey(key.trim());
      setKey("");
      onSignedIn();
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };

  const failed = FAILED[new URLSearchParams(window.location.search).get("signin") ?? ""];
  const to = failed ? "/" : window.location.pathname + window.location.search;
  return (
    <Center component="main" mih="100vh" p="md">
      <Paper withBorder p="xl" w="100%" maw={420}>
        <Stack>
          <Title order={1} fz={26}>
            Sign in to Assay
          </Title>
          {failed && !error ? <ErrorBox error={failed} title="You are not signed in" /> : null}
          {ended && !failed && !error && (
            <Alert color="orange" role="status" title="You have been signed out">
              The session of {ended} has ended, or its key was revoked or has expired.
            </Alert>
          )}
          {ways.oidc && (
            <>
              <Button component="a" href={`${ways.oidc}?to=${encodeURIComponent(to)}`} leftSection={<OpenIcon width={18} aria-hidden />}>
                Continue with your organisation
              </Button>
              {ways.key && <Divider label="or" />}
            </>
          )}
          {ways.key && (
            <form onSubmit={(event) => void submit(event)}>
              <Stack>
                <PasswordInput
                  label="API key"
                  description="It is kept on the server side of this session, not in the browser."
                  autoComplete="off"
                  required
                  value={key}
                  onChange={(event) => setKey(event.currentTarget.value)}
                  leftSection={<KeyIcon width={16} aria-hidden />}
                  data-autofocus
                />
                {error ? <ErrorBox error={error} title="You are not signed in" /> : null}
                <Button type="submit" loading={busy} disabled={!key.trim()}>
                  Sign in
                </Button>
              </Stack>
            </form>
          )}
          <Text size="sm" c="dimmed">
            No key yet? On your own machine <Code>assay open</Code> signs you in by itself. Elsewhere an admin makes one with{" "}
            <Code>assay keys create</Code> or on the Keys page.
          </Text>
        </Stack>
      </Paper>
    </Center>
  );
}
