// Next and previous of a list in pages by token. The tokens before this page travel with the entry in the browser's history.
import { Button, Group } from "@mantine/core";
import { useNavigate, useRouterState } from "@tanstack/react-router";

/** `search`: of the address, with the token of this page in `page`. `next`: the token after it; empty: this is the last. */
export function Pager({ label, search, next, busy = false }: { label: string; search: { page?: string }; next: string | undefined; busy?: boolean }) {
  const navigate = useNavigate();
  const trail = useRouterState({ select: (state) => (state.location.state as { trail?: string[] }).trail }) ?? [];
  const { page, ...rest } = search;
  if (!page && !next) return null;
  const go = (token: string | undefined, before: string[]) =>
    void navigate({ to: ".", search: (token ? { ...rest, page: token } : rest) as never, state: { trail: before } as never });
  return (
    <Group justify="center" component="nav" aria-label={label}>
      <Button variant="default" disabled={!page} onClick={() => go(trail.at(-1), trail.slice(0, -1))}>
        {page && trail.length === 0 ? "First page" : "Previous"}
      </Button>
      <Button variant="default" disabled={!next || busy} onClick={() => go(next, [...trail, page ?? ""])}>
        Next
      </Button>
    </Group>
  );
}
