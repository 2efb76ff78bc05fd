// Files that were dropped or chosen: read out of folders, sorted into what they are for.
import type { DraftFile } from "./draft";

/** Folders that are never meant: history, caches, environments. */
const LEFT_OUT = /(^|\/)(\.git|\.hg|\.venv|venv|node_modules|__pycache__|\.mypy_cache|\.pytest_cache|\.ruff_cache|\.DS_Store|\.assay)(\/|$)/;

export const isLeftOut = (path: string): boolean => LEFT_OUT.test(path);

async function entryFiles(entry: FileSystemEntry, before: string): Promise<DraftFile[]> {
  const path = before ? `${before}/${entry.name}` : entry.name;
  if (isLeftOut(path)) return [];
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ path, file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: FileSystemEntry[] = [];
  for (;;) {
    // A reader gives at most 100 entries at a time.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break;
    found.push(...some);
  }
  return (await Promise.all(found.map((one) => entryFiles(one, path)))).flat();
}

/** All files of a drop, folders included. */
export async function filesOfDrop(transfer: DataTransfer): Promise<DraftFile[]> {
  // The list of items is empty after the first await: entries first.
  const entries = [...transfer.items].map((item) => (item.kind === "file" ? item.webkitGetAsEntry() : null));
  const files = [...transfer.files];
  if (entries.every((entry) => entry === null)) return withoutTop(files.map((file) => ({ path: file.name, file })));
  return withoutTop((await Promise.all(entries.map((entry) => (entry ? entryFiles(entry, "") : [])))).flat());
}

/** All files of a file field; of a folder with their paths. */
export function filesOfField(list: FileList): DraftFile[] {
  return withoutTop([...list].map((file) => ({ path: file.webkitRelativePath || file.name, file })).filter(({ path }) => !isLeftOut(path)));
}

/** One folder that holds everything is how it was dropped, and no part of the project. */
export function withoutTop(files: DraftFile[]): DraftFile[] {
  const top = files[0]?.path.split("/")[0];
  const same = files.length > 0 && files.every(({ path }) => path.includes("/") && path.split("/")[0] === top);
  const all = same ? files.map((one) => ({ ...one, path: one.path.slice((top?.length ?? 0) + 1) })) : files;
  return [...all].sort((a, b) => a.path.localeCompare(b.path));
}

/** The text of a file. Throws an Error that names it where it is no text. */
export async function textOf(file: File): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (!text.includes("\0")) return text;
  } catch {
    // Told below.
  }
  throw new Error(`${file.name} is no text in UTF-8. Hand in Python source.`);
}
