"""`assay files` and `assay download`: what was handed in with a test, and what the agent left."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.jsontext import json_text
from assay.cli.options import Json, TestId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.client import AsyncAssay
    from assay.files import FileKind, TestFile


def files(context: typer.Context, test: TestId, as_json: Json = False) -> None:
    """List the files of a test: its project, its inputs, and what the agent wrote to /work/out."""
    from assay.cli import files_text, find
    from assay.cli.screen import open_screen
    from assay.cli.session import PASSED, run
    from assay.plain import plain

    async def body(client: AsyncAssay) -> int:
        found = await client.get(await find.test_id(client, test))
        if as_json:
            print(json_text({"files": plain(found.files), "files_expire": plain(found.files_expire)}))
        else:
            open_screen().show(files_text.table(found))
        return PASSED

    run(context, body, as_json=as_json)


def download(
    context: typer.Context,
    test: TestId,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Which files; all of them if none is named.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Into this folder; else the current one.")
    ] = None,
    file: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE", help="A single one as this file; `-`: to stdout."),
    ] = "",
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help="output (what the agent left), input or project.")
    ] = "output",
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
    as_json: Json = False,
) -> None:
    """Get files of a test, checked by their SHA-256: what the agent wrote to /work/out."""
    from assay.cli import arguments, find
    from assay.cli.session import PASSED, run
    from assay.files import FileKind

    wanted = FileKind(arguments.chosen(kind, list(FileKind), "--kind"))
    if file and to is not None:
        raise typer.BadParameter("-o names a file and --to a folder: give one of them", param_hint="-o")

    async def body(client: AsyncAssay) -> int:
        test_id = await find.test_id(client, test)
        chosen = _chosen(await client.files(test_id), names or (), wanted)
        if file:
            if len(chosen) != 1:
                raise ValueError(f"-o is for a single file, and there are {len(chosen)}: name one, or use --to")
            await _one(client, test_id, chosen[0], file, force=force, as_json=as_json)
        else:
            await _all(client, test_id, chosen, to or Path(), force=force, as_json=as_json)
        return PASSED

    run(context, body, as_json=as_json)


def _chosen(there: Sequence[TestFile], names: Sequence[str], kind: FileKind) -> list[TestFile]:
    found = {file.path: file for file in there if file.kind is kind}
    word = kind.value.lower()
    if missing := [name for name in names if name not in found]:
        known = ", ".join(list(found)[:10]) or "none"
        raise ValueError(f"the test has no {word} file {missing[0]!r}; there are: {known}")
    if not names and not found:
        raise ValueError(f"the test has no {word} files")
    return [found[name] for name in dict.fromkeys(names)] or list(found.values())


async def _one(client: AsyncAssay, test_id: str, wanted: TestFile, to: str, *, force: bool, as_json: bool) -> None:
    if to == "-":
        sys.stdout.buffer.write(await client.read_file(test_id, wanted.path, kind=wanted.kind))
        return
    path = await client.download(test_id, wanted.path, to, kind=wanted.kind, overwrite=force)
    _told([(wanted, path)], as_json=as_json)


async def _all(
    client: AsyncAssay, test_id: str, chosen: Sequence[TestFile], to: Path, *, force: bool, as_json: bool
) -> None:
    from assay.local_names import local_names

    names = local_names(file.path for file in chosen)
    targets = _free(to, names, force=force)
    for file, name in zip(chosen, names, strict=True):
        await client.download(test_id, file.path, to, save_as=name, kind=file.kind, overwrite=force)
    _told(list(zip(chosen, targets, strict=True)), as_json=as_json)


def _free(to: Path, names: Sequence[str], *, force: bool) -> list[Path]:
    """Where the files go. Raises ValueError before anything is written where something is in the way."""
    from assay.file_download import is_folder
    from assay.local_names import local_path

    targets = [local_path(to, name) for name in names]
    there = [target for target in targets if os.path.lexists(target)]
    if there and not force:
        raise ValueError(f"{there[0]} is there already (--force writes over it): nothing was written")
    if folders := [target for target in there if is_folder(target)]:
        raise ValueError(f"{folders[0]} is a folder: nothing was written")
    return targets


def _told(got: Sequence[tuple[TestFile, Path]], *, as_json: bool) -> None:
    from assay.cli.text import safe, size

    if as_json:
        print(json_text({"files": [{"path": file.path, "file": str(path)} for file, path in got]}))
        return
    for file, path in got:
        print(f"{safe(str(path))}  {size(file.size)}")
