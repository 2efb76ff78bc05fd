// Renders a part of the page as the page does: theme, queries, times, and a router where it has links.
import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createMemoryHistory, createRootRoute, createRouter, RouterProvider } from "@tanstack/react-router";
import { render as plain, type RenderResult } from "@testing-library/react";
import type { ReactNode } from "react";
import { FakeSession } from "../api/session";
import { TimesProvider } from "../time/times";

/** `at`: the address of the page, for what reads the URL. */
export async function render(element: ReactNode, { at = "/", admin = false }: { at?: string; admin?: boolean } = {}): Promise<RenderResult> {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const root = createRootRoute({ component: () => <>{element}</>, notFoundComponent: () => <>{element}</> });
  const router = createRouter({ routeTree: root, history: createMemoryHistory({ initialEntries: [at] }) });
  await router.load();
  return plain(
    <MantineProvider env="test">
      <QueryClientProvider client={client}>
        <FakeSession admin={admin}>
          <TimesProvider>
            <RouterProvider router={router as never} />
          </TimesProvider>
        </FakeSession>
      </QueryClientProvider>
    </MantineProvider>,
  );
}
