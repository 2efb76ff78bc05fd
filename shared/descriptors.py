"""How many files and connections a process may have open."""

from __future__ import annotations

import contextlib
import resource
from typing import Final

RESERVED: Final = 1_024
"""For the store, the bus, the health port and files: what a service needs while strangers take all other places."""


def allow_many() -> None:
    """Takes what the system allows instead of the soft limit, usually 1024, which is there for programs that use
    select(2). A thousand idle connections of one agent would otherwise keep a whole process from working."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):  # macOS says infinity and refuses it
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def open_files() -> int | None:
    """So many files and connections this process may have open; None: no bound."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def room_for(connections: int, files: int | None) -> int:
    """How many of so many connections of strangers a process can take that may have `files` open, and go on working."""
    return connections if files is None else max(1, min(connections, files - min(RESERVED, files // 2)))
