"""`make audit`: a database that is given finds what it knows, and says so when it is none."""

import json
import zipfile
from pathlib import Path

import pytest
from packaging.version import Version

from deploy.audit import __main__ as audit
from deploy.audit import advisories, licences, pins
from deploy.audit.advisories import Advisories, NoAdvisories

DIGEST = "a" * 64
RECORD = """
id: PYSEC-2026-1
details: It leaks.
modified: "2026-11-02T03:04:05Z"
published: "2026-11-01T00:00:00Z"
aliases: [CVE-2026-1]
affected:
- package: {name: Leaky.Name, ecosystem: PyPI, purl: "pkg:pypi/leaky-name"}
  ranges:
  - type: GIT
    repo: somewhere
    events: [{introduced: "0"}, {fixed: "abc"}]
  - type: ECOSYSTEM
    events: [{introduced: "0"}, {fixed: "1.5"}, {introduced: "2.0"}, {last_affected: "2.3"}]
  versions: ["1.9.post1"]
- package: {name: leaky-name, ecosystem: npm}
  versions: ["9.9"]
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    folder = tmp_path / "advisories" / "vulns" / "leaky-name"
    folder.mkdir(parents=True)
    (folder / "PYSEC-2026-1.yaml").write_text(RECORD)
    (folder / "README.json").write_text('{"id": "no record"}')
    return tmp_path / "advisories"


@pytest.mark.parametrize(
    ("version", "known"),
    [
        ("0.1", True),
        ("1.4.9", True),
        ("1.5rc1", True),
        ("1.5", False),
        ("1.9", False),
        ("1.9.post1", True),
        ("2.0.0", True),
        ("2.3", True),
        ("2.3.1", False),
        ("9.9", False),
    ],
)
def test_a_version_is_affected_as_its_record_says(database: Path, version: str, known: bool) -> None:
    assert bool(Advisories.read(database).about("leaky_name", version)) is known


def test_a_range_that_cannot_be_read_affects() -> None:
    assert advisories._within([{"introduced": "0"}, {"fixed": "no version"}], Version("1"))


def test_records_come_out_of_a_zip_and_withdrawn_ones_do_not(database: Path, tmp_path: Path) -> None:
    record = {
        "id": "A",
        "modified": "2026-01-01T00:00:00Z",
        "affected": [{"package": {"name": "x", "ecosystem": "PyPI"}, "versions": ["1"]}],
    }
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("A.json", json.dumps(record))
        archive.writestr("B.json", json.dumps({**record, "id": "B", "withdrawn": "2026-01-02T00:00:00Z"}))
    found = Advisories.read(tmp_path / "all.zip")
    assert [one["id"] for one in found.about("X", "1.0")] == ["A"]
    assert (found.count, found.newest) == (1, "2026-01-01T00:00:00Z")


@pytest.mark.parametrize("name", ["", "empty", "file.zip", "gone"])
def test_what_is_no_database_is_not_taken_for_good_news(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.zip").write_bytes(b"no zip")
    with pytest.raises(NoAdvisories):
        Advisories.read(tmp_path / name)
    assert audit.main([str(tmp_path / name)]) == 2


def lock_of(folder: Path, *pinned: str) -> Path:
    file = folder / "requirements.lock"
    file.write_text("".join(f"{pin} \\\n    --hash=sha256:{DIGEST}\n" for pin in pinned))
    return file


def test_pip_audit_finds_what_the_database_knows_without_a_network(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "PROJECT", tmp_path)
    monkeypatch.setattr(audit, "LOCKS", ("requirements.lock",))
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # whoever leaves this machine is noticed
    lock_of(tmp_path, "leaky-name==1.4", "sound==1.0")
    assert audit._vulnerable(str(database), {})
    said = capsys.readouterr().out
    assert "1 advisories about PyPI, the newest of 2026-11-02" in said
    assert "PYSEC-2026-1" in said
    assert "2.0" not in said.split("PYSEC-2026-1")[0]
    assert not audit._vulnerable(str(database), {"PYSEC-2026-1": "a reason"})
    lock_of(tmp_path, "leaky-name==1.5", "sound==1.0")
    assert not audit._vulnerable(str(database), {})


def test_without_a_database_it_says_that_nothing_was_looked_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main() == 0
    said = capsys.readouterr().out
    assert "vulnerabilities: not looked up, no database was given" in said
    assert "✓ pins" in said
    assert "✓ licences" in said


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        ("a==1\n", "has no hash"),
        ("a>=1 \\\n    --hash=sha256:" + DIGEST, "not one version"),
        ("https://x/a.whl \\\n    --hash=sha256:" + DIGEST, "not one version"),
        ("a==1 \\\n    --hash=md5:abc", "no SHA-256"),
        ("-e .\n", "not one version"),
        ("--index-url x\n", "not one version"),
    ],
)
def test_what_is_not_pinned_by_hash_is_named(lock: str, said: str) -> None:
    assert any(said in problem for problem in pins.unpinned(lock))


def test_what_is_pinned_passes() -> None:
    digest = f"\\\n    --hash=sha256:{DIGEST}"
    lock = f"# why\na[b]==1.0 ; sys_platform != 'win32' {digest} {digest}\n    # via b\n"
    assert list(pins.unpinned(lock)) == []


@pytest.mark.parametrize(
    ("package", "said"),
    [
        ({}, "no SHA-512"),
        ({"integrity": "sha1-x"}, "no SHA-512"),
        ({"integrity": "sha512-x", "resolved": "somewhere"}, "has an address"),
        ({"link": True}, "is a link"),
        ({"integrity": "sha512-x"}, ""),
    ],
)
def test_libraries_of_npm_are_pinned_as_well(package: dict[str, object], said: str) -> None:
    lock = {"lockfileVersion": 3, "packages": {"": {}, "node_modules/a": package}}
    assert bool(said) == any(said in problem for problem in pins.unpinned_npm(json.dumps(lock)))


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("(MIT OR GPL-3.0-only) AND ISC", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("Proprietary, ask us", False),
        ("", False),
    ],
)
def test_a_licence_is_one_of_the_list(expression: str, allowed: bool) -> None:
    assert licences.is_allowed(expression, {"MIT", "ISC"}) is allowed


def test_a_package_with_another_licence_is_named() -> None:
    assert list(licences.refused({"ISC"}, {}, {"typer"})) != []
    assert list(licences.refused({"ISC"}, {"typer": "a reason"}, {"typer"})) == []
