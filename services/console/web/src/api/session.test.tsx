import { QueryClient, QueryClientProvider, useQuery } from "@tanstack/react-query";
import { render, screen } from "@testing-library/react";
import { http, HttpResponse } from "msw";
import { expect, test } from "vitest";
import { server } from "../test/server";
import { tellUnauthenticated } from "./call";
import { SessionGate, useSession } from "./session";

test("a user never sees what was read for the one before, not even in the first moment", async () => {
  let user = "alice";
  server.use(http.get("*/session", () => HttpResponse.json({ userId: user, role: "ROLE_USER", serverVersion: "1", serverTime: "2026-01-01T00:00:00Z" })));
  const drawn: string[] = [];
  function Mine() {
    const { userId } = useSession();
    const { data } = useQuery({ queryKey: ["mine"], queryFn: () => `of ${user}`, staleTime: Infinity });
    drawn.push(`${userId}: ${data}`);
    return <p>{data}</p>;
  }
  render(
    <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
      <SessionGate waiting={null} away={() => null} signIn={() => null}>
        <Mine />
      </SessionGate>
    </QueryClientProvider>,
  );
  expect(await screen.findByText("of alice")).toBeVisible();
  // Another tab has signed in somebody else, and the next call was refused.
  user = "bob";
  tellUnauthenticated();
  expect(await screen.findByText("of bob")).toBeVisible();
  expect(drawn).not.toContain("bob: of alice");
});
