"""Whether the image that the harness runs in has the Debian packages that a test names."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.orchestrator.harness.src.system_packages import missing_packages
from tests.unit.harness.test_container import run_in_container

STATUS = """\
Package: git
Status: install ok installed
Provides: git-completion, git-core (= 1:2)

Package: gone
Status: deinstall ok config-files

Package: held
Status: hold ok installed
"""


@pytest.mark.parametrize(
    ("wanted", "missing"),
    [
        ([], []),
        (["git", "held"], []),
        (["git-core", "git-completion"], []),
        (["git", "gone", "nosuch", "gi"], ["gone", "nosuch", "gi"]),
    ],
)
def test_what_dpkg_has_not_as_installed_is_missing(tmp_path: Path, wanted: list[str], missing: list[str]) -> None:
    (tmp_path / "status").write_text(STATUS)
    assert missing_packages(wanted, str(tmp_path)) == missing


def test_an_image_may_have_a_file_for_each_package(tmp_path: Path) -> None:
    (tmp_path / "status.d").mkdir()
    (tmp_path / "status.d" / "tzdata").write_text("Package: tzdata\nVersion: 1\n")
    assert missing_packages(["tzdata", "git"], str(tmp_path)) == ["git"]


def test_without_dpkg_all_of_them_are_missing(tmp_path: Path) -> None:
    assert missing_packages(["git"], str(tmp_path / "nowhere")) == ["git"]


def test_a_container_that_lacks_one_ends_before_anything_is_installed() -> None:
    outcome = run_in_container(
        "def run(query):\n    return 1\n",
        mode="all",
        files={"agent.py": "", "requirements.txt": "no-such-requirement\n"},
        system_packages=["no-such-package"],
    )
    assert outcome.code == "SYSTEM_PACKAGE_MISSING"
    assert "lacks the Debian package no-such-package" in outcome.result["error"]["message"]
    assert outcome.lines == []


@pytest.mark.skipif(missing_packages(["bash"]) != [], reason="needs a Debian machine")
def test_a_container_that_has_them_runs_the_agent() -> None:
    assert run_in_container("def run(query):\n    return 1\n", system_packages=["bash"]).response == 1
