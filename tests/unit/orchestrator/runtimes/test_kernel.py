"""Calls of the kernel by themselves."""

from __future__ import annotations

import fcntl
import os
import resource
from pathlib import Path
from typing import NoReturn

import pytest

from services.orchestrator.runtimes.kernel import ended_well, read_within, readable, spawn


def test_a_pipe_is_read_whatever_its_number() -> None:
    """A machine with many tests at once has networks beyond the first 1,024 descriptors."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= 2100:
        pytest.skip("so many descriptors are not to be had here")
    low, writing = os.pipe()
    reading = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 2000)
    os.write(writing, b"word")
    assert readable(reading, within_s=5) == [reading]
    assert read_within(reading) == b"word"
    assert readable(reading, within_s=0) == []
    os.close(writing)
    assert read_within(reading) == b""
    for fd in (low, reading):
        os.close(fd)


def test_a_child_has_nothing_open_of_ours_but_what_it_needs() -> None:
    reading, low = os.pipe()
    writing, other = (fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 200) for _ in range(2))
    os.close(low)

    def become() -> NoReturn:
        os.write(writing, " ".join(path.name for path in Path("/proc/self/fd").iterdir()).encode())
        os._exit(0)

    assert ended_well(spawn(become, keep=(writing,)))
    seen = {int(number) for number in read_within(reading).split()}
    assert {fd for fd in seen if fd >= 200} == {writing}
    assert {0, 1, 2} <= seen
    for fd in (reading, writing, other):
        os.close(fd)
