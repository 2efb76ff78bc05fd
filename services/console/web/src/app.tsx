import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { useState } from "react";
import { makeQueryClient } from "./api/queries";
import { SessionGate, useSession } from "./api/session";
import { nonce } from "./nonce";
import { SignIn } from "./pages/SignIn";
import { makeRouter } from "./router";
import { Away, Starting } from "./shell/Away";
import { theme } from "./theme";
import { TimesProvider } from "./time/times";

function Page() {
  const { serverSkewMs } = useSession();
  const [router] = useState(makeRouter);
  return (
    <TimesProvider skewMs={serverSkewMs}>
      <RouterProvider router={router} />
    </TimesProvider>
  );
}

export function App() {
  const [client] = useState(makeQueryClient);
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={nonce}>
      <Notifications position="bottom-right" />
      <QueryClientProvider client={client}>
        <SessionGate
          waiting={<Starting />}
          away={(error) => <Away error={error} />}
          signIn={(ways, signedIn, ended) => <SignIn ways={ways} onSignedIn={signedIn} ended={ended} />}
        >
          <Page />
        </SessionGate>
      </QueryClientProvider>
    </MantineProvider>
  );
}
