import os
import time
from pathlib import Path

import pytest

from services.orchestrator.runtimes.environments import Environments, normalised


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param(["a", "b"], ["b", "a"], True, id="order"),
        pytest.param(["Py_Yaml==6"], ["py-yaml == 6"], True, id="spelling and spaces"),
        pytest.param(["a", "a"], ["a"], True, id="repetition"),
        pytest.param(["a  # why", "", "# all"], ["a"], True, id="comments and empty lines"),
        pytest.param(["a[x,y]"], ["a[y,x]"], True, id="order of extras"),
        pytest.param(["a>=1"], ["a>=2"], False, id="version"),
        pytest.param(["a"], ["a; python_version < '3'"], False, id="marker"),
        pytest.param(["-e ."], ["a"], False, id="what is not a requirement stays as it is"),
        pytest.param(
            ["A==1 --hash=sha256:b --hash=sha256:a"],
            ["a==1  --hash=sha256:a --hash=sha256:b"],
            True,
            id="order of hashes",
        ),
        pytest.param(["a==1 --hash=sha256:a"], ["a==1 --hash=sha256:b"], False, id="another hash"),
        pytest.param(["a==1 --hash=sha256:a"], ["a==1"], False, id="no hash"),
    ],
)
def test_requirements_that_mean_the_same_share_an_environment(one: list[str], other: list[str], *, same: bool) -> None:
    assert (normalised(one) == normalised(other)) is same


def test_nothing_to_install_needs_no_environment(tmp_path: Path) -> None:
    assert Environments(tmp_path / "e", interpreter="3.11").key(["", "# nothing"]) is None


def test_each_interpreter_has_its_own(tmp_path: Path) -> None:
    keys = {Environments(tmp_path / "e", interpreter=version).key(["a"]) for version in ("3.11", "3.12")}
    assert len(keys) == 2


def test_an_environment_is_there_only_when_it_is_complete(tmp_path: Path) -> None:
    environments = Environments(tmp_path / "e", interpreter="3.11")
    staging = environments.prepare("token")
    (staging / "env" / "half").touch()
    assert environments.find("key") is None
    published = environments.publish("token", "key")
    assert published == environments.find("key") == tmp_path / "e" / "key"
    assert not staging.exists()


def test_the_first_to_publish_wins_and_the_second_is_content(tmp_path: Path) -> None:
    environments = Environments(tmp_path / "e", interpreter="3.11")
    for token in ("one", "two"):
        (environments.prepare(token) / "env" / token).touch()
    path = environments.publish("one", "key")
    assert environments.publish("two", "key") == path
    assert path
    assert [entry.name for entry in path.iterdir()] == ["one"]


def test_publishing_again_after_a_crash_finds_what_was_published(tmp_path: Path) -> None:
    environments = Environments(tmp_path / "e", interpreter="3.11")
    (environments.prepare("token") / "env" / "file").touch()
    assert environments.publish("token", "key") == environments.publish("token", "key")


def test_a_build_that_is_gone_cannot_be_published(tmp_path: Path) -> None:
    assert Environments(tmp_path / "e", interpreter="3.11").publish("token", "key") is None


def test_pruning_takes_what_nobody_used_for_long(tmp_path: Path) -> None:
    environments = Environments(tmp_path / "e", interpreter="3.11")
    for key in ("old", "used"):
        (environments.prepare(key) / "env" / "file").touch()
        path = environments.publish(key, key)
        assert path
        os.utime(path, (1, 1))
    assert environments.find("used")
    environments.prune(older_than_s=3600)
    assert environments.find("old") is None
    assert environments.find("used")


def test_no_build_decides_how_long_its_environment_stays(tmp_path: Path) -> None:
    environments = Environments(tmp_path / "e", interpreter="3.11")
    staging = environments.prepare("token")
    os.utime(staging / "env", (time.time() + 1e9, time.time() + 1e9))
    published = environments.publish("token", "key")
    assert published is not None
    assert published.stat().st_mtime <= time.time()
