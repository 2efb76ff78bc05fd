// Whether keys that mean something on the page belong to a field instead. No state.

const TYPED_INTO = "textarea, select, input:not([type=checkbox], [type=radio], [type=button], [type=submit])";

/** True where a letter is text. A ticked box keeps the focus and takes no letters: the page's keys go on there. */
export function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches(TYPED_INTO));
}
