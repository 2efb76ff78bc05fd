import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeAll, describe, expect, test } from "vitest";
import { render } from "../test/render";
import { Answer } from "./Answer";

// A chunk that is loaded when it is shown: here before, since a busy machine takes its time.
beforeAll(async () => void (await import("./Markdown")));

const shows = (value: string) => render(<Answer json={value} name="answer" />);

describe("an answer", () => {
  test("that is plain text is shown as it is", async () => {
    await shows(JSON.stringify("<b>not bold</b>\u001b[31m"));
    expect(screen.getByLabelText("Answer")).toHaveTextContent("<b>not bold</b>");
    expect(document.querySelector("b")).toBeNull();
  });

  test("in Markdown is laid out, with headings below those of the page", async () => {
    await shows(JSON.stringify("# Weather\n\n- **warm**\n\n| a | b |\n|---|---|\n| 1 | 2 |"));
    expect(await screen.findByRole("heading", { name: "Weather", level: 3 })).toBeInTheDocument();
    expect(screen.getByRole("table")).toBeInTheDocument();
    await userEvent.click(screen.getByText("Text"));
    expect(screen.getByLabelText("Answer")).toHaveTextContent("# Weather");
  });

  test("in Markdown runs no script, loads no image and links nowhere by stealth", async () => {
    await shows(
      JSON.stringify(
        '# x\n<script>alert(1)</script><img src="https://evil.example/a.png" onerror="alert(1)">\n![pixel](https://evil.example/p.png) [click](javascript:alert(1)) [keys](/admin/keys) [out](https://example.com/) <iframe src="/"></iframe>',
      ),
    );
    await screen.findByRole("heading", { name: "x" });
    for (const tag of ["script", "img", "iframe"]) expect(document.querySelector(tag)).toBeNull();
    const links = screen.getAllByRole("link");
    expect(links.map((one) => one.getAttribute("href"))).toEqual(["https://evil.example/p.png", "https://example.com/"]);
    for (const link of links) expect(link).toHaveAttribute("rel", "noopener noreferrer nofollow");
  });

  test("that is JSON is a tree that folds and keeps large integers", async () => {
    await shows('{"id": 12345678901234567890, "list": [1, 2]}');
    expect(screen.getByText("12345678901234567890")).toBeInTheDocument();
    await userEvent.click(screen.getByRole("button", { name: /list/ }));
    expect(screen.queryByText("2")).not.toBeInTheDocument();
    await userEvent.click(screen.getByRole("button", { name: "Unfold all" }));
    expect(screen.getByText("2")).toBeInTheDocument();
  });

  test("with a long text in it shows its beginning, and all of it on demand", async () => {
    await shows(JSON.stringify({ essay: "x".repeat(1000) }));
    await userEvent.click(screen.getByRole("button", { name: "All 1,000 characters" }));
    expect(screen.getByText(`"${"x".repeat(1000)}"`)).toBeInTheDocument();
  });

  test("that is no JSON after all is shown as it came", async () => {
    await shows("{cut …");
    expect(screen.getByLabelText("Answer")).toHaveTextContent("{cut …");
  });
});
