import os
from pathlib import Path

import pytest

from deploy.local.task_root import others_may_pass, task_root

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only as root does a sandbox run under another user")


def folder(parent: Path, mode: int) -> Path:
    made = parent / "home" / "data"
    made.mkdir(parents=True)
    made.chmod(0o711)
    made.parent.chmod(mode)
    return made


def test_a_home_that_is_closed_to_others_stops_them_on_the_way(tmp_path: Path) -> None:
    assert not others_may_pass(folder(tmp_path, 0o700))
    assert others_may_pass(Path("/"))


@only_root
def test_work_folders_move_out_of_a_closed_home_to_a_place_of_their_own(tmp_path: Path) -> None:
    data, state = folder(tmp_path, 0o700), tmp_path / "state"
    root = task_root(data, state=state)
    assert root.parent == state
    assert root.stat().st_mode & 0o777 == 0o711
    assert task_root(data, state=state) == root, "the same at the next start"


@only_root
def test_work_folders_go_when_their_data_folder_is_gone(tmp_path: Path) -> None:
    data, state = folder(tmp_path, 0o700), tmp_path / "state"
    root = task_root(data, state=state)
    data.rmdir()
    other = folder(tmp_path / "b", 0o700)
    assert task_root(other, state=state) != root
    assert not root.exists()
