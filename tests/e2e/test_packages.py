"""A tested agent leaves as a package, with the commands that a user types."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from assay import AsyncAssay, FailedPrecondition, PackageState
from tests.e2e.conftest import EXAMPLES, key_of
from tests.support.local_mode import Command, LocalMode, local_mode, skip_without_sandbox

PASSED, FAILED, ERROR = 0, 1, 2

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def passed(assay: Command) -> str:
    """A test that passed."""
    told = assay("submit", EXAMPLES / "plain_function.py", "-q", "one two three", "--follow", "--json")
    return str(told.objects[0]["test"]["id"])


@pytest.fixture(scope="module")
def downloaded(assay: Command, passed: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its package, downloaded."""
    folder = tmp_path_factory.mktemp("packages") / "new"
    ran = assay("package", passed, "--download", folder)
    assert (ran.code, ran.err) == (PASSED, "")
    [file] = folder.iterdir()
    assert f"✓ {file}" in ran.out
    assert "checked" in ran.out
    return file


def test_the_package_is_whole_by_every_account(assay: Command, downloaded: Path) -> None:
    subprocess.run(["unzip", "-q", downloaded.name], cwd=downloaded.parent, check=True, timeout=30)
    folder = downloaded.parent / "plain-function"
    summed = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=folder, check=True, timeout=30, capture_output=True, text=True
    )
    assert "agent.py: OK" in summed.stdout
    assert (folder / "agent.py").read_bytes() == (EXAMPLES / "plain_function.py").read_bytes()
    verified = assay("verify", downloaded)
    assert (verified.code, verified.err) == (PASSED, "")


def test_package_says_where_to_get_it_and_again_gives_the_same(assay: Command, passed: str, downloaded: Path) -> None:
    plain = assay("package", passed)
    assert (plain.code, plain.err) == (PASSED, "")
    assert f"✓ {downloaded.name} is ready" in plain.out
    assert "http://127.0.0.1:" in plain.out
    value = assay("package", passed, "--json").json
    assert (value["state"], value["test_id"]) == ("READY", passed)
    assert hashlib.sha256(downloaded.read_bytes()).hexdigest() == value["sha256"]
    assert value["downloads"] >= 1
    by_id = assay("package", value["id"], "--json").json
    assert (by_id["id"], by_id["sha256"]) == (value["id"], value["sha256"])
    assert assay("get", passed, "--json").json["package_id"] == value["id"]


def test_options_make_another_package(assay: Command, passed: str) -> None:
    words = ("--service-name", "word-counter", "--port", "9000", "--load-balancer", "--vpc-id", "vpc-0123456789abcdef0")
    value = assay("package", passed, *words, "--json").json
    assert value["options"] == {
        "service_name": "word-counter",
        "port": 9000,
        "load_balancer": True,
        "vpc_id": "vpc-0123456789abcdef0",
    }
    listed = assay("packages", "--test", passed)
    assert (listed.code, listed.err) == (PASSED, "")
    title, first, *_ = listed.out.splitlines()
    assert title.split()[:3] == ["PACKAGE", "STATE", "SERVICE"]
    assert first.split()[:3] == [value["id"], "READY", "word-counter"]
    one = assay("packages", "-n", "1", "--json").json
    assert [found["id"] for found in one["packages"]] == [value["id"]]
    following = assay("packages", "-n", "1", "--page-token", one["next_page_token"], "--json").json
    assert following["packages"][0]["id"] != value["id"]


def test_what_is_refused_is_exit_code_2_on_standard_error(assay: Command, passed: str) -> None:
    failed = assay("submit", EXAMPLES / "fails.py", "-q", "x", "--follow", "--json").objects[0]["test"]["id"]
    for words, says in (
        (("package", failed), "this one is FAILED"),
        (("package", "tst_nobody"), "There is no test 'tst_nobody' of yours."),
        (("package", "pkg_nobody"), "There is no package 'pkg_nobody' of yours."),
        (("package", passed, "--service-name", "Bad Name"), "options.service_name"),
        (("package", passed, "--port", "70000"), "65535"),
        (("package", "pkg_x", "--port", "80"), "name its test"),
        (("packages", "--state", "lost"), "'lost' is none of generating, ready"),
    ):
        ran = assay(*words)
        assert (ran.code, ran.out) == (ERROR, ""), words
        assert says in ran.err
        assert "Traceback" not in ran.err


async def test_another_users_package_is_not_there(server: LocalMode, assay: Command, passed: str) -> None:
    package_id = assay("package", passed, "--json").json["id"]
    stranger = Command(server.folder.parent, {"ASSAY_API_KEY": await key_of(server, "package-stranger")})
    assert stranger("packages").out == "no packages\n"
    assert stranger("package", package_id).code == ERROR


async def test_the_sdk_makes_and_downloads_it(client: AsyncAssay, tmp_path: Path) -> None:
    test = await client.run(EXAMPLES / "plain_function.py", "a b")
    package = (await client.packages.generate(test.id, service_name="from-sdk")).raise_for_failure()
    assert package.state is PackageState.READY
    file = await client.packages.download(package, tmp_path)
    assert file == tmp_path / package.filename
    assert hashlib.sha256(file.read_bytes()).hexdigest() == package.sha256
    assert [one.id async for one in client.packages.list(test_id=test.id)] == [package.id]
    assert (await client.packages.refresh(package.id)).url.startswith("http")
    assert await client.packages.track(package.id) == 2
    test = await client.run("def run(query): raise ValueError", "a b")
    with pytest.raises(FailedPrecondition):
        await client.packages.generate(test.id)


def test_there_is_no_s3_before_the_first_package(tmp_path: Path) -> None:
    skip_without_sandbox()
    with local_mode(tmp_path / ".assay") as server:
        s3 = server.folder / "run" / "ministack.pid"
        own = Command(server.folder.parent)
        assert own("submit", EXAMPLES / "plain_function.py", "-q", "x", "--follow").code == PASSED
        assert not s3.exists()
        assert own("package", "last").code == PASSED
        assert s3.exists()
    assert not s3.exists()
