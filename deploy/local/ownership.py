"""One `assay dev` per data folder: a file lock that the kernel takes back when its owner dies, however it dies."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE = "lock"


class AlreadyRunning(Exception):
    """Another `assay dev` owns this data folder."""

    def __init__(self, folder: Path, pid: int | None, address: str | None) -> None:
        who = f"pid {pid}" if pid else "pid not known yet"
        where = f", serving {address}" if address else ", still starting"
        super().__init__(
            f"assay dev already runs here ({who}{where}). Use it, stop it with `kill {pid or 'PID'}`, "
            f"or take another data folder than {folder}."
        )
        self.pid, self.address = pid, address


class Ownership:
    """The lock while it is held. `announce` tells a second one where this one can be reached."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._write(None)

    def announce(self, address: str) -> None:
        self._write(address)

    def _write(self, address: str | None) -> None:
        text = json.dumps({"pid": os.getpid(), "address": address}).encode()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text, 0)


@contextmanager
def owned(folder: Path) -> Iterator[Ownership]:
    """Holds the data folder, which it makes if need be. Raises AlreadyRunning where somebody else does."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Not inherited by children (PEP 446), so that an orphaned one cannot keep the folder locked.
    descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(folder, *_owner(descriptor)) from None
        ownership = Ownership(descriptor)
        yield ownership
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _owner(descriptor: int) -> tuple[int | None, str | None]:
    try:
        written = json.loads(os.pread(descriptor, 4096, 0))
        return written["pid"], written["address"]
    except (ValueError, KeyError, TypeError):
        return None, None  # it has just taken the lock, or just let go
