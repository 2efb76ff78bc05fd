import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { render } from "../../test/render";
import { answer, refuse, server } from "../../test/server";
import { EMPTY, errorsOf, fromMemory, fromTest, openParts, toMemory, toSpec, unsayable, type Draft } from "./draft";
import { isLeftOut, textOf, withoutTop } from "./dropped";
import { SubmitPage } from "./SubmitPage";
import { upload } from "./upload";

// jsdom has no layout for CodeMirror: the plain field stands in, as it does before the editor is loaded.
vi.mock("../../components/CodeEditor", () => ({
  CodeEditor: ({ value, onChange, label, invalid }: { value: string; onChange: (value: string) => void; label: string; invalid?: boolean }) => (
    <textarea aria-label={label} aria-invalid={invalid} value={value} onChange={(event) => onChange(event.currentTarget.value)} />
  ),
}));

const file = (path: string, text = "") => ({ path, file: new File([text], path.split("/").at(-1) ?? path) });

describe("a draft", () => {
  it("becomes a spec with what was filled in and nothing else", () => {
    const spec = toSpec({ ...EMPTY, code: "def run(q): ...", query: "", timeoutS: "2.5", cpu: "0.5", labels: [{ name: " team ", value: "blue" }, { name: "", value: "x" }], requirements: "httpx\n\n" });
    expect(JSON.parse(JSON.stringify(spec))).toEqual({
      agentCode: "def run(q): ...",
      query: "",
      timeout: "2.5s",
      resources: { cpu: 0.5 },
      labels: { team: "blue" },
      requirements: ["httpx", "", ""],
    });
  });

  it.each([
    [{ cpu: "0,5" }, "spec.resources.cpu"],
    [{ cpu: "many" }, "spec.resources.cpu"],
    [{ memoryMib: "1.5" }, "spec.resources.memory_mib"],
    [{ memoryMib: "1e999" }, "spec.resources.memory_mib"],
    [{ timeoutS: "a minute" }, "spec.timeout"],
    [{ timeoutS: "0x10" }, "spec.timeout"],
    [{ labels: [{ name: "", value: "x" }] }, "spec.labels[0]"],
    [{ env: [{ name: "A", value: "1" }, { name: " A", value: "2" }] }, "spec.env[1]"],
  ])("says what of %j would be lost on the way", (part, field) => expect(unsayable({ ...EMPTY, ...part }).map((one) => one.field)).toEqual([field]));

  it("of what the server can judge says nothing", () =>
    expect(unsayable({ ...EMPTY, timeoutS: " -5 ", cpu: ".5", memoryMib: "0", labels: [{ name: "", value: "" }, { name: "a", value: "" }] })).toEqual([]));

  it("without a query has none, not an empty one", () => expect(toSpec({ ...EMPTY, withQuery: false, query: "typed before" }).query).toBeUndefined());

  it("of files names them by digest and carries no code", () => {
    const spec = toSpec({ ...EMPTY, source: "files", code: "left over", agentPath: "main.py" }, { project: "d1", inputs: "d2" });
    expect(spec).toMatchObject({ agentCode: undefined, project: { digest: "d1" }, inputs: { digest: "d2" }, agentPath: "main.py" });
  });

  it("of an older test gives the same spec again", () => {
    const spec = {
      name: "n",
      agentName: "a",
      agentId: "a",
      agentCode: "code",
      requirements: ["httpx"],
      query: "q",
      env: { KEY: "value" },
      labels: { team: "blue" },
      model: { provider: "ollama", modelId: "llama3.2" },
      timeout: "30s",
      resources: { cpu: 1, memoryMib: 512 },
      network: "NETWORK_ACCESS_NONE" as const,
      priority: 9,
      strictAnswer: true,
      systemPackages: ["git"],
    };
    expect(JSON.parse(JSON.stringify(toSpec(fromTest({ spec }))))).toEqual(spec);
  });

  it("keeps the hosts that a test asks for, and drops them with the network", () => {
    const spec = { agentCode: "code", query: "q", allowHosts: ["127.0.0.1:11434"] };
    expect(toSpec(fromTest({ spec })).allowHosts).toEqual(["127.0.0.1:11434"]);
    expect(toSpec({ ...fromTest({ spec }), network: "none" }).allowHosts).toBeUndefined();
  });

  it("is remembered without values of variables and without files", () => {
    const draft: Draft = { ...EMPTY, code: "x", env: [{ name: "KEY", value: "hunter2" }], files: [file("a.py")] };
    expect(toMemory(draft)).not.toContain("hunter2");
    expect(fromMemory(toMemory(draft), EMPTY)).toMatchObject({ code: "x", files: [], env: [{ name: "KEY", value: "" }] });
    expect(fromMemory("{broken", EMPTY)).toBe(EMPTY);
    expect(fromMemory("null", EMPTY)).toBe(EMPTY);
  });

  it("of an older test is remembered with the values that its variables have there", () => {
    const start = fromTest({ spec: { agentCode: "old", env: { KEY: "hunter2" } } });
    const text = toMemory({ ...start, code: "new", env: [...start.env, { name: "OTHER", value: "typed" }] });
    expect(fromMemory(text, start)).toMatchObject({
      code: "new",
      env: [
        { name: "KEY", value: "hunter2" },
        { name: "OTHER", value: "" },
      ],
    });
  });

  it.each([
    ["spec.requirements[2]", "requirements", "line 3: bad"],
    ['spec.env["A B"]', "env", "A B: bad"],
    ["spec.model.base_url", "baseUrl", "bad"],
    ["spec.agent_code", "code", "bad"],
    ["spec.resources.memory_mib", "memoryMib", "bad"],
    ["request_id", "", "request_id: bad"],
  ])("shows the error of %s at %s", (path, field, text) => expect(errorsOf([{ field: path, description: "bad" }])).toEqual({ [field]: text }));

  it("opens the parts that hold something", () => {
    expect(openParts(EMPTY, {})).toEqual([]);
    expect(openParts({ ...EMPTY, provider: "ollama" }, { timeoutS: "bad" })).toEqual(["model", "settings"]);
  });
});

describe("dropped files", () => {
  it("lose the folder that holds them all", () => {
    expect(withoutTop([file("agent/b.py"), file("agent/lib/a.py")]).map((one) => one.path)).toEqual(["b.py", "lib/a.py"]);
    expect(withoutTop([file("b.py"), file("lib/a.py")]).map((one) => one.path)).toEqual(["b.py", "lib/a.py"]);
  });

  it.each([[".git/config", true], ["src/__pycache__/a.pyc", true], ["git/a.py", false], ["my.venv.py", false]])("%s is left out: %s", (path, out) => expect(isLeftOut(path)).toBe(out));

  it("that are no text are refused by name", async () => {
    await expect(textOf(new File([new Uint8Array([0xff, 0xfe, 0])], "picture.py"))).rejects.toThrow("picture.py is no text");
    await expect(textOf(new File(["a\0b"], "zero.py"))).rejects.toThrow("zero.py");
  });
});

describe("an upload", () => {
  it("of a ZIP is what is in it for a project, and a file for inputs", async () => {
    const asked: string[] = [];
    server.use(
      http.post("*/uploads", ({ request }) => {
        asked.push(new URL(request.url).search);
        return HttpResponse.json({ digest: `d${asked.length}` });
      }),
    );
    expect([await upload([file("a.zip")], true), await upload([file("a.zip")], false)]).toEqual(["d1", "d2"]);
    expect(asked).toEqual(["", "?unpack=false"]);
  });
});

describe("the page", () => {
  beforeEach(() => answer("AccountService/GetAccount", () => ({ submissionsLeft: 7 })));

  it("says how many submissions are left", async () => {
    await render(<SubmitPage />, { at: "/submit" });
    expect(await screen.findByText("7 tests are left in this hour.")).toBeInTheDocument();
  });

  it("hands in what was filled in, once, also when clicked twice", async () => {
    const asked: { spec: { query: string }; requestId: string }[] = [];
    answer("TestService/SubmitTest", (request) => {
      asked.push(request);
      return { test: { id: "tst_1" } };
    });
    await render(<SubmitPage />, { at: "/submit" });
    await userEvent.click(await screen.findByRole("button", { name: "Start with an example" }));
    await userEvent.clear(screen.getByLabelText(/Query/, { selector: "textarea" }));
    await userEvent.type(screen.getByLabelText(/Query/, { selector: "textarea" }), "one two");
    await userEvent.dblClick(screen.getByRole("button", { name: "Run test" }));
    await waitFor(() => expect(asked.length).toBeGreaterThan(0));
    expect(asked[0]?.spec.query).toBe("one two");
    await waitFor(() => expect(sessionStorage.getItem("assay-draft dev")).toBeNull());
    expect(new Set(asked.map((one) => one.requestId)).size).toBe(1);
    expect(asked[0]?.requestId).toMatch(/^[0-9a-f]{32}$/);
  });

  it("keeps its id when an answer was lost, and takes another one when the draft is changed", async () => {
    const ids: string[] = [];
    let lost = true;
    server.use(
      http.post("*/api/TestService/SubmitTest", async ({ request }) => {
        ids.push(((await request.json()) as { requestId: string }).requestId);
        return lost ? HttpResponse.error() : HttpResponse.json({ test: { id: "tst_1" } });
      }),
    );
    await render(<SubmitPage />, { at: "/submit" });
    const run = await screen.findByRole("button", { name: "Run test" });
    await userEvent.click(run);
    expect(await screen.findByText(/cannot be reached/)).toBeInTheDocument();
    await userEvent.click(run);
    await waitFor(() => expect(ids).toHaveLength(2));
    await screen.findByText(/cannot be reached/);
    lost = false;
    await userEvent.type(screen.getByLabelText(/Query/, { selector: "textarea" }), "x");
    await userEvent.click(run);
    await waitFor(() => expect(ids).toHaveLength(3));
    expect(ids[1]).toBe(ids[0]);
    expect(ids[2]).not.toBe(ids[0]);
  });

  it("puts the server's errors at their fields", async () => {
    refuse("TestService/SubmitTest", 400, {
      code: "INVALID_ARGUMENT",
      message: "The request is not valid.",
      violations: [
        { field: "spec.agent_code", description: "is empty; hand in the agent's code" },
        { field: "spec.timeout", description: "must be from 1 s to 21600 s (6 h)" },
      ],
    });
    await render(<SubmitPage />, { at: "/submit" });
    await userEvent.click(await screen.findByRole("button", { name: "Run test" }));
    expect(await screen.findByText("This is empty; hand in the agent's code")).toBeInTheDocument();
    expect(await screen.findByText("This must be from 1 s to 21600 s (6 h)")).toBeInTheDocument();
    expect(screen.getByLabelText("Agent code", { selector: "textarea" })).toHaveAttribute("aria-invalid", "true");
  });

  it("sends nothing where a number is none, and says so at its field", async () => {
    const asked = vi.fn(() => ({ test: { id: "tst_1" } }));
    answer("TestService/SubmitTest", asked);
    await render(<SubmitPage />, { at: "/submit" });
    await userEvent.click(await screen.findByRole("button", { name: "Limits, names and labels" }));
    await userEvent.type(await screen.findByLabelText("CPU in vCPU"), "0,5");
    await userEvent.click(screen.getByRole("button", { name: "Run test" }));
    expect(await screen.findByText("This must be a number, such as 0.5 or 2")).toBeInTheDocument();
    expect(asked).not.toHaveBeenCalled();
  });

  it("checks without making a test", async () => {
    answer("TestService/SubmitTest", (request: { validateOnly: boolean }) => ({ test: {}, findings: request.validateOnly ? [{ severity: "SEVERITY_ERROR", message: "There is nothing to call.", hint: "Define run." }] : [] }));
    await render(<SubmitPage />, { at: "/submit" });
    await userEvent.click(await screen.findByRole("button", { name: "Check only" }));
    expect(await screen.findByText("Error: There is nothing to call.")).toBeInTheDocument();
    expect(screen.getByText("Define run.")).toBeInTheDocument();
  });

  it("fills itself from an older test", async () => {
    answer("TestService/GetTest", () => ({ test: { id: "tst_9", spec: { agentCode: "def run(q): return 9", query: "nine", model: { provider: "ollama" } } } }));
    await render(<SubmitPage />, { at: "/submit?again=tst_9" });
    expect(await screen.findByDisplayValue("def run(q): return 9")).toBeInTheDocument();
    expect(screen.getByDisplayValue("nine")).toBeInTheDocument();
    expect(screen.getByDisplayValue("ollama")).toBeInTheDocument();
  });

  it("keeps what was typed for a new test while an older one fills the form", async () => {
    answer("TestService/GetTest", () => ({ test: { id: "tst_9", spec: { query: "nine" } } }));
    sessionStorage.setItem("assay-draft dev", toMemory({ ...EMPTY, query: "typed before" }));
    await render(<SubmitPage />, { at: "/submit?again=tst_9" });
    await userEvent.type(await screen.findByDisplayValue("nine"), " and ten");
    await waitFor(() => expect(sessionStorage.getItem("assay-draft dev tst_9")).toContain("nine and ten"));
    expect(sessionStorage.getItem("assay-draft dev")).toContain("typed before");
  });

  it.each(["a reload", "another page"])("keeps the last keystroke before %s", async (way) => {
    const { unmount } = await render(<SubmitPage />, { at: "/submit" });
    await userEvent.type(await screen.findByLabelText("Query"), "asked");
    if (way === "a reload") window.dispatchEvent(new Event("pagehide"));
    else unmount();
    expect(sessionStorage.getItem("assay-draft dev")).toContain("asked");
  });
});
