/** A new request id: repeating a call with the same one makes nothing twice. Works outside of secure contexts, too. */
export function newRequestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
