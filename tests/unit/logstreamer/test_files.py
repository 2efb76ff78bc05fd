import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.logstreamer.sources import files
from services.logstreamer.sources.files import FileFeed, FileSource
from tests.support.samples import NOW
from tests.support.until import until


@pytest.fixture
async def source() -> AsyncIterator[FileSource]:
    found = FileSource(drain_s=3)
    yield found
    found.close()


def follow(source: FileSource, path: Path, offset: int = 0) -> FileFeed:
    return source.follow({"kind": "file", "path": str(path)}, {"offset": offset} if offset else {}, since=NOW)


async def test_whole_lines_are_read_and_the_rest_waits_for_its_end(source: FileSource, tmp_path: Path) -> None:
    path = tmp_path / "output"
    path.write_bytes(b"one\ntwo\nthr")
    feed = follow(source, path)
    batch = await feed.read(wait_s=5)
    assert (batch.lines, batch.cursor) == ([b"one", b"two"], {"offset": 8})
    batch = await feed.read(wait_s=0)
    assert (batch.lines, batch.cursor) == ([], {"offset": 8})
    with path.open("ab") as file:
        file.write(b"ee\n")
    assert (await feed.read(wait_s=5)).lines == [b"three"]
    feed.close()


async def test_a_line_is_read_as_soon_as_it_is_written(source: FileSource, tmp_path: Path) -> None:
    path = tmp_path / "output"
    path.touch()
    feed = follow(source, path)
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(20):
        reading = tasks.create_task(feed.read(wait_s=60))
        await asyncio.sleep(0)
        assert not reading.done()
        with path.open("ab") as file:
            file.write(b"now\n")
        await until(reading.done, timeout=20)
    assert reading.result().lines == [b"now"]
    feed.close()


async def test_a_file_that_is_not_there_yet_is_waited_for(source: FileSource, tmp_path: Path) -> None:
    path = tmp_path / "output"
    feed = follow(source, path)
    assert (await feed.read(wait_s=0)).lines == []
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(feed.read(wait_s=60))
        await asyncio.sleep(0)
        path.write_bytes(b"late\n")
        await until(reading.done, timeout=20)
    assert reading.result().lines == [b"late"]
    feed.close()


async def test_who_comes_with_a_cursor_reads_on_from_there(source: FileSource, tmp_path: Path) -> None:
    path = tmp_path / "output"
    path.write_bytes(b"one\ntwo\nthree\n")
    first = follow(source, path)
    cursor = (await first.read(wait_s=0)).cursor
    first.close()
    with path.open("ab") as file:
        file.write(b"four\n")
    second = source.follow({"kind": "file", "path": str(path)}, cursor, since=NOW)
    assert (await second.read(wait_s=5)).lines == [b"four"]
    second.close()


async def test_two_followers_of_one_file_both_hear_of_it(source: FileSource, tmp_path: Path) -> None:
    path = tmp_path / "output"
    path.touch()
    one, other = follow(source, path), follow(source, path)
    async with asyncio.TaskGroup() as tasks:
        readings = [tasks.create_task(feed.read(wait_s=60)) for feed in (one, other)]
        await asyncio.sleep(0)
        with path.open("ab") as file:
            file.write(b"both\n")
        await until(lambda: all(reading.done() for reading in readings), timeout=20)
    one.close()
    with path.open("ab") as file:
        file.write(b"still\n")
    assert (await other.read(wait_s=20)).lines == [b"still"]
    other.close()


async def test_much_output_comes_in_pieces_and_loses_nothing(source: FileSource, tmp_path: Path) -> None:
    path = tmp_path / "output"
    written = [b"%d " % number + b"x" * 2_000 for number in range(3 * files.READ_BYTES // 2_000)]
    path.write_bytes(b"\n".join(written) + b"\n")
    feed = follow(source, path)
    lines: list[bytes] = []
    reads = 0
    while batch := (await feed.read(wait_s=0)).lines:
        lines += batch
        reads += 1
    assert lines == written
    assert reads >= 3
    feed.close()


async def test_a_line_without_end_cannot_hold_the_follower_up(source: FileSource, tmp_path: Path) -> None:
    path = tmp_path / "output"
    path.write_bytes(b"x" * (files.READ_BYTES + 5) + b"\nnext\n")
    feed = follow(source, path)
    assert (await feed.read(wait_s=0)).lines == [b"x" * files.READ_BYTES]
    assert (await feed.read(wait_s=0)).lines == [b"x" * 5, b"next"]
    feed.close()


async def test_closing_gives_the_descriptor_back(source: FileSource, tmp_path: Path) -> None:
    path = tmp_path / "output"
    path.write_bytes(b"one\n")

    def open_on_path() -> int:
        held = [Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd")]  # noqa: PTH208 - names
        return sum(1 for fd in held if fd.is_symlink() and os.readlink(fd) == str(path))  # noqa: PTH115

    feed = follow(source, path)
    await feed.read(wait_s=0)
    assert open_on_path() == 1
    feed.close()
    feed.close()
    assert open_on_path() == 0


async def test_a_file_that_is_removed_while_it_is_followed_is_read_to_its_end(
    source: FileSource, tmp_path: Path
) -> None:
    path = tmp_path / "output"
    path.write_bytes(b"one\n")
    feed = follow(source, path)
    await feed.read(wait_s=0)
    with path.open("ab") as file:
        file.write(b"two\n")
    path.unlink()
    assert (await feed.read(wait_s=5)).lines == [b"two"]
    assert (await feed.read(wait_s=0)).lines == []
    feed.close()


async def test_a_file_of_another_machine_is_left_to_it_unless_it_lies_on_a_shared_disk(
    source: FileSource, tmp_path: Path
) -> None:
    path = tmp_path / "output"
    assert not source.reads({"kind": "file", "host": "another", "path": str(path)})
    assert source.reads({"kind": "file", "host": socket.gethostname(), "path": str(path)})
    assert source.reads({"kind": "file", "path": str(path)})
    assert not source.reads({"kind": "file", "host": socket.gethostname()})
    path.touch()
    assert source.reads({"kind": "file", "host": "another", "path": str(path)})
