"""Whatever untrusted code has left in a folder, the folder goes, and nothing else does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.orchestrator.runtimes import removal
from services.orchestrator.runtimes.removal import remove_tree
from tests.support.deep_folders import dig

DEEPER_THAN_A_STACK = 3000


def test_a_folder_with_folders_files_and_odd_modes_goes(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "a/b/c").mkdir(parents=True)
    (folder / "a/b/file").write_text("x")
    (folder / "a/.doomed-1").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "a/b").chmod(0o000)
    remove_tree(folder)
    assert list(tmp_path.iterdir()) == []


def test_depth_is_no_defence(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    dig(folder, DEEPER_THAN_A_STACK)
    remove_tree(folder)
    assert list(tmp_path.iterdir()) == []


def test_more_than_is_removed_at_once_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "_AT_ONCE", 10)
    folder = tmp_path / "folder"
    for place in ("", "a", "a/b"):
        (folder / place).mkdir()
        for number in range(25):
            (folder / place / f"file-{number}").touch()
            (folder / place / f"folder-{number}").mkdir()
    remove_tree(folder)
    assert list(tmp_path.iterdir()) == []


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    others = tmp_path / "others"
    others.mkdir()
    (others / "file").write_text("stays")
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "link").symlink_to(others)
    (folder / "sub/link").symlink_to(others)
    remove_tree(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["others"]
    assert (others / "file").read_text() == "stays"


def test_a_link_in_the_place_of_the_folder_is_left_alone(tmp_path: Path) -> None:
    others = tmp_path / "others"
    others.mkdir()
    (others / "file").write_text("stays")
    (tmp_path / "folder").symlink_to(others)
    remove_tree(tmp_path / "folder")
    assert (others / "file").exists()


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_what_is_no_folder_is_no_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "it"
    if kind == "file":
        path.write_text("x")
    remove_tree(path)
