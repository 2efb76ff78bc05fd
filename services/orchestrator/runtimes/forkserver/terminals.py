"""Terminals for tasks: instances of devpts, each with a limit. Standard library only."""

# pathlib would only make every fork dearer.
# ruff: noqa: PTH103

from __future__ import annotations

import contextlib
import os
from typing import Final

from services.orchestrator.runtimes.kernel import (
    CLONE_NEWNS,
    MNT_DETACH,
    MS_NOEXEC,
    MS_NOSUID,
    MS_REC,
    MS_SLAVE,
    call,
    libc,
)

_MOST: Final = 64  # as many as processes


class Terminals:
    """Instances of devpts with a limit, each for one task at a time: terminals are the machine's, and one agent could
    take them all. They are mounted where only this process and its children see them, and used again, since mounting
    costs as much as the rest of a start. Where one cannot be mounted the task finds an empty folder, and has none."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.made = 0
        self.free: list[str] = []
        if folder:
            with contextlib.suppress(OSError):
                call("unshare", CLONE_NEWNS, what="a mount namespace")
                call("mount", None, b"/", None, MS_REC | MS_SLAVE, None, what="/")

    def take(self) -> str:
        """The folder of one that nobody uses; empty where tasks get none from us."""
        if not self.folder:
            return ""
        if self.free:
            return self.free.pop()
        self.made += 1
        place = f"{self.folder}/{self.made}"
        with contextlib.suppress(OSError):
            os.makedirs(place, 0o755, exist_ok=True)
            options = f"newinstance,ptmxmode=0666,mode=620,max={_MOST}".encode()
            call("mount", b"devpts", place.encode(), b"devpts", MS_NOSUID | MS_NOEXEC, options, what=place)
        return place

    def give_back(self, place: str, *, unused: bool) -> None:
        """Keeps it for the next task where it is certain that nothing of the last one lives; else it is not used again:
        the kernel ends it with its last process."""
        if place and unused:
            self.free.append(place)
        elif place:
            libc.umount2(place.encode(), MNT_DETACH)
