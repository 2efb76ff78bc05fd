// CodeMirror as every place of the page uses it: colours of both schemes, and styles under the page's nonce. Loaded with
// CodeMirror, lazily.
import { python } from "@codemirror/lang-python";
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import type { Extension } from "@codemirror/state";
import { EditorView, highlightSpecialChars } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { nonce } from "../nonce";
import { BIDI_CONTROLS, codePoint, visible } from "./bidi";

export type CodeLanguage = "python" | "text";

const highlight = (shade: { keyword: string; text: string; number: string; comment: string; name: string }) =>
  syntaxHighlighting(
    HighlightStyle.define([
      { tag: [tags.keyword, tags.operatorKeyword, tags.controlKeyword, tags.definitionKeyword, tags.moduleKeyword, tags.bool, tags.null], color: shade.keyword },
      { tag: [tags.string, tags.special(tags.string)], color: shade.text },
      { tag: tags.number, color: shade.number },
      { tag: tags.comment, color: shade.comment, fontStyle: "italic" },
      { tag: [tags.definition(tags.variableName), tags.function(tags.variableName), tags.className, tags.meta], color: shade.name },
    ]),
  );

// Contrast of 4.5:1 and more on the page's own backgrounds.
const LIGHT = highlight({ keyword: "#8839a8", text: "#2b6e2b", number: "#9c4a00", comment: "#5c6370", name: "#1558b0" });
const DARK = highlight({ keyword: "#d2a8ff", text: "#a5d6a7", number: "#ffb86c", comment: "#a0a8b5", name: "#82b7ff" });

// In code everything that is not seen is worth a mark, in other texts only what controls or turns them.
const CONTROLS = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

function specialChars(language: CodeLanguage): Extension {
  const render = (code: number, description: string | null, placeholder: string) => {
    const char = String.fromCharCode(code);
    const span = document.createElement("span");
    span.className = "cm-specialChar";
    span.textContent = visible(char) === char ? placeholder : visible(char);
    span.title = description ?? codePoint(char);
    span.setAttribute("aria-label", span.title);
    return span;
  };
  return highlightSpecialChars(language === "python" ? { addSpecialChars: BIDI_CONTROLS, render } : { specialChars: CONTROLS, render });
}

/** What every view of code has: `dark` by the scheme of the page. */
export function codeSetup(language: CodeLanguage, dark: boolean): Extension[] {
  return [
    EditorView.cspNonce.of(nonce()),
    EditorView.theme(
      {
        "&": { fontSize: "13px", color: "var(--mantine-color-text)", backgroundColor: "transparent" },
        ".cm-content": { fontFamily: "var(--mantine-font-family-monospace)", caretColor: "var(--mantine-color-text)" },
        ".cm-gutters": { backgroundColor: "transparent", color: "var(--mantine-color-dimmed)", border: "none" },
        ".cm-specialChar": { color: "inherit", outline: "1px dotted currentColor" },
        ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--mantine-color-default-hover)" },
      },
      { dark },
    ),
    dark ? DARK : LIGHT,
    specialChars(language),
    ...(language === "python" ? [python()] : []),
  ];
}
