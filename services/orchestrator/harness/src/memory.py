"""Whether the memory of our container ran out."""

from __future__ import annotations

import posix as os  # what is in os without what makes its import cost a millisecond


def out_of_memory_kills() -> int:
    """How often the kernel has killed in our control group because memory ran out; 0 where it does not say."""
    ours = _start_of("/proc/self/cgroup").partition("0::")[2].partition("\n")[0].rstrip("/")
    for path in (
        f"/sys/fs/cgroup{ours}/memory.events",  # version 2, seen from outside of a namespace of its own
        "/sys/fs/cgroup/memory.events",
        "/sys/fs/cgroup/memory/memory.oom_control",  # version 1
    ):
        for line in _start_of(path).splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0


def _start_of(path: str) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(fd, 4096).decode("ascii", "replace")
    except OSError:
        return ""
    finally:
        os.close(fd)
