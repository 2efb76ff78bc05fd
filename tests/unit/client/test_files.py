"""Files of a test on their way to here."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.blocking import Assay
from assay.client import AsyncAssay
from assay.errors import DownloadFailed, NotFound
from assay.files import FileKind
from assay.local_names import local_names, local_path
from assay.v1 import test_service_pb2
from tests.unit.client.conftest import QUICK
from tests.unit.client.fake_server import KEY, FakeServer, Story, a_file, passed
from tests.unit.client.trees import grow

OUTPUT = test_service_pb2.FILE_KIND_OUTPUT
BIG = bytes(range(256)) * 1024  # four pieces of the fake server


@pytest.fixture(params=["asyncio", "blocking"])
def call(request: pytest.FixtureRequest, address: str) -> Callable[..., Any]:
    async def with_asyncio(method: str, *arguments: Any, **options: Any) -> Any:
        async with AsyncAssay(address, KEY, retry=QUICK) as client:
            return await getattr(client, method)(*arguments, **options)

    def blocking(method: str, *arguments: Any, **options: Any) -> Any:
        with Assay(address, KEY, retry=QUICK) as client:
            return getattr(client, method)(*arguments, **options)

    async def in_a_thread(*arguments: Any, **options: Any) -> Any:
        return await asyncio.to_thread(blocking, *arguments, **options)

    return with_asyncio if request.param == "asyncio" else in_a_thread


def left(tmp_path: Path) -> list[str]:
    return sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())


async def test_the_files_of_a_test_are_listed_by_kind(call: Callable[..., Any], fake: FakeServer) -> None:
    test = passed("tst_a")
    test.project_files.append(a_file("agent.py", b"x"))
    test.input_files.append(a_file("data.csv", b"a,b"))
    test.output_files.append(a_file("report.md", b"# hello"))
    test.files_expire_time.FromSeconds(1_800_000_000)
    fake.stories["tst_a"] = Story([test])
    found = await call("files", "tst_a")
    assert [(file.kind, file.path, file.size) for file in found] == [
        (FileKind.PROJECT, "agent.py", 1),
        (FileKind.INPUT, "data.csv", 3),
        (FileKind.OUTPUT, "report.md", 7),
    ]


async def test_a_file_goes_into_a_folder_under_its_path(
    call: Callable[..., Any], fake: FakeServer, tmp_path: Path
) -> None:
    fake.files[OUTPUT, "charts/a.bin"] = BIG
    path = await call("download", "tst_a", "charts/a.bin", tmp_path)
    assert path == tmp_path / "charts" / "a.bin"
    assert path.read_bytes() == BIG
    assert left(tmp_path) == ["charts/a.bin"]
    assert path.stat().st_mode & 0o111 == 0


async def test_what_was_handed_in_as_a_program_is_one_again_and_what_an_agent_left_is_not(
    call: Callable[..., Any], fake: FakeServer, tmp_path: Path
) -> None:
    fake.files[test_service_pb2.FILE_KIND_PROJECT, "run.sh"] = b"echo"
    fake.files[OUTPUT, "run.sh"] = b"echo"
    own = await call("download", "tst_a", "run.sh", tmp_path / "own", kind="project")
    left_behind = await call("download", "tst_a", "run.sh", tmp_path / "left")
    assert own.stat().st_mode & 0o100
    assert not left_behind.stat().st_mode & 0o111


async def test_a_file_can_have_another_name_or_stay_in_memory(
    call: Callable[..., Any], fake: FakeServer, tmp_path: Path
) -> None:
    fake.files[OUTPUT, "a.bin"] = BIG
    fake.files[test_service_pb2.FILE_KIND_INPUT, "a.bin"] = b"other"
    assert (await call("download", "tst_a", "a.bin", tmp_path / "b.bin")).read_bytes() == BIG
    assert await call("read_file", "tst_a", "a.bin") == BIG
    assert await call("read_file", "tst_a", "a.bin", kind="input") == b"other"


async def test_an_empty_file_is_a_file(call: Callable[..., Any], fake: FakeServer, tmp_path: Path) -> None:
    fake.files[OUTPUT, "empty"] = b""
    assert (await call("download", "tst_a", "empty", tmp_path)).read_bytes() == b""


async def test_a_download_outlives_a_lost_connection(
    call: Callable[..., Any], fake: FakeServer, tmp_path: Path
) -> None:
    fake.files[OUTPUT, "a.bin"] = BIG
    fake.download_cuts = 2
    assert (await call("download", "tst_a", "a.bin", tmp_path)).read_bytes() == BIG
    fake.download_cuts = 2
    assert await call("read_file", "tst_a", "a.bin") == BIG


async def test_what_is_there_stays_unless_it_may_be_written_over(
    call: Callable[..., Any], fake: FakeServer, tmp_path: Path
) -> None:
    grow(tmp_path, {"a.txt": "mine"})
    fake.files[OUTPUT, "a.txt"] = b"theirs"
    with pytest.raises(DownloadFailed, match="there already"):
        await call("download", "tst_a", "a.txt", tmp_path)
    assert (tmp_path / "a.txt").read_text("utf-8") == "mine"
    await call("download", "tst_a", "a.txt", tmp_path, overwrite=True)
    assert (tmp_path / "a.txt").read_text("utf-8") == "theirs"


async def test_what_is_not_the_file_is_not_kept(call: Callable[..., Any], fake: FakeServer, tmp_path: Path) -> None:
    fake.files[OUTPUT, "a.bin"] = BIG
    fake.spoil = lambda piece: b"\xff" + piece[1:]
    with pytest.raises(DownloadFailed, match="What came is not the file"):
        await call("download", "tst_a", "a.bin", tmp_path)
    with pytest.raises(DownloadFailed, match="What came is not the file"):
        await call("read_file", "tst_a", "a.bin")
    fake.spoil = lambda piece: piece * 9
    with pytest.raises(DownloadFailed, match="more than the server said"):
        await call("download", "tst_a", "a.bin", tmp_path)
    assert left(tmp_path) == []


async def test_a_file_that_there_is_not_leaves_nothing(
    call: Callable[..., Any], fake: FakeServer, tmp_path: Path
) -> None:
    with pytest.raises(NotFound):
        await call("download", "tst_a", "a.bin", tmp_path)
    assert left(tmp_path) == []


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "a//b", "", ".", "..", "a/."])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DownloadFailed, match="leads out"):
        local_path(tmp_path, name)


def test_a_link_in_the_folder_does_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "to" / "charts").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DownloadFailed, match="is a link out of"):
        local_path(tmp_path / "to", "charts/a.png")


def test_a_name_steers_no_terminal(tmp_path: Path) -> None:
    assert local_path(tmp_path, "a\x1b[2J\n\x7f\u202eb.txt").name == "a_[2J___b.txt"


@given(st.text(max_size=30))
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    folder = Path("/somewhere/there")
    try:
        path = local_path(folder, name)
    except DownloadFailed:
        return
    assert Path(os.path.normpath(path)).is_relative_to(folder)
    assert path != folder


async def test_a_link_at_the_place_of_a_file_is_replaced_and_never_followed(
    call: Callable[..., Any], fake: FakeServer, tmp_path: Path
) -> None:
    victim = grow(tmp_path / "elsewhere", {"a.txt": "mine"})
    folder = grow(tmp_path / "got", {"real/a.txt": "mine"})
    fake.files[OUTPUT, "a.txt"] = b"theirs"
    for name, target in {"to_folder": victim, "to_file": victim / "a.txt"}.items():
        (folder / name).symlink_to(target)
        with pytest.raises(DownloadFailed, match="there already"):
            await call("download", "tst_a", "a.txt", folder, save_as=name)
        await call("download", "tst_a", "a.txt", folder, save_as=name, overwrite=True)
        assert ((folder / name).is_symlink(), (folder / name).read_bytes()) == (False, b"theirs")
    with pytest.raises(DownloadFailed, match="real is a folder"):
        await call("download", "tst_a", "a.txt", folder, save_as="real", overwrite=True)
    assert left(victim) == ["a.txt"]
    assert (victim / "a.txt").read_text("utf-8") == (folder / "real" / "a.txt").read_text("utf-8") == "mine"


def test_names_that_would_be_one_here_are_told_apart() -> None:
    assert local_names(["\u2066z", "_z", "a/\x07", "\x07z", "plain"]) == ["_z~2", "_z", "a/_", "_z~3", "plain"]
