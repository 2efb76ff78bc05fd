"""Whether the kernel killed for want of memory. Standard library only: the fork server asks, too."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence


def out_of_memory(groups: Sequence[str]) -> bool:
    """Whether it killed something in these cgroups. False for those that are gone."""
    for group in groups:
        for name in ("memory.events", "memory.oom_control"):  # version 2, version 1
            # pathlib would only make every fork dearer.
            with contextlib.suppress(OSError), open(f"{group}/{name}", encoding="ascii") as file:  # noqa: PTH123
                for line in file:
                    key, _, value = line.partition(" ")
                    if key == "oom_kill" and int(value):
                        return True
    return False
