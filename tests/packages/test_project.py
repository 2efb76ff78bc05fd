"""Packages of projects and of tests with input files: every byte where it was, whatever the names."""

import hashlib
import io
import json
import stat
import subprocess
import zipfile
from pathlib import Path

import pytest

from assay.verify import verify_package
from services.packager.content import PackageFacts
from tests.support.package_facts import facts, unpacked, zipped
from tests.support.package_server import serving

MAIN = b"from app.tools import shout\n\ndef run(query):\n    return shout(query) + open('a.txt').read()\n"
PROJECT = {
    "src/app/__init__.py": b"",
    "src/app/main.py": MAIN,
    "src/app/tools.py": b"def shout(text):\n    return text.upper()\n",
    "a.txt": b"!\r\n",
    "go.sh": b"#!/bin/sh\n",
}
# Names that are commands, markup, quotes or other languages: nothing of it may become part of a file that is read.
HOSTILE = {
    "$(touch x) `id` ${A}.txt": b"1",
    "-rf": b"2",
    "a b/'\"c.txt": b"3",
    "<script>alert(1)</script>.md": b"4",
    "| a | b |.txt": b"5",
    "Dockerfile": b"FROM evil\n",
    "README.md": b"# evil\n",
    ".dockerignore": b"!*\n",
    ".env": b"A=1\n",
    "server.py": b"raise SystemExit(1)\n",
    "requirements.txt": b"evil\n",
    "manifest.json": b"{}",
    "SHA256SUMS": b"",
    "ünïcødé/日本.txt": b"6",
    "x" * 200: b"7",
    "#ARG A": b"8",
}


def project(more: dict[str, bytes] | None = None, **changes: object) -> PackageFacts:
    files = {**PROJECT, **(more or {})}
    fields = {
        "agent_code": MAIN.decode(),
        "agent_path": "src/app/main.py",
        "project": files,
        "executables": frozenset({"go.sh"}),
        **changes,
    }
    return facts(**fields)


def test_a_project_is_there_byte_for_byte(tmp_path: Path) -> None:
    folder = unpacked(project(HOSTILE), tmp_path)
    there = {
        path.relative_to(folder / "project").as_posix(): path.read_bytes()
        for path in (folder / "project").rglob("*")
        if path.is_file()
    }
    assert there == {**PROJECT, **HOSTILE}
    assert not (folder / "agent.py").exists()


def test_what_may_be_run_still_may() -> None:
    with zipfile.ZipFile(io.BytesIO(zipped(project()))) as archive:
        modes = {entry.filename.partition("/")[2]: entry.external_attr >> 16 for entry in archive.infolist()}
    assert modes["project/go.sh"] == stat.S_IFREG | 0o755
    assert modes["project/a.txt"] == stat.S_IFREG | 0o644


def test_checksums_of_all_names_are_checked_by_everybody(tmp_path: Path) -> None:
    of = project(HOSTILE, inputs={"in $(x).txt": b"input"})
    file = tmp_path / "package.zip"
    file.write_bytes(zipped(of))
    found = verify_package(file)
    assert found.problems == []
    folder = unpacked(of, tmp_path / "unpacked")
    checked = subprocess.run(
        ["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["agent"]["path"] == "project/src/app/main.py"
    assert manifest["agent"]["sha256"] == hashlib.sha256(MAIN).hexdigest()


def test_verify_notices_a_changed_file_of_a_project(tmp_path: Path) -> None:
    file = tmp_path / "package.zip"
    file.write_bytes(zipped(project()).replace(b"text.upper()", b"text.lower()"))
    assert any(
        "project/src/app/tools.py" in problem or "sound ZIP" in problem for problem in verify_package(file).problems
    )


def test_no_name_of_a_file_gets_into_what_is_executed(tmp_path: Path) -> None:
    plain, hostile = unpacked(project(), tmp_path / "a"), unpacked(project(HOSTILE), tmp_path / "b")
    for name in ("Dockerfile", "docker-compose.yml", ".dockerignore", "agent.json", "server.py", "cdk/config.json"):
        assert (plain / name).read_bytes() == (hostile / name).read_bytes()
    readme = (hostile / "README.md").read_text("utf-8")
    assert "<script>" not in readme
    assert "$(touch x) `id`" not in readme


def test_the_image_gets_the_project_and_the_folders(tmp_path: Path) -> None:
    folder = unpacked(project(inputs={"a.txt": b"x"}), tmp_path)
    dockerfile = (folder / "Dockerfile").read_text()
    assert "COPY agent.json server.py /app/\nCOPY project/ /app/project/\nCOPY inputs/ /app/inputs/\n" in dockerfile
    assert "ln -s /app/inputs /work/in" in dockerfile
    assert {"!project", "!inputs"} <= set((folder / ".dockerignore").read_text().splitlines())
    assert (folder / "inputs/a.txt").read_bytes() == b"x"
    alone = (unpacked(facts(), tmp_path / "alone") / "Dockerfile").read_text()
    assert "COPY agent.json agent.py server.py /app/\n" in alone
    assert "project" not in alone
    assert "/work" not in alone


@pytest.mark.parametrize("count", [3, 120])
def test_the_readme_names_the_files(tmp_path: Path, count: int) -> None:
    more = {f"data/{number:03}.txt": b"x" for number in range(count)}
    readme = (unpacked(project(more), tmp_path) / "README.md").read_text()
    assert "the agent's own is <code>src/app/main.py</code>" in readme
    assert "<code>data/000.txt</code>" in readme
    assert ("more, all of them in `manifest.json`" in readme) == (count > 50)


def test_the_server_runs_the_project_as_the_test_did(tmp_path: Path) -> None:
    code = b"""
import os
from pathlib import Path
from .tools import shout

def run(query):
    here = Path(__file__)
    out = Path(os.environ["ASSAY_OUTPUT_DIR"]) / "left.txt"
    out.write_text("left")
    Path("notes.txt").write_text("x")
    return [shout(query), open("a.txt").read(), str(here.relative_to(Path.cwd())),
            Path(os.environ["ASSAY_INPUT_DIR"], "in.txt").read_text(), open("in/in.txt").read()]
"""
    of = project({"src/app/main.py": code}, agent_code=code.decode(), inputs={"in.txt": b"input"})
    with serving(unpacked(of, tmp_path / "unpacked")) as server:
        for _ in range(2):
            assert server.ask("why?").body == {"response": ["WHY?", "!\n", "src/app/main.py", "input", "input"]}


def test_a_file_of_the_project_is_not_taken_for_one_of_ours(tmp_path: Path) -> None:
    with serving(unpacked(project(HOSTILE), tmp_path / "unpacked")) as server:
        assert server.ask("why?").body == {"response": "WHY?!\n"}
