// Code to read, in CodeMirror. A chunk of its own: CodeView loads it.
import { search, searchKeymap } from "@codemirror/search";
import { EditorState } from "@codemirror/state";
import { EditorView, keymap, lineNumbers } from "@codemirror/view";
import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import { codeSetup, type CodeLanguage } from "./codeSetup";

export default function CodeMirrorView({ text, language, label, maxHeight }: { text: string; language: CodeLanguage; label: string; maxHeight: string }) {
  const place = useRef<HTMLDivElement>(null);
  const dark = useComputedColorScheme("light", { getInitialValueInEffect: false }) === "dark";
  useEffect(() => {
    if (!place.current) return undefined;
    const view = new EditorView({
      parent: place.current,
      state: EditorState.create({
        doc: text,
        extensions: [
          codeSetup(language, dark),
          lineNumbers(),
          EditorView.lineWrapping,
          // Read only, and yet reached by Tab, so that it scrolls and is searched by keyboard.
          EditorState.readOnly.of(true),
          EditorView.editable.of(false),
          EditorView.contentAttributes.of({ tabindex: "0", "aria-label": label, role: "textbox", "aria-multiline": "true", "aria-readonly": "true" }),
          search({ top: true }),
          keymap.of(searchKeymap),
          EditorView.theme({ "&": { maxHeight }, ".cm-scroller": { overflow: "auto" } }),
        ],
      }),
    });
    return () => view.destroy();
  }, [text, language, dark, label, maxHeight]);
  return <div ref={place} />;
}
