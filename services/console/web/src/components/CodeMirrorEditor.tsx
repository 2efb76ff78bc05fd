// Code to write, in CodeMirror. A chunk of its own: CodeEditor loads it.
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { bracketMatching, indentOnInput, indentUnit } from "@codemirror/language";
import { search, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers, placeholder } from "@codemirror/view";
import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef, type RefObject } from "react";
import type { CodeEditorProps, Cursor } from "./CodeEditor";
import { codeSetup } from "./codeSetup";

export default function CodeMirrorEditor({ value, onChange, label, describedBy, invalid = false, hint = "", minHeight = "320px", cursorRef }: CodeEditorProps & { cursorRef: RefObject<Cursor | null> }) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const tell = useRef(onChange);
  const look = useRef(new Compartment());
  const words = useRef(new Compartment());
  const dark = useComputedColorScheme("light", { getInitialValueInEffect: false }) === "dark";
  const scheme = useRef(dark);
  const first = useRef(value);
  useEffect(() => {
    tell.current = onChange;
  });
  useEffect(() => {
    if (!place.current) return undefined;
    const editor = new EditorView({
      parent: place.current,
      state: EditorState.create({
        doc: first.current,
        extensions: [
          look.current.of(codeSetup("python", scheme.current)),
          words.current.of([]),
          lineNumbers(),
          history(),
          drawSelection(),
          highlightActiveLine(),
          bracketMatching(),
          indentOnInput(),
          indentUnit.of("    "),
          placeholder(hint),
          search({ top: true }),
          // Escape, then Tab leaves the editor (CodeMirror's own way out for the keyboard).
          keymap.of([...searchKeymap, ...historyKeymap, indentWithTab, ...defaultKeymap]),
          EditorView.theme({ "&": { minHeight, maxHeight: "60vh" }, ".cm-scroller": { overflow: "auto", minHeight } }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) tell.current(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = editor;
    // It scrolls sideways, and is reached by keyboard for that.
    editor.scrollDOM.tabIndex = 0;
    if (cursorRef.current) {
      const end = editor.state.doc.length;
      editor.dispatch({ selection: { anchor: Math.min(cursorRef.current.from, end), head: Math.min(cursorRef.current.to, end) } });
      editor.focus();
      cursorRef.current = null;
    }
    return () => {
      first.current = editor.state.doc.toString();
      editor.destroy();
      view.current = null;
    };
  }, [hint, minHeight, cursorRef]);
  useEffect(() => {
    view.current?.dispatch({ effects: look.current.reconfigure(codeSetup("python", dark)) });
  }, [dark, hint, minHeight]);
  useEffect(() => {
    const attributes: Record<string, string> = { "aria-label": label, "aria-invalid": String(invalid) };
    if (describedBy) attributes["aria-describedby"] = describedBy;
    view.current?.dispatch({ effects: words.current.reconfigure(EditorView.contentAttributes.of(attributes)) });
  }, [label, describedBy, invalid, hint, minHeight]);
  useEffect(() => {
    const editor = view.current;
    // What came from elsewhere (a dropped file, an older test) and not from the keyboard.
    if (editor && value !== editor.state.doc.toString()) editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } });
  }, [value]);
  return <div ref={place} />;
}
