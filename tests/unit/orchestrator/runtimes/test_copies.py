from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from services.orchestrator.runtimes.copies import Copies


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o6755)
    return path


@pytest.fixture
def copies(tmp_path: Path) -> Copies:
    return Copies(tmp_path / "copies")


def kept(tmp_path: Path) -> list[Path]:
    return [*(tmp_path / "copies").iterdir()]


def test_a_program_lies_on_the_disk_once_and_has_no_rights_of_its_owner(
    tmp_path: Path, program: Path, copies: Copies
) -> None:
    for name in ("a", "b"):
        copies.link(str(program), tmp_path / name / "usr/bin/program")
    one, two = (tmp_path / name / "usr/bin/program" for name in ("a", "b"))
    assert one.stat().st_ino == two.stat().st_ino != program.stat().st_ino
    assert one.stat().st_mode & 0o7777 == 0o755
    assert program.stat().st_mode & 0o7777 == 0o6755
    assert len(kept(tmp_path)) == 1


def test_a_program_that_changed_is_copied_anew(tmp_path: Path, program: Path, copies: Copies) -> None:
    copies.link(str(program), tmp_path / "old")
    program.write_text("#!/bin/bash\n")
    copies.link(str(program), tmp_path / "new")
    assert ((tmp_path / "old").read_text(), (tmp_path / "new").read_text()) == ("#!/bin/sh\n", "#!/bin/bash\n")


def test_a_program_with_as_many_links_as_the_file_system_takes_is_copied_once_more(
    tmp_path: Path, program: Path, copies: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    most, hardlink_to = 3, Path.hardlink_to

    def bounded(self: Path, target: Path) -> None:
        if target.exists() and target.stat().st_nlink >= most:
            raise OSError(errno.EMLINK, "Too many links")
        hardlink_to(self, target)

    monkeypatch.setattr(Path, "hardlink_to", bounded)
    for name in "abcde":
        copies.link(str(program), tmp_path / "views" / name)
    inodes = [(tmp_path / "views" / name).stat().st_ino for name in "abcde"]
    assert len(set(inodes)) == 3
    assert inodes[0] == inodes[1]
    assert len(kept(tmp_path)) == 1


def test_links_stay_links_and_what_is_not_there_is_left_out(tmp_path: Path, copies: Copies) -> None:
    (tmp_path / "link").symlink_to("../somewhere/else")
    copies.link(str(tmp_path / "link"), tmp_path / "x/link")
    copies.link(str(tmp_path / "nothing"), tmp_path / "x/nothing")
    copies.link(str(tmp_path), tmp_path / "x/folder")
    assert os.listdir(tmp_path / "x") == ["link"]  # noqa: PTH208
    assert (tmp_path / "x/link").readlink() == Path("../somewhere/else")


def test_what_nothing_links_to_is_removed_after_a_while(tmp_path: Path, program: Path, copies: Copies) -> None:
    copies.prune(older_than_s=0)  # there is no folder yet
    copies.link(str(program), tmp_path / "a")
    copies.prune(older_than_s=0)
    assert len(kept(tmp_path)) == 1
    (tmp_path / "a").unlink()
    copies.prune(older_than_s=60)
    assert len(kept(tmp_path)) == 1
    copies.prune(older_than_s=-1)
    assert kept(tmp_path) == []
