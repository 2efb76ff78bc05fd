import { onlineManager, QueryClientProvider, useMutation, useQuery } from "@tanstack/react-query";
import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test } from "vitest";
import { ApiError } from "./call";
import { makeQueryClient } from "./queries";

afterEach(() => onlineManager.setOnline(true));

function Part({ read }: { read: () => Promise<string> }) {
  const { data, error } = useQuery({ queryKey: ["part"], queryFn: read });
  const act = useMutation({ mutationFn: read });
  return (
    <>
      <p>{data ?? error?.message ?? "waiting"}</p>
      <button onClick={() => act.mutate()}>{act.data ? "done" : "do"}</button>
    </>
  );
}

const shown = (read: () => Promise<string>) =>
  render(
    <QueryClientProvider client={makeQueryClient()}>
      <Part read={read} />
    </QueryClientProvider>,
  );

test("a browser without a network asks all the same: local mode is on its own machine", async () => {
  onlineManager.setOnline(false);
  shown(() => Promise.resolve("here"));
  expect(await screen.findByText("here")).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "do" }));
  expect(await screen.findByRole("button", { name: "done" })).toBeVisible();
});

test("what was away for longer than the first tries is read when it is back, without a click", async () => {
  let away = true;
  shown(() => (away ? Promise.reject(new ApiError(0, { code: "UNAVAILABLE", message: "away" })) : Promise.resolve("back")));
  expect(await screen.findByText("away", undefined, { timeout: 8000 })).toBeVisible();
  away = false;
  expect(await screen.findByText("back", undefined, { timeout: 8000 })).toBeVisible();
});
