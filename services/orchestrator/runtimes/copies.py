"""Copies of the machine's programs for sandboxes: one of each on the disk, linked to wherever it is wanted.

Blocking. Several orchestrators may use one folder.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path


class Copies:
    """A folder of copies, each named by what it is a copy of."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def link(self, path: str, target: Path) -> None:
        """Makes `target` what `path` is: a program, but without setuid and setgid, which are not for agents; or a
        symbolic link as it stands. What is not there, or not ours to read, is left out."""
        with contextlib.suppress(FileNotFoundError, PermissionError):
            facts = os.lstat(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            if stat.S_ISLNK(facts.st_mode):
                target.symlink_to(os.readlink(path))  # noqa: PTH115
            elif stat.S_ISREG(facts.st_mode):
                self._link_file(path, facts, target)

    def _link_file(self, path: str, facts: os.stat_result, target: Path) -> None:
        named = f"{path} {facts.st_mode} {facts.st_size} {facts.st_mtime_ns}".encode("utf-8", "surrogateescape")
        copy = self._folder / hashlib.sha256(named).hexdigest()[:32]
        try:
            target.hardlink_to(copy)
        except OSError as error:
            # None yet, or as many links to it as the file system takes (ext4: 65,000): the next copy takes its place.
            if error.errno not in {errno.ENOENT, errno.EMLINK}:
                raise
            self._folder.mkdir(mode=0o700, exist_ok=True)
            made = self._made(path, stat.S_IMODE(facts.st_mode) & 0o755)
            target.hardlink_to(made)
            made.rename(copy)  # over what somebody else has made meanwhile, which is the same

    def _made(self, path: str, mode: int) -> Path:
        fd, name = tempfile.mkstemp(prefix=".staging-", dir=self._folder)
        os.close(fd)
        made = Path(name)
        try:
            shutil.copyfile(path, made)
            made.chmod(mode)
        except OSError:
            made.unlink()
            raise
        return made

    def prune(self, *, older_than_s: float) -> None:
        """Removes what is linked to from nowhere and was made so many seconds ago."""
        limit = time.time() - older_than_s
        with contextlib.suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                with contextlib.suppress(OSError):
                    facts = path.stat()
                    if facts.st_nlink == 1 and facts.st_mtime < limit:
                        path.unlink()
