"""How many files and connections a process may have open."""

from __future__ import annotations

import contextlib
import resource


def allow_many() -> None:
    """Takes what the system allows instead of the soft limit, usually 1024, which is there for programs that use
    select(2). A thousand idle connections of one agent would otherwise keep a whole process from working."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):  # macOS says infinity and refuses it
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
