"""One `assay dev` per data folder: a file lock that the kernel takes back when its owner dies, however it dies."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

FILE = "lock"


class Owner(NamedTuple):
    """Who holds a data folder; what it has not written yet is None."""

    pid: int | None
    address: str | None
    console: str | None = None


class AlreadyRunning(Exception):
    """Another `assay dev` owns this data folder."""

    def __init__(self, folder: Path, owner: Owner) -> None:
        who = f"pid {owner.pid}" if owner.pid else "pid not known yet"
        where = f", serving {owner.address}" if owner.address else ", still starting"
        super().__init__(
            f"it already runs here ({who}{where}). Use it, stop it with `assay dev --stop`, "
            f"or take another data folder than {folder}."
        )
        self.owner = owner


class Ownership:
    """The lock while it is held. `announce` tells a second one where this one can be reached."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._write(None, None)

    def announce(self, address: str, console: str | None = None) -> None:
        self._write(address, console)

    def _write(self, address: str | None, console: str | None) -> None:
        text = json.dumps({"pid": os.getpid(), "address": address, "console": console}).encode()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text, 0)


@contextmanager
def owned(folder: Path) -> Iterator[Ownership]:
    """Holds the data folder, which it makes if need be. Raises AlreadyRunning where somebody else does."""
    folder.mkdir(parents=True, exist_ok=True)
    # Others may pass through to the work folders that sandboxes mount, and see nothing of it.
    folder.chmod(0o711)
    # Not inherited by children (PEP 446), so that an orphaned one cannot keep the folder locked.
    descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(folder, _written(descriptor)) from None
        ownership = Ownership(descriptor)
        yield ownership
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def owner_of(folder: Path) -> Owner | None:
    """Who holds the data folder now, if anybody does."""
    try:
        descriptor = os.open(folder / FILE, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _written(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def _written(descriptor: int) -> Owner:
    try:
        written = json.loads(os.pread(descriptor, 4096, 0))
        return Owner(written["pid"], written["address"], written.get("console"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Owner(None, None)  # it has just taken the lock, or is just letting go
