"""What a name from a server or an agent is called here, or that it is refused: the only place where a foreign name
becomes a path.

Nothing leads out of the folder that was asked for, no part of a name means something of its own, and no character of
it steers a terminal.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from assay.errors import DownloadFailed

LONGEST: Final = 255  # bytes of one part of a path, on every common file system
UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line ends, turns of direction, and halves of characters."""
_UNSAFE_ON_WINDOWS: Final = re.compile(r'[<>:"|?*\\]')
_DEVICE: Final = re.compile(r"(?i)(?:con|prn|aux|nul|conin\$|conout\$|com[0-9]|lpt[0-9])(?:\..*)?")  # of Windows
_GIT: Final = re.compile(r"(?i)\.git[ .]*|git~[0-9]+")  # what git takes for `.git`, on any file system
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def file_name(name: str) -> str:
    """The name itself, if a server may choose it for a file in a folder of the user's. Raises DownloadFailed for one
    with more in it than letters, digits, `.`, `_` and `-`."""
    if not _PLAIN.fullmatch(name) or len(name) > LONGEST or _DEVICE.fullmatch(name):
        raise DownloadFailed(
            f"The server names a file {name[:100]!r}: no file is called so here. Name the file yourself."
        )
    return name


def local_path(folder: Path, name: str) -> Path:
    """Where a file of this name goes in a folder. Control characters become `_`. Raises DownloadFailed for a name that
    leads out of it, or into a repository's `.git`, whose files are programs."""
    parts = name.split("/")
    if not name or name.startswith("/") or any(part in {"", ".", ".."} for part in parts):
        raise DownloadFailed(f"The name {name!r} leads out of the folder: get it by itself with another name.")
    if any(_GIT.fullmatch(part) for part in parts):
        raise DownloadFailed(f"The name {name!r} leads into a folder of git: get it by itself with another name.")
    if os.name == "nt":  # a drive or a backslash would lead out there, and a device is no file
        parts = [_UNSAFE_ON_WINDOWS.sub("_", part) for part in parts]
        parts = [f"_{part}" if _DEVICE.fullmatch(part.rstrip(" .")) else part for part in parts]
    path = folder.joinpath(*(UNSAFE.sub("_", part) for part in parts))
    if any(len(os.fsencode(part)) > LONGEST for part in path.parts):
        raise DownloadFailed(
            f"The name {name[:100]!r}... is too long for a file here: get it by itself with another name."
        )
    if not Path(os.path.realpath(path.parent)).is_relative_to(os.path.realpath(folder)):
        raise DownloadFailed(f"{path.parent} is a link out of {folder}: remove it, or name another folder.")
    return path


def local_names(names: Iterable[str]) -> list[str]:
    """What files of these names are called here, in their order: one that must be changed gets a number where another
    has that name already. Raises DownloadFailed as `local_path`."""
    all_names = list(names)
    here = {name: local_path(Path(), name).as_posix() for name in all_names}
    taken = {name for name in all_names if here[name] == name}
    for name in all_names:
        plain, number = here[name], 1
        while here[name] != name and here[name] in taken:
            number += 1
            here[name] = f"{plain}~{number}"
        taken.add(here[name])
    return [here[name] for name in all_names]
