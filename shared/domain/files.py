"""Several files as one piece of bytes: one behind the other, sorted by path, and the digest that names them.

No format with headers lies between: what is read back is cut by sizes that are known, so there are no bombs and no
links.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

LONGEST_PATH: Final = 240
"""Characters."""
LISTING: Final = 256
"""Bytes that a stored list takes for each file beside its path."""
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class Listed(Protocol):
    """A file as a list has it: `size` in bytes, `sha256` in hexadecimal."""

    @property
    def path(self) -> str: ...

    @property
    def size(self) -> int: ...

    @property
    def sha256(self) -> str: ...

    @property
    def executable(self) -> bool: ...


class Entry(NamedTuple):
    """A file of a list."""

    path: str
    size: int
    sha256: str
    executable: bool = False


class Joined(NamedTuple):
    """Files in the order in which their bytes lie in `data`."""

    files: tuple[Entry, ...]
    data: bytes

    @property
    def digest(self) -> str:
        return digest(self.files)


def digest(files: Iterable[Listed]) -> str:
    """Names these files: the same paths, modes and contents give the same digest. Part of the API: clients compute it,
    too."""
    lines = sorted(f"{file.sha256} {'x' if file.executable else '-'} {file.path}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def join(contents: Mapping[str, bytes], executables: Iterable[str] = ()) -> Joined:
    """The files as one piece. `contents` is path to bytes."""
    runs = set(executables)
    order = sorted(contents)
    return Joined(
        tuple(
            Entry(path, len(contents[path]), hashlib.sha256(contents[path]).hexdigest(), path in runs) for path in order
        ),
        b"".join(contents[path] for path in order),
    )


def cut(files: Iterable[Listed], data: bytes) -> Iterator[tuple[str, bytes]]:
    """(path, content) of each file. Raises ValueError where the bytes are not those that the list promises."""
    start = 0
    for file in files:
        content = data[start : start + file.size]
        start += file.size
        if len(content) != file.size or hashlib.sha256(content).hexdigest() != file.sha256:
            raise ValueError(f"{file.path!r} is not what its SHA-256 says")
        yield file.path, content
    if start != len(data):
        raise ValueError(f"{len(data)} bytes are there, and the files have {start}")


def stored_size(files: Iterable[Listed]) -> int:
    """Bytes that these files take where they are kept: many small ones take more than their content."""
    return sum(file.size + LISTING + len(file.path.encode()) for file in files)


def has_unseen(path: str) -> bool:
    """Whether there are characters in it that do not show, or by which it shows as another: controls, line breaks,
    half characters, and what joins letters or turns their direction around."""
    return any(unicodedata.category(character) in _UNSEEN for character in path)


def is_plain(path: str) -> bool:
    """Whether what an agent left may be kept under this path: relative, and all of it can be seen. What users hand in
    is held to more: it must lie side by side on any system."""
    parts = path.split("/")
    return (
        0 < len(path) <= LONGEST_PATH
        and "\\" not in path
        and not {"", ".", ".."} & set(parts)
        and all(len(part.encode("utf-8", "replace")) <= 255 for part in parts)
        and not has_unseen(path)
    )


def span(files: Sequence[Listed], path: str) -> range | None:
    """Where the bytes of this file lie in the piece; None where it is not among the files."""
    start = 0
    for file in files:
        if file.path == path:
            return range(start, start + file.size)
        start += file.size
    return None
