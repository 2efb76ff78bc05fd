/** The nonce of this page's content security policy, for whatever adds a style element. */
export function nonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";
}
