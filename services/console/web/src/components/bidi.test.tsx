import { EditorState } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { render } from "../test/render";
import { Answer } from "./Answer";
import { visible } from "./bidi";
import { codeSetup } from "./codeSetup";
import { ErrorBox } from "./feedback";
import { FileTable } from "./FileTable";
import { FindingList } from "./FindingList";
import { LabelChips } from "./LabelChips";
import { nameOf } from "./states";

test.each([
  ["an override", "invoice_\u202efdp.exe", "invoice_⟨U+202E⟩fdp.exe"],
  ["embeddings and isolates", "\u202a\u202b\u202c\u202d\u2066\u2067\u2068\u2069", "⟨U+202A⟩⟨U+202B⟩⟨U+202C⟩⟨U+202D⟩⟨U+2066⟩⟨U+2067⟩⟨U+2068⟩⟨U+2069⟩"],
  ["Arabic", "مرحبا بالعالم 123", "مرحبا بالعالم 123"],
  ["Hebrew with marks", "שלום (עולם)\u200f!", "שלום (עולם)\u200f!"],
  ["plain text", "plain", "plain"],
])("%s", (_name, text, words) => expect(visible(text)).toBe(words));

const EVIL = "evil\u202eword";
const SEEN = "evil⟨U+202E⟩word";

test.each([
  ["text", JSON.stringify(EVIL)],
  ["a tree, with its keys", JSON.stringify({ [EVIL]: 1, a: EVIL })],
  ["Markdown", JSON.stringify(`# ${EVIL}\n\n- **${EVIL}**`)],
])("an answer as %s turns nothing", async (_name, json) => {
  const { container } = await render(<Answer json={json} name="a" />);
  expect((await screen.findAllByText(SEEN, { exact: false })).length).toBeGreaterThan(0);
  expect(container.textContent).not.toContain("\u202e");
});

test("names, labels, paths, findings and errors turn nothing", async () => {
  const { container } = await render(
    <>
      <p>{nameOf({ spec: { name: EVIL } })}</p>
      <LabelChips labels={{ [EVIL]: EVIL }} />
      <FileTable label="Files" files={[{ path: EVIL, size: "1" }]} />
      <FindingList label="Findings" findings={[{ message: EVIL, hint: EVIL, path: EVIL }]} />
      <ErrorBox error={new Error(EVIL)} />
    </>,
  );
  expect(container.textContent?.split(SEEN)).toHaveLength(9);
  expect(container.innerHTML).not.toContain("\u202e");
});

test.each(["python", "text"] as const)("code as %s turns nothing", (language) => {
  const view = new EditorView({ parent: document.body, state: EditorState.create({ doc: `a = "${EVIL}" # \u2066שלום\u202c`, extensions: codeSetup(language, false) }) });
  expect(view.contentDOM.textContent).toBe(`a = "${SEEN}" # ⟨U+2066⟩שלום⟨U+202C⟩`);
  expect(view.state.doc.toString(), "what is saved stays as it was").toContain(EVIL);
  view.destroy();
});
