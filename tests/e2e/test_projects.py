"""Projects, input files and output files through all services and real sandboxes, as the SDK hands them in."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from assay import AsyncAssay, FileKind, NotFound, Test
from tests.e2e.conftest import key_of
from tests.support.local_mode import LocalMode

pytestmark = pytest.mark.slow

PROMPT = "Beside the agent's own file.\n"


def laid_out(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


async def passed(client: AsyncAssay, folder: Path, **options: Any) -> Test:
    test = await client.run(folder, "why?", **options)
    assert test.passed, test.failure
    return test


SHAPES: dict[str, tuple[Mapping[str, str | bytes], Mapping[str, Any]]] = {
    "flat": (
        {
            "main.py": "from tools import shout\nfrom pathlib import Path\n"
            "def run(query):\n    return shout(query) + (Path(__file__).parent / 'prompts' / 'a.txt').read_text()\n",
            "tools.py": "def shout(text):\n    return text.upper()\n",
            "prompts/a.txt": PROMPT,
        },
        {},
    ),
    "current folder": (
        {
            "agent.py": "def run(query):\n    return query.upper() + open('prompts/a.txt').read()\n",
            "prompts/a.txt": PROMPT,
        },
        {},
    ),
    "package with relative imports": (
        {
            "bot/__init__.py": "",
            "bot/agent.py": "from .inner.tools import shout\nfrom . import prompts\n"
            "def run(query):\n    return shout(query) + prompts.TEXT\n",
            "bot/inner/__init__.py": "",
            "bot/inner/tools.py": "def shout(text):\n    return text.upper()\n",
            "bot/prompts.py": f"TEXT = {PROMPT!r}\n",
        },
        {},
    ),
    "src layout": (
        {
            "src/app/__init__.py": "",
            "src/app/main.py": "from importlib.resources import files\nfrom app.tools import shout\n"
            "def run(query):\n    return shout(query) + files('app').joinpath('a.txt').read_text()\n",
            "src/app/tools.py": "def shout(text):\n    return text.upper()\n",
            "src/app/a.txt": PROMPT,
            "README.md": "# x\n",
        },
        {},
    ),
    "python -m": (
        {
            "bot/__init__.py": "",
            "bot/__main__.py": "import sys\nfrom .tools import shout\n"
            "from pathlib import Path\n"
            "sys.stdout.write(shout(sys.argv[1]) + (Path(__file__).parent / 'a.txt').read_text())\n",
            "bot/tools.py": "def shout(text):\n    return text.upper()\n",
            "bot/a.txt": PROMPT,
        },
        {"entrypoint": "bot.__main__"},
    ),
    "by its entry point": (
        {
            "lib/deep/mod.py": "def answer(query):\n    return query.upper() + open('a.txt').read()\n",
            "other.py": "def run(query):\n    return 'wrong'\n",
            "a.txt": PROMPT,
        },
        {"entrypoint": "lib.deep.mod:answer"},
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_project_runs_as_it_does_at_home(client: AsyncAssay, tmp_path: Path, shape: str) -> None:
    files, options = SHAPES[shape]
    test = await passed(client, laid_out(tmp_path, files), **options)
    assert str(test.response).strip() == f"WHY?{PROMPT}".strip()
    sent = {file.path: file for file in await client.files(test.id) if file.kind is FileKind.PROJECT}
    assert set(sent) == set(files)
    for path, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        assert sent[path].sha256 == hashlib.sha256(data).hexdigest()
        assert await client.read_file(test.id, path, kind="PROJECT") == data


async def test_a_retry_runs_the_same_files(client: AsyncAssay, tmp_path: Path) -> None:
    files, _ = SHAPES["flat"]
    first = await passed(client, laid_out(tmp_path, files))
    retry = await client.wait((await client.retry(first.id, "again")).id)
    assert retry.response == f"AGAIN{PROMPT}"
    assert await client.files(retry.id) == await client.files(first.id)


async def test_project_files_are_read_only_and_the_work_folder_is_not(client: AsyncAssay, tmp_path: Path) -> None:
    code = """
import os
def run(query):
    problems = []
    for path in ("data/a.txt", "agent.py", "data/new.txt", "in/new.txt", "in/a.txt"):
        try:
            open(path, "a").close()
        except PermissionError:
            problems.append(path)
    open("mine.txt", "w").write("x")
    return [problems, sorted(os.listdir("/work")), os.environ["ASSAY_INPUT_DIR"], os.environ["ASSAY_OUTPUT_DIR"]]
"""
    folder = laid_out(tmp_path, {"agent.py": code, "data/a.txt": "x"})
    test = await passed(client, folder, inputs={"a.txt": b"x"})
    assert test.response == [
        ["data/a.txt", "agent.py", "data/new.txt", "in/new.txt", "in/a.txt"],
        ["__pycache__", "agent.py", "data", "in", "mine.txt", "out"],
        "/work/in",
        "/work/out",
    ]


async def test_files_go_in_and_come_out(client: AsyncAssay, server: LocalMode) -> None:
    code = """
import pathlib
def run(query):
    out = pathlib.Path("/work/out/results")
    out.mkdir()
    for path in sorted(pathlib.Path("/work/in").iterdir()):
        (out / path.name).write_bytes(path.read_bytes()[::-1])
    (pathlib.Path("/work/out") / "passwd").symlink_to("/etc/passwd")
    return "done"
"""
    large = os.urandom(3_000_000)
    test = await client.run(code, "go", inputs={"a.bin": large, "b ü.txt": "text"})
    assert test.passed, test.failure
    left = [file for file in test.files if file.kind is FileKind.OUTPUT]
    assert [(file.path, file.size) for file in left] == [("results/a.bin", 3_000_000), ("results/b ü.txt", 4)]
    assert await client.read_file(test.id, "results/a.bin") == large[::-1]
    assert await client.read_file(test.id, "results/b ü.txt") == b"txet"
    async with AsyncAssay(server.known["address"], await key_of(server, "eve")) as eve:
        with pytest.raises(NotFound):
            await eve.read_file(test.id, "results/a.bin")


@pytest.mark.parametrize(
    ("end", "code"), [("raise ValueError('boom')", "AGENT_EXCEPTION"), ("while True: pass", "TIMED_OUT")]
)
async def test_what_was_left_before_a_failure_is_kept(client: AsyncAssay, end: str, code: str) -> None:
    source = f"def run(query):\n    open('/work/out/so_far.txt', 'w').write('half')\n    {end}\n"
    test = await client.run(source, "go", timeout=1)
    assert test.failure is not None
    assert test.failure.code == code
    assert await client.read_file(test.id, "so_far.txt") == b"half"


async def test_a_project_with_requirements_runs_in_its_environment(client: AsyncAssay, tmp_path: Path) -> None:
    """Installed first: another process than the one that waits with the files."""
    files = {
        "main.py": "import six\nfrom tools import T\ndef run(q):\n    return T + six.__version__\n",
        "tools.py": "T = 'six '\n",
    }
    test = await passed(client, laid_out(tmp_path, files), requirements=["six==1.16.0"])
    assert test.response == "six 1.16.0"


async def test_a_package_has_the_project_byte_for_byte(client: AsyncAssay, tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        **SHAPES["src layout"][0],
        "server.py": "x = 1\n",
        "Dockerfile": "FROM x\n",
        "data/ünïcode $(x) `y`.bin": os.urandom(1000),
    }
    test = await passed(
        client, laid_out(tmp_path / "project", files), inputs={"a b.txt": b"input"}, agent_path="src/app/main.py"
    )
    package = await client.packages.generate(test.id)
    downloaded = await client.packages.download(package.id, tmp_path)
    with zipfile.ZipFile(downloaded) as archive:
        there = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    for path, content in files.items():
        assert there[f"project/{path}"] == (content if isinstance(content, bytes) else content.encode())
    assert there["inputs/a b.txt"] == b"input"
    digest = hashlib.sha256(PROMPT.encode()).hexdigest()
    assert f"{digest}  project/src/app/a.txt" in there["SHA256SUMS"].decode().splitlines()
