import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import type { Package } from "../../api/types";
import { render } from "../../test/render";
import { answer, refuse } from "../../test/server";
import { PackagesPage } from "./PackagesPage";
import { packagesSearch } from "./search";

const TEST = `tst_${"1".repeat(32)}`;
const ready: Package = { id: "pkg_1", testId: TEST, userId: "alice", agentId: "weather", state: "PACKAGE_STATE_READY", sizeBytes: "2048", options: { serviceName: "forecast" }, createTime: "2026-01-01T00:00:00Z" };

test("the address keeps what it understands", () => {
  expect(packagesSearch({ state: "ready", agent: "weather", page: "2", junk: 1 })).toEqual({ state: "ready", agent: "weather", page: "2" });
  expect(packagesSearch({ state: "nonsense", agent: "" })).toEqual({});
});

test("packages of all tests are listed, with the way to their test and their ZIP", async () => {
  const asked: object[] = [];
  answer("PackageService/ListPackages", (request: object) => {
    asked.push(request);
    const failed: Package = { id: "pkg_2", testId: TEST, agentId: "shop", state: "PACKAGE_STATE_FAILED", failure: { code: "PACKAGE_TOO_LARGE", message: "<b>too large</b>" } };
    return { packages: [ready, failed], nextPageToken: "more" } as never;
  });
  await render(<PackagesPage />, { at: "/packages", admin: true });
  const table = await screen.findByRole("table", { name: "Packages" });
  expect(within(table).getByRole("link", { name: "forecast" })).toHaveAttribute("href", `/tests/${TEST}?tab=package`);
  expect(within(table).getByRole("link", { name: "Download forecast, 2.00 KiB" })).toHaveAttribute("href", "/packages/pkg_1.zip");
  expect(within(table).getByText("alice")).toBeInTheDocument();
  expect(within(table).getByText("PACKAGE_TOO_LARGE: <b>too large</b>")).toBeInTheDocument();
  expect(screen.getByRole("button", { name: "Next" })).toBeEnabled();
  await userEvent.selectOptions(screen.getByLabelText("State"), "removed");
  await waitFor(() => expect(asked.at(-1)).toMatchObject({ filter: { states: ["PACKAGE_STATE_EXPIRED"] } }));
});

test("where there are none, it says where they come from", async () => {
  answer("PackageService/ListPackages", () => ({}));
  await render(<PackagesPage />, { at: "/packages" });
  expect(await screen.findByText(/open the test and press Package/)).toBeInTheDocument();
  expect(screen.getByRole("link", { name: "Tests that passed" })).toHaveAttribute("href", expect.stringMatching(/^\/tests\?state=/));
});

test("what is wrong is told", async () => {
  refuse("PackageService/ListPackages", 400, { code: "INVALID_ARGUMENT", message: "The page token is of another list." });
  await render(<PackagesPage />, { at: "/packages?page=x" });
  expect(await screen.findByRole("alert")).toHaveTextContent("The page token is of another list.");
});
