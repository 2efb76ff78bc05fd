"""Installed requirements, kept for the next test that wants the same: one folder per set, named by its hash.

A folder is published by one rename, so it is complete or absent. Knows names and folders; installing is the
harness's work and the process runtime's sandbox is where it happens.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from services.orchestrator.runtimes.ownership import take_over
from services.orchestrator.runtimes.removal import remove_tree

_STAGING: Final = ".staging-"
_LOCK: Final = ".lock-"
_FORM: Final = 2  # of what is in an environment: the harness writes down what was built from source
_HASH: Final = re.compile(r"\s+--hash[=\s]\s*")


def normalised(requirements: Iterable[str]) -> list[str]:
    """One spelling for each set of requirements: order, case, spaces, comments and repetition do not matter."""
    found = set()
    for line in requirements:
        text = line.split(" #")[0].strip()
        if not text or text.startswith("#"):
            continue
        name, *hashes = _HASH.split(text)
        try:
            requirement = Requirement(name)
        except InvalidRequirement:  # the installer will say what is wrong with it
            found.add(text)
            continue
        requirement.name = canonicalize_name(requirement.name)
        # Hashes make it another set: it was checked what was installed.
        found.add(" --hash=".join([str(requirement), *sorted(set(hashes))]))
    return sorted(found)


class Environments:
    """The cache of installed requirements."""

    def __init__(self, folder: Path, *, interpreter: str, gids: range | None = None) -> None:
        """`gids`: of those who may look into environments, each into its own; None where we may not choose."""
        self._folder = folder
        self._gids = gids
        self._interpreter = interpreter
        folder.mkdir(mode=0o711, exist_ok=True)

    def key(self, requirements: Iterable[str]) -> str | None:
        """The name of the environment for these requirements; None when there is nothing to install."""
        wanted = normalised(requirements)
        if not wanted:
            return None
        return hashlib.sha256(json.dumps([_FORM, self._interpreter, wanted]).encode()).hexdigest()

    def path(self, key: str) -> Path:
        """Where the environment is once it is published."""
        return self._folder / key

    def group(self, key: str) -> int | None:
        """The group of the tasks that may look into this environment."""
        return None if self._gids is None else self._gids[int(key[:8], 16) % len(self._gids)]

    def find(self, key: str) -> Path | None:
        """The environment, if there is one; noted as used now."""
        path = self._folder / key
        try:
            os.utime(path)
        except OSError:
            return None
        return path

    def lock(self, key: str) -> Path:
        """The file that a build of this environment locks while it lives."""
        return self._folder / f"{_LOCK}{key}"

    def staging(self, token: str) -> Path:
        """Where a task builds."""
        return self._folder / f"{_STAGING}{token}"

    def prepare(self, token: str) -> Path:
        """An empty place to build in; the process that builds is given it (orders.py)."""
        self.discard(token)
        staging = self.staging(token)
        for folder in (staging, staging / "env", staging / "cache"):
            folder.mkdir(mode=0o700)
        return staging

    def publish(self, token: str, key: str) -> Path | None:
        """Makes what the task built the environment of this name. The first one wins; the others are the same.

        None when there is neither: the build is gone."""
        path = self._folder / key
        built = self.staging(token) / "env"
        with contextlib.suppress(OSError):
            group = self.group(key)
            if group is not None:  # whoever built it can change it no more, nor can a later task with the same user id
                take_over(built, group)
            built.chmod(0o700 if group is None else 0o750)
            os.utime(built)  # used now: its maker could date it into the future, and it would stay for ever
            built.rename(path)
        self.discard(token)
        with contextlib.suppress(OSError):
            self.lock(key).unlink()  # whoever waits for it looks for the environment first
        return path if path.is_dir() else None

    def discard(self, token: str) -> None:
        """Forgets what a task has begun to build."""
        remove_tree(self.staging(token))

    def prune(self, *, older_than_s: float) -> None:
        """Removes environments that nobody has used for so long, and builds and locks left behind by a crash."""
        limit = time.time() - older_than_s
        for path in self._folder.iterdir():
            with contextlib.suppress(OSError):
                if path.stat().st_mtime >= limit:
                    continue
                if path.is_dir():
                    doomed = path.rename(path.with_name(f"{_STAGING}doomed-{path.name}"))  # in one step, then in peace
                    remove_tree(doomed)
                else:
                    path.unlink()
