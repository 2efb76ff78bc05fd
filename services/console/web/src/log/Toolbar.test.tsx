// What the toolbar offers, and that a narrow screen keeps room for the lines.
import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";
import { render } from "../test/render";
import type { LogFilter } from "./lines";
import { SHOW_ALL, type Show } from "./show";
import { Toolbar } from "./Toolbar";

afterEach(() => vi.restoreAllMocks());

const nothing = () => undefined;
const onShow = vi.fn();

function toolbar({ show = SHOW_ALL, filter = {} }: { show?: Show; filter?: LogFilter } = {}) {
  return render(
    <Toolbar
      testId="t1"
      show={show}
      onShow={onShow}
      filter={filter}
      find={{ count: null, match: null, error: null, step: nothing }}
      searchBox={{ current: null }}
      hasError
      onFirstError={nothing}
      onLine={nothing}
      wrap={false}
      onWrap={nothing}
      times={false}
      timesName="UTC"
      onTimes={nothing}
      tools={<a href="/full">Full screen</a>}
    />,
  );
}

test("a log is saved as plain text unless its colours are asked for", async () => {
  await toolbar({ filter: { minLevel: "LOG_LEVEL_ERROR" } });
  await userEvent.click(screen.getByRole("button", { name: "Download" }));
  const menu = await screen.findByRole("menu");
  const links = within(menu).getAllByRole("menuitem");
  expect(links.map((link) => [link.getAttribute("aria-label"), link.getAttribute("href")])).toEqual([
    ["All lines as plain text", "/logs/t1.txt"],
    ["All lines as text with colours, for a terminal", "/logs/t1.txt?colors=true"],
    ["All lines as JSON lines, with numbers and times", "/logs/t1.jsonl"],
    ["What is shown as plain text", "/logs/t1.txt?minLevel=LOG_LEVEL_ERROR"],
    ["What is shown as text with colours, for a terminal", "/logs/t1.txt?minLevel=LOG_LEVEL_ERROR&colors=true"],
    ["What is shown as JSON lines, with numbers and times", "/logs/t1.jsonl?minLevel=LOG_LEVEL_ERROR"],
  ]);
});

test("on a narrow screen what is seldom used folds into one button, which counts what narrows the view", async () => {
  const wide = window.matchMedia("");
  vi.spyOn(window, "matchMedia").mockImplementation((media) => ({ ...wide, media, matches: media.startsWith("(max-width") }));
  await toolbar({ show: { ...SHOW_ALL, only: true, streams: ["LOG_STREAM_STDERR"] } });
  const bar = screen.getByRole("toolbar", { name: "Log" });
  expect(within(bar).getAllByRole("button").map((button) => button.getAttribute("aria-label") ?? button.textContent)).toEqual(["Previous match", "Next match", "First error", "Options (2)", "Download"]);
  expect(screen.queryByLabelText("Wrap")).not.toBeInTheDocument();
  await userEvent.click(screen.getByRole("button", { name: "Options (2)" }));
  const options = await screen.findByRole("dialog", { name: "Options (2)" });
  for (const name of ["Match case", "Only matches", "Levels", "Standard error", "Wrap", "Times (UTC)", "Go to line or range"]) expect(within(options).getByLabelText(name)).toBeInTheDocument();
  expect(within(options).getByRole("link", { name: "Full screen" })).toBeInTheDocument();
  await userEvent.click(within(options).getByLabelText("Match case"));
  expect(onShow).toHaveBeenCalledWith({ matchCase: true });
});
