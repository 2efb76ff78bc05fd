// Files to the server before a test that names them.
import { bodyOf, request } from "../../api/call";
import type { DraftFile } from "./draft";

/** Sends `files` and answers the digest that names them. `unpack`: one ZIP alone stands for what is in it. Throws ApiError. */
export async function upload(files: DraftFile[], unpack: boolean): Promise<string> {
  const form = new FormData();
  for (const { path, file } of files) form.append("file", file, path);
  const response = await request(`/uploads${unpack ? "" : "?unpack=false"}`, { method: "POST", body: form });
  return ((await bodyOf(response)) as { digest?: string }).digest ?? "";
}
