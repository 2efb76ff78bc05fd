"""Frames: how pieces of standard error, and text whose level is known, are marked in the one pipe of an agent.

Standard output and standard error of an agent go into one pipe, so that the kernel keeps the order of all writes. What
comes as it is counts as standard output. What Python writes to standard error, or with a level, comes in frames: a
token that only this run knows, a code, a length and the text. A frame leaves in one write that the kernel does not
split.
"""

from __future__ import annotations

import posix as os  # what is in os without what makes its import cost a millisecond
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FRAME_BYTES = 4096  # PIPE_BUF of Linux: a write of so many bytes is not mixed with those of others (pipe(7))
TOKEN_BYTES = 12
HEAD_BYTES = TOKEN_BYTES + 3
CODES = tuple(
    (stream, level)
    for stream in ("stdout", "stderr")
    for level in ("", "debug", "info", "warning", "error", "critical")
)


def new_token() -> bytes:
    """It begins with a byte that no UTF-8 text holds, so that text is never mistaken for the beginning of a token."""
    return b"\xff" + os.urandom(TOKEN_BYTES - 1)


def framed(token: bytes, stream: str, level: str, text: bytes) -> Iterator[bytes]:
    """The text in as many frames as it takes."""
    code = bytes([CODES.index((stream, level))])
    room = FRAME_BYTES - HEAD_BYTES
    for at in range(0, len(text), room):
        piece = text[at : at + room]
        yield b"".join((token, code, len(piece).to_bytes(2, "big"), piece))


class Unframer:
    """Tells apart what one pipe brings, wherever its reads end."""

    def __init__(self, token: bytes) -> None:
        self.token = token
        self.rest = b""  # the beginning of a frame, at most a frame long

    def feed(self, data: bytes) -> list[tuple[str, str, bytes]]:
        """Pieces of the streams, in order: which stream, the level ("" where it is not known), bytes."""
        if self.rest:
            data, self.rest = self.rest + data, b""
        pieces: list[tuple[str, str, bytes]] = []
        raw = at = 0  # from where on nothing was handed on, and where to look for a token
        while (start := data.find(self.token, at)) >= 0:
            body = start + HEAD_BYTES
            if len(data) < body:
                break
            code, length = data[body - 3], int.from_bytes(data[body - 2 : body], "big")
            if code >= len(CODES) or length > FRAME_BYTES:  # an agent that plays with our token: it is text
                at = start + 1
                continue
            if len(data) < body + length:
                break
            if start > raw:
                pieces.append(("stdout", "", data[raw:start]))
            pieces.append((*CODES[code], data[body : body + length]))
            raw = at = body + length
        if start < 0:
            start = len(data) - self._begun(data)
        if start > raw:
            pieces.append(("stdout", "", data[raw:start]))
        self.rest = data[start:]
        return pieces

    def end(self) -> list[tuple[str, str, bytes]]:
        """A frame that was never finished is shown as it is: nothing is lost."""
        rest, self.rest = self.rest, b""
        return [("stdout", "", rest)] if rest else []

    def _begun(self, data: bytes) -> int:
        """How many of the last bytes may be the beginning of a token."""
        if self.token[:1] not in data[1 - TOKEN_BYTES :]:
            return 0
        for size in range(min(TOKEN_BYTES - 1, len(data)), 0, -1):
            if data.endswith(self.token[:size]):
                return size
        return 0
