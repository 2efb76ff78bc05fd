"""Files for /work/in, as they are named on a command line."""

import os
from pathlib import Path

import pytest

from assay.input_files import inputs
from assay.project import BadProject
from tests.unit.client.trees import grow


def test_input_files_have_the_names_that_they_were_given(tmp_path: Path) -> None:
    grow(tmp_path, {"a.csv": "1", "set/b.csv": "2", "set/deep/c.csv": "3"})
    found = inputs([("data.csv", tmp_path / "a.csv"), ("set", tmp_path / "set")])
    assert {file.path: file.data for file in found.bundle.files} == {
        "data.csv": b"1",
        "set/b.csv": b"2",
        "set/deep/c.csv": b"3",
    }
    assert found.left_out == ()


def test_what_a_folder_does_not_bring_is_told(tmp_path: Path) -> None:
    grow(tmp_path, {"set/b.csv": "2", "set/.env": "secret", "set/deep/prod.env": "secret"})
    (tmp_path / "set" / "link").symlink_to("b.csv")
    os.mkfifo(tmp_path / "set" / "pipe")
    found = inputs([("set", tmp_path / "set")])
    assert [file.path for file in found.bundle.files] == ["set/b.csv"]
    told = {Path(one.path).relative_to(tmp_path).as_posix(): one.why for one in found.left_out}
    assert list(told) == ["set/.env", "set/deep/prod.env", "set/link", "set/pipe"]
    assert "--env-file" in told["set/.env"]
    assert (told["set/link"], told["set/pipe"]) == ("a link", "neither a file nor a folder")


def test_a_folder_that_brings_nothing_is_refused(tmp_path: Path) -> None:
    grow(tmp_path, {"a.csv": "", "secrets/.env": ""})
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadProject, match=r"empty has no files to send$"):
        inputs([("a.csv", tmp_path / "a.csv"), ("empty", tmp_path / "empty")])
    with pytest.raises(BadProject, match=r"secrets has no files to send: left out are .*\.env \(environment"):
        inputs([("secrets", tmp_path / "secrets")])


def test_two_input_files_of_one_name_are_refused(tmp_path: Path) -> None:
    grow(tmp_path, {"a/x.csv": "", "b/x.csv": ""})
    with pytest.raises(BadProject, match=r"two input files are called x\.csv"):
        inputs([("x.csv", tmp_path / "a" / "x.csv"), ("x.csv", tmp_path / "b" / "x.csv")])
