"""Installing requirements for real, from the package index that this machine uses."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.until import until
from tests.unit.harness.started import Outcome, context, run, started

pytestmark = pytest.mark.slow

USING_SIX = "import six, sys\ndef run(q): return [six.__version__, sys.prefix]"
UV = Path(sys.executable).parent / "uv"


@pytest.fixture
def installer_env(tmp_path: Path) -> dict[str, str]:
    """The environment of a build: how to reach the index, a cache, and uv on the path."""
    tools = tmp_path / "tools"
    tools.mkdir()
    uv = str(UV) if UV.exists() else shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed")
    (tools / "uv").symlink_to(uv)
    prefixes = ("UV_", "PIP_", "SSL_", "REQUESTS_", "CURL_", "HTTP", "http", "NO_PROXY", "no_proxy", "ALL_PROXY")
    env = {name: value for name, value in os.environ.items() if name.startswith(prefixes)}
    return {**env, "PATH": f"{tools}:/usr/bin:/bin", "HOME": str(tmp_path), "UV_CACHE_DIR": str(tmp_path / "cache")}


@pytest.fixture
def env_dir(tmp_path: Path) -> Path:
    """An empty folder, as the runtime mounts it."""
    (tmp_path / "env").mkdir()
    return tmp_path / "env"


def built(requirements: str, env: dict[str, str], env_dir: Path, **changes: Any) -> Outcome:
    """The harness in the mode `build`."""
    given = context("", mode="build", env_dir=str(env_dir), timeout_s=120, **changes)
    given["files"]["requirements.txt"] = requirements
    with started(given, env=env) as harness:
        return harness.ended(within=130)


def test_a_package_is_installed_and_the_agent_finds_it(installer_env: dict[str, str], env_dir: Path) -> None:
    build = built("six==1.17.0\n", installer_env, env_dir)
    assert build.exit_code == 0, build.output
    assert build.marks == ["building"]
    assert build.result == {"ok": True, "lines": build.lines[-1]["seq"], "duration_ms": build.result["duration_ms"]}
    assert {line["stream"] for line in build.lines} == {"build"}
    assert any("six==1.17.0" in line["text"] for line in build.lines)

    outcome = run(USING_SIX, python=f"{env_dir}/bin/python", first_seq=build.result["lines"] + 1)
    assert outcome.response == ["1.17.0", str(env_dir)]
    assert outcome.marks == ["running", "finished", "end"]


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_the_result_says_what_is_installed_when_it_was_prepared_and_when_it_is_fresh(
    installer: str, installer_env: dict[str, str], env_dir: Path
) -> None:
    if installer == "pip":
        installer_env["PATH"] = "/usr/bin:/bin"
    assert built("six\npython-dateutil==2.9.0\n", installer_env, env_dir).exit_code == 0
    prepared = run("def run(q): return 1", python=f"{env_dir}/bin/python", env_dir=str(env_dir)).result["resolved"]
    assert "python-dateutil==2.9.0" in prepared
    assert re.fullmatch(r"six==1\.\d+\.\d+", prepared[-1])

    given = context("def run(q): return 1", mode="all", env_dir=str(env_dir.with_name("fresh")), timeout_s=120)
    given["files"]["requirements.txt"] = "six\npython-dateutil==2.9.0\n"
    with started(given, env=installer_env) as harness:
        fresh = harness.ended(within=130).result["resolved"]
    assert "python-dateutil==2.9.0" in fresh
    if installer == "uv":  # pip takes what the system has as installed
        assert fresh == prepared


def test_an_agent_without_requirements_has_nothing_installed() -> None:
    result = run("def run(q): return 1").result
    assert result["resolved"] == []
    assert result["python"].startswith("3.")


def test_a_package_that_does_not_exist_says_so(installer_env: dict[str, str], env_dir: Path) -> None:
    outcome = built("assay-no-such-package-7f3a==1.0\n", installer_env, env_dir)
    assert outcome.code == "DEPENDENCY_INSTALL_FAILED"
    assert "assay-no-such-package-7f3a" in outcome.message
    assert outcome.marks == ["building", "end"]
    assert outcome.result["phases"]["build_ms"] > 0
    assert outcome.result["phases"]["run_ms"] is None


def test_a_version_that_does_not_exist_says_so(installer_env: dict[str, str], env_dir: Path) -> None:
    outcome = built("six==0.0.1\n", installer_env, env_dir)
    assert outcome.code == "DEPENDENCY_INSTALL_FAILED"
    assert "six==0.0.1" in outcome.message


def test_requirements_that_exclude_each_other_say_so(installer_env: dict[str, str], env_dir: Path) -> None:
    outcome = built("six==1.17.0\nsix==1.16.0\n", installer_env, env_dir)
    assert outcome.code == "DEPENDENCY_INSTALL_FAILED"


def test_a_package_without_a_wheel_is_built(installer_env: dict[str, str], env_dir: Path) -> None:
    outcome = built("docopt==0.6.2\n", installer_env, env_dir)
    assert outcome.exit_code == 0, outcome.output
    assert any(line["stream"] == "system" and "building from source" in line["text"] for line in outcome.lines)


def test_one_container_does_both(installer_env: dict[str, str], tmp_path: Path) -> None:
    given = context(USING_SIX, mode="all", env_dir=str(tmp_path / "new" / "env"), timeout_s=120)
    given["files"]["requirements.txt"] = "# what it needs\nsix==1.17.0\n"
    with started(given, env=installer_env) as harness:
        outcome = harness.ended(within=130)
    assert outcome.response == ["1.17.0", str(tmp_path / "new" / "env")]
    assert outcome.marks == ["building", "running", "finished", "end"]
    assert outcome.result["phases"]["build_ms"] > 0
    assert outcome.result["phases"]["run_ms"] > 0


def test_requirements_of_comments_only_install_nothing(installer_env: dict[str, str]) -> None:
    given = context("def run(q): return 1", mode="all")
    given["files"]["requirements.txt"] = "# nothing\n\n"
    with started(given, env=installer_env) as harness:
        outcome = harness.ended()
    assert outcome.response == 1
    assert outcome.marks == ["running", "finished", "end"]


def test_without_uv_pip_does_it(installer_env: dict[str, str], env_dir: Path) -> None:
    outcome = built("six==1.17.0\n", {**installer_env, "PATH": "/usr/bin:/bin"}, env_dir)
    if "ensurepip is not" in str(outcome.output):
        pytest.skip("this Python has no venv (Debian package: python3-venv)")
    assert outcome.exit_code == 0, outcome.output
    assert run(USING_SIX, python=f"{env_dir}/bin/python").response[0] == "1.17.0"


def test_without_uv_pip_names_what_does_not_exist(installer_env: dict[str, str], env_dir: Path) -> None:
    env = {**installer_env, "PATH": "/usr/bin:/bin"}
    outcome = built("assay-no-such-package-7f3a==1.0\n", env, env_dir)
    if "ensurepip is not" in str(outcome.output):
        pytest.skip("this Python has no venv (Debian package: python3-venv)")
    assert outcome.code == "DEPENDENCY_INSTALL_FAILED"
    assert "assay-no-such-package-7f3a" in outcome.message


def test_an_environment_that_cannot_be_written_says_so(installer_env: dict[str, str]) -> None:
    outcome = built("six\n", installer_env, Path("/proc/no/env"))
    assert outcome.code == "DEPENDENCY_INSTALL_FAILED"


def installer_that_waits(folder: Path) -> str:
    """A path on which `uv` is a program that never ends."""
    folder.mkdir()
    (folder / "uv").write_text("#!/bin/sh\necho started\nexec sleep 300\n")
    (folder / "uv").chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def test_an_installer_that_hangs_ends_with_the_time(tmp_path: Path) -> None:
    given = context("", mode="build", env_dir=str(tmp_path / "env"), timeout_s=1)
    with started(given, env={"PATH": installer_that_waits(tmp_path / "tools")}) as harness:
        outcome = harness.ended(within=10)
    assert outcome.code == "TIMED_OUT"
    assert outcome.marks == ["building", "end"]


async def test_sigterm_while_installing_cancels(tmp_path: Path) -> None:
    given = context("", mode="build", env_dir=str(tmp_path / "env"))
    with started(given, env={"PATH": installer_that_waits(tmp_path / "tools")}) as harness:
        await until(lambda: any(line.get("text") == "started" for line in harness.output()))
        harness.process.terminate()
        outcome = harness.ended(within=10)
    assert outcome.code == "CANCELLED"
    assert outcome.exit_code == 143
    assert outcome.lines[0]["stream"] == "build"


def test_the_secrets_of_the_agent_are_not_shown_to_installers(tmp_path: Path) -> None:
    (tmp_path / "uv").write_text("#!/bin/sh\nenv\nexit 1\n")
    (tmp_path / "uv").chmod(0o755)
    given = context("", mode="build", env_dir=str(tmp_path / "env"), env={"API_KEY": "s3cret"})
    with started(given, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}) as harness:
        outcome = harness.ended()
    assert outcome.code == "DEPENDENCY_INSTALL_FAILED"
    assert "UV_NO_PROGRESS=1" in outcome.text
    assert "s3cret" not in outcome.text


SIX = "six==1.17.0 --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274"
"""The wheel of that release."""


def test_hashes_are_checked(installer_env: dict[str, str], env_dir: Path) -> None:
    build = built(SIX + "\n", installer_env, env_dir)
    assert build.exit_code == 0, build.output


def test_a_file_that_is_not_what_its_hash_says_is_not_installed(installer_env: dict[str, str], env_dir: Path) -> None:
    build = built(SIX.replace("4721f391", "00000000") + "\n", installer_env, env_dir)
    assert build.code == "DEPENDENCY_INSTALL_FAILED"
    assert "Hash mismatch for `six==1.17.0`" in build.result["error"]["message"]
    assert build.result["error"]["hint"].startswith("What the index has is not what the hashes were made for.")


def test_with_hashes_nothing_is_installed_that_has_none(installer_env: dict[str, str], env_dir: Path) -> None:
    dateutil = "python-dateutil==2.9.0.post0 --hash=sha256:"
    dateutil += "a8b2bc7bffae282281c8140a97d3aa9c14da0b136dfe83f850eea9a5f7470427"
    build = built(dateutil + "\n", installer_env, env_dir)
    assert build.code == "DEPENDENCY_INSTALL_FAILED"
    assert "no trusted hash was provided for: `six`" in build.result["error"]["message"]
