"""Where installations keep what they downloaded: one folder for each user, so that nobody finds in it what another one
put there.

A folder belongs to a user id of its own, of which its owner on disk is the record.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from services.orchestrator.runtimes.disk_use import Endless, used
from services.orchestrator.runtimes.removal import remove_tree

_DOOMED: Final = ".doomed-"


class Full(OSError):
    """There are more users than ids for their caches."""


class Cache(NamedTuple):
    """The download cache of one user."""

    path: Path
    uid: int | None
    """who may write to it; None where we may not choose"""


def _is_larger(path: Path, size: int) -> bool:
    try:
        return used([path], ()) > size
    except Endless:
        return True


class Caches:
    """All of them."""

    def __init__(self, folder: Path, uids: range | None) -> None:
        self._folder = folder
        self._uids = uids

    def of(self, user: str) -> Cache:
        """That of this user, made if need be; noted as used now. Raises Full."""
        path = self._folder / hashlib.sha256(user.encode()).hexdigest()[:32]
        with self._alone():
            path.mkdir(mode=0o700, exist_ok=True)
            os.utime(path)
            if self._uids is None:
                return Cache(path, None)
            owner = path.stat().st_uid
            if owner not in self._uids:
                owner = self._free()
                os.chown(path, owner, owner)
            return Cache(path, owner)

    def prune(self, *, older_than_s: float, larger_than: int, unused_for_s: float) -> None:
        """Removes those that no installation has used for so long, and larger ones that are not in use just now."""
        now = time.time()
        for path in self._folder.iterdir():
            with contextlib.suppress(OSError):
                age = now - path.stat().st_mtime
                if path.is_dir() and (age > older_than_s or (age > unused_for_s and _is_larger(path, larger_than))):
                    self._remove(path, age_s=min(older_than_s, unused_for_s))

    def _remove(self, path: Path, *, age_s: float) -> None:
        doomed = path.with_name(f"{_DOOMED}{path.name}")
        with self._alone():  # nobody began to use it meanwhile
            if time.time() - path.stat().st_mtime > age_s:
                path.rename(doomed)
        remove_tree(doomed)

    def _free(self) -> int:
        assert self._uids is not None
        taken = {path.stat().st_uid for path in self._folder.iterdir()}
        for uid in self._uids:
            if uid not in taken:
                return uid
        raise Full(f"all {len(self._uids)} user ids for download caches are in use")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps other runtimes on the same folder out."""
        lock = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
