// Texts of agents and of whoever handed them in, made safe to stand on the page: names, queries, labels, answers, failures,
// lines of output. What they are saved, copied or sent as stays as it was.

/**
 * Characters that turn the direction of what follows them (Unicode's embeddings, overrides and isolates), with which a text
 * can show other words than it has, also in what stands after it. Letters of Arabic and Hebrew need none of them, nor are
 * the marks among them (U+200E, U+200F, U+061C) that such texts have beside brackets and numbers: these override nothing.
 */
export const BIDI_CONTROLS = /[\u202a-\u202e\u2066-\u2069]/g;

/** U+202E as ⟨U+202E⟩. */
export const codePoint = (char: string): string => `⟨U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}⟩`;

/** The text as the page shows it: its bidirectional control characters as escapes that are seen and turn nothing. */
export const visible = (text: string): string => text.replace(BIDI_CONTROLS, codePoint);
