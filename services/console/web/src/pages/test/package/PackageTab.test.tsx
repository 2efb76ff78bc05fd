import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, test } from "vitest";
import type { Package, Test } from "../../../api/types";
import { render } from "../../../test/render";
import { answer } from "../../../test/server";
import { PackageTab } from "./PackageTab";

const ID = `tst_${"1".repeat(32)}`;
const PACKAGE = `pkg_${"3".repeat(32)}`;
const passed: Test = { id: ID, state: "TEST_STATE_COMPLETED", result: { success: true, responseJson: "1" } };
const inAnHour = () => new Date(Date.now() + 3600_000).toISOString();
const ready = (): Package => ({
  id: PACKAGE,
  state: "PACKAGE_STATE_READY",
  sizeBytes: "2048",
  sha256: "f".repeat(64),
  files: [{ path: "agent.py", sizeBytes: "10", sha256: "e".repeat(64) }],
  expireTime: inAnHour(),
  downloadCount: "2",
});

const lists = (packages: Package[]) => answer("PackageService/ListPackages", () => ({ packages }));

describe("the package of a test", () => {
  test("is made with the options that were given, waited for without asking all the time, and downloaded", async () => {
    lists([]);
    let asked: Record<string, unknown> = {};
    const waits: unknown[] = [];
    answer("PackageService/GeneratePackage", (request) => {
      asked = request;
      lists([{ id: PACKAGE, state: "PACKAGE_STATE_GENERATING" }]);
      return { package: { id: PACKAGE, state: "PACKAGE_STATE_GENERATING" } };
    });
    answer("PackageService/GetPackage", (request: { wait?: string }) => {
      waits.push(request.wait);
      return { package: ready(), link: { url: "https://store.example/x", expireTime: inAnHour() } };
    });
    await render(<PackageTab test={passed} />);
    await userEvent.type(await screen.findByLabelText("Name of the service"), "weather");
    await userEvent.type(screen.getByLabelText("Port"), "9000");
    await userEvent.click(screen.getByLabelText(/load balancer/));
    await userEvent.click(screen.getByRole("button", { name: "Make the package" }));
    const link = await screen.findByRole("link", { name: /Download \(2\.00 KiB\)/ });
    expect(link).toHaveAttribute("href", `/packages/${PACKAGE}.zip`);
    expect(asked).toMatchObject({ testId: ID, options: { serviceName: "weather", port: 9000, loadBalancer: true } });
    expect(asked.requestId).toMatch(/^[0-9a-f]{32}$/);
    expect(waits).toEqual(["20s"]);
    expect(screen.getByText("Downloaded 2 times")).toBeInTheDocument();
    expect(screen.getByText("agent.py")).toBeInTheDocument();
  });

  test("shows what the server refuses at its field", async () => {
    lists([]);
    answer(
      "PackageService/GeneratePackage",
      () => ({ code: "INVALID_ARGUMENT", message: "Bad options.", reason: "", violations: [{ field: "options.service_name", description: "too long" }], retryAfterMs: null }),
      400,
    );
    await render(<PackageTab test={passed} />);
    await userEvent.click(await screen.findByRole("button", { name: "Make the package" }));
    await waitFor(() => expect(screen.getByLabelText("Name of the service")).toHaveAccessibleDescription(/too long/));
  });

  test("whose link has ended gets a new one", async () => {
    lists([ready()]);
    answer("PackageService/GetPackage", () => ({ package: ready(), link: { url: "https://store.example/old", expireTime: "2020-01-01T00:00:00Z" } }));
    answer("PackageService/RefreshDownloadUrl", () => ({ link: { url: "https://store.example/new", expireTime: inAnHour() } }));
    await render(<PackageTab test={passed} />);
    expect(await screen.findByText(/deployment has ended/)).toBeInTheDocument();
    expect(screen.queryByRole("button", { name: "Copy the link" })).not.toBeInTheDocument();
    await userEvent.click(screen.getByRole("button", { name: "Make a new link" }));
    expect(await screen.findByText(/works for (1 h|59 min)/)).toBeInTheDocument();
    expect(screen.getByRole("button", { name: "Copy the link" })).toBeInTheDocument();
  });

  test("that failed says why, and that was removed can be made again", async () => {
    lists([{ id: PACKAGE, state: "PACKAGE_STATE_FAILED" }]);
    answer("PackageService/GetPackage", () => ({ package: { id: PACKAGE, state: "PACKAGE_STATE_FAILED", failure: { code: "PACKAGE_NOT_STORED", message: "The store refused it." } } }));
    const { unmount } = await render(<PackageTab test={passed} />);
    expect(await screen.findByText("The store refused it.")).toBeInTheDocument();
    unmount();
    lists([{ id: PACKAGE, state: "PACKAGE_STATE_EXPIRED" }]);
    answer("PackageService/GetPackage", () => ({ package: { id: PACKAGE, state: "PACKAGE_STATE_EXPIRED" } }));
    await render(<PackageTab test={passed} />);
    await userEvent.click(await screen.findByRole("button", { name: "Make it again" }));
    expect(screen.getByRole("button", { name: "Make the package" })).toBeInTheDocument();
  });

  test.each([
    ["TEST_STATE_RUNNING", undefined, /when the test has passed/],
    ["TEST_STATE_FAILED", { code: "X" }, /from a test that it passed/],
  ] as const)("is not offered for a test in %s", async (state, failure, words) => {
    lists([]);
    await render(<PackageTab test={{ id: ID, state, ...(failure ? { failure } : {}) }} />);
    expect(await screen.findByText(words)).toBeInTheDocument();
  });
});
