// Files to the server before a test that names them.
import { request } from "../../api/call";
import type { DraftFile } from "./draft";

/** Sends `files` and answers the digest that names them. Throws ApiError. */
export async function upload(files: DraftFile[], signal?: AbortSignal): Promise<string> {
  const form = new FormData();
  for (const { path, file } of files) form.append("file", file, path);
  const response = await request("/uploads", { method: "POST", body: form, signal: signal ?? null });
  return ((await response.json()) as { digest?: string }).digest ?? "";
}
