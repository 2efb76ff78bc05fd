"""What an installation takes of the disk is known in time, and finding out costs the orchestrator little."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from services.orchestrator.runtimes import disk_watch
from services.orchestrator.runtimes.disk_use import Endless, used
from services.orchestrator.runtimes.disk_watch import DiskWatch
from services.orchestrator.runtimes.removal import remove_tree
from tests.support.deep_folders import dig
from tests.support.until import until

LIMIT = 8000


class Disk:
    """A disk as the watch sees it, and what it was asked."""

    def __init__(self) -> None:
        self.left = 1 << 40
        self.taken = 0
        self.asked = 0
        self.looks = 0

    def free(self) -> int:
        self.asked += 1
        return self.left

    def measure(self) -> int:
        self.looks += 1
        return self.taken

    def fill(self, size: int) -> None:
        self.left -= size
        self.taken += size


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """One that takes so long to look at that there would be years until the next time."""
    monkeypatch.setattr(disk_watch, "_LOOK_S", 0.005)
    monkeypatch.setattr(disk_watch, "_REST", 1e12)
    return Disk()


def _watch(disk: Disk, exceeded: Callable[[], None]) -> DiskWatch:
    return DiskWatch(disk.measure, disk.free, limit=LIMIT, exceeded=exceeded)


async def test_a_folder_that_takes_long_to_look_at_is_left_alone_while_the_disk_loses_nothing(disk: Disk) -> None:
    watch = _watch(disk, lambda: None)
    await until(lambda: disk.asked > 20)
    assert disk.looks == 1
    watch.close()


async def test_a_disk_that_fills_is_looked_at_however_long_that_takes(disk: Disk) -> None:
    """Or millions of small files would be a way to be left alone with the rest of the disk."""
    exceeded: list[int] = []
    watch = _watch(disk, lambda: exceeded.append(disk.taken))
    await until(lambda: disk.looks == 1)
    for _ in range(12):
        disk.fill(LIMIT // 8 + 1)
        looks = disk.looks
        await until(lambda: disk.looks > looks or exceeded)  # noqa: B023 - awaited at once
    await until(lambda: exceeded)
    watch.close()


async def test_a_look_that_fails_is_not_the_last(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_watch, "_REST", 0)
    exceeded: list[int] = []

    def fails() -> int:
        if disk.measure() <= LIMIT:
            raise OSError(24, "Too many open files")
        return disk.taken

    watch = DiskWatch(fails, disk.free, limit=LIMIT, exceeded=lambda: exceeded.append(disk.taken))
    await until(lambda: disk.looks > 1)
    disk.fill(LIMIT + 1)
    await until(lambda: exceeded)
    watch.close()


def test_folders_in_folders_take_few_descriptors(tmp_path: Path) -> None:
    """They are the orchestrator's, which knows nothing of its tests when it has none left to look at them."""
    dig(tmp_path, 1500)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    last = os.open("/dev/null", os.O_RDONLY)
    os.close(last)
    resource.setrlimit(resource.RLIMIT_NOFILE, (last + 20, hard))
    try:
        size = used([tmp_path], ())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert size >= 1500 * 4096
    remove_tree(tmp_path)  # pytest cannot


def test_folders_without_an_end_are_not_counted(tmp_path: Path) -> None:
    dig(tmp_path, 2100)
    with pytest.raises(Endless):
        used([tmp_path], ())
    remove_tree(tmp_path)


def test_what_is_too_much_is_not_counted_to_its_end(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for number in range(50):
            (tmp_path / folder / str(number)).touch()
    assert used([tmp_path], ()) >= 100 * 4096  # empty files are not free
    assert 10 * 4096 < used([tmp_path], (), enough=10 * 4096) < 20 * 4096
