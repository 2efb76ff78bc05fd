import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { expect, test } from "vitest";
import { SessionGate } from "../api/session";
import { server } from "../test/server";
import { Account } from "./Account";

test("who could not be signed out is told so", async () => {
  server.use(
    http.get("*/session", () => HttpResponse.json({ userId: "alice", role: "ROLE_USER", serverVersion: "1", serverTime: "2026-01-01T00:00:00Z" })),
    http.delete("*/session", () => HttpResponse.error()),
  );
  render(
    <MantineProvider env="test">
      <Notifications />
      <QueryClientProvider client={new QueryClient()}>
        <SessionGate waiting={null} away={() => null} signIn={() => null}>
          <Account />
        </SessionGate>
      </QueryClientProvider>
    </MantineProvider>,
  );
  await userEvent.click(await screen.findByRole("button", { name: "alice" }));
  await userEvent.click(await screen.findByRole("menuitem", { name: "Sign out" }));
  expect(await screen.findByText("You are still signed in")).toBeVisible();
  expect(screen.getByText(/The console cannot be reached/)).toBeVisible();
});
