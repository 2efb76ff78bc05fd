"""Output in files on this machine (process runtime).

The kernel says when a file grew, so a line is read as soon as it is written."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog
from inotify_simple import INotify, flags
from pydantic import JsonValue

from services.logstreamer.ports import Batch, Cursor

log = structlog.get_logger()

READ_BYTES: Final = 1 << 20
POLL_S: Final = 0.25
"""How often a file is looked at where the kernel cannot tell us of it (its watch limit is reached, the file is
not there yet)."""


class FileSource:
    """All files that are followed, on one inotify descriptor."""

    def __init__(self, *, drain_s: float, host: str = "") -> None:
        """`host`: the name of this machine, the kernel's by default."""
        self._drain_s = drain_s
        self._host = host or socket.gethostname()
        self._inotify = INotify(nonblocking=True)
        self._grown: dict[int, set[asyncio.Event]] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._inotify.fileno(), self._on_events)

    def reads(self, log_source: Mapping[str, JsonValue]) -> bool:
        """Those of this machine, and those that lie on a disk that it shares with another.

        A task's folder is named by a hash of test and attempt: a file of that name is that file."""
        path = log_source.get("path")
        if not isinstance(path, str):
            return False
        return log_source.get("host", self._host) == self._host or Path(path).exists()

    def follow(self, log_source: Mapping[str, JsonValue], cursor: Cursor, *, since: datetime) -> FileFeed:
        """The file at `path`, from the byte `offset` of the cursor on."""
        offset = cursor.get("offset", 0)
        assert isinstance(offset, int)
        return FileFeed(self, Path(str(log_source["path"])), offset, self._drain_s)

    def close(self) -> None:
        """Ends all watches."""
        self._loop.remove_reader(self._inotify.fileno())
        self._inotify.close()

    def watch(self, path: Path, grown: asyncio.Event) -> int | None:
        """Sets `grown` whenever the file grows; None where the kernel cannot."""
        try:
            watch: int = self._inotify.add_watch(path, flags.MODIFY)
        except OSError as error:
            log.debug("file_not_watched", path=str(path), error=repr(error))
            return None
        self._grown.setdefault(watch, set()).add(grown)
        return watch

    def unwatch(self, watch: int, grown: asyncio.Event) -> None:
        """Ends one watch."""
        waiting = self._grown.get(watch, set())
        waiting.discard(grown)
        if not waiting:
            self._grown.pop(watch, None)
            with contextlib.suppress(OSError):  # the file is gone, and its watch with it
                self._inotify.rm_watch(watch)

    def _on_events(self) -> None:
        for event in self._inotify.read(timeout=0):
            for grown in self._grown.get(event.wd, ()):
                grown.set()


class FileFeed:
    """One file."""

    def __init__(self, source: FileSource, path: Path, offset: int, drain_s: float) -> None:
        self._source = source
        self._path = path
        self._offset = offset
        self._drain_s = drain_s
        self._descriptor: int | None = None
        self._grown = asyncio.Event()
        self._watch: int | None = None

    async def read(self, *, wait_s: float) -> Batch:
        """Whole lines from where the last read ended; a line without its end stays for the next time."""
        deadline = asyncio.get_running_loop().time() + wait_s
        while True:
            self._grown.clear()
            batch = self._read_now()
            left = deadline - asyncio.get_running_loop().time()
            if batch.lines or left <= 0:
                return batch
            try:
                async with asyncio.timeout(left if self._watch is not None else min(left, POLL_S)):
                    await self._grown.wait()
            except TimeoutError:
                continue

    def _read_now(self) -> Batch:
        if not self._open():
            return Batch([], {"offset": self._offset})
        assert self._descriptor is not None
        found = os.pread(self._descriptor, READ_BYTES, self._offset)
        end = found.rfind(b"\n") + 1
        if end == 0 and len(found) == READ_BYTES:  # no line is this long: the harness splits at 16 KiB
            end = len(found)
        self._offset += end
        return Batch(found[:end].splitlines() if end else [], {"offset": self._offset})

    def _open(self) -> bool:
        if self._descriptor is None:
            try:
                self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return False
            # Watched before the first read, so that nothing written in between goes unnoticed.
            self._watch = self._source.watch(self._path, self._grown)
        return True

    def reread(self, cursor: Cursor) -> None:
        """A file has every line once and in order."""

    def gives_up(self, stopped_for_s: float) -> bool:
        """After the drain time."""
        return stopped_for_s >= self._drain_s

    def close(self) -> None:
        """Closes the file."""
        if self._watch is not None:
            self._source.unwatch(self._watch, self._grown)
            self._watch = None
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
