"""A downloaded package on a real Docker Engine, by the commands of its README and nothing else."""

import hashlib
import io
import json
import os
import re
import socket
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from services.orchestrator.runtimes import debian
from services.orchestrator.runtimes.programs import visible
from services.packager.content import Options, PackageFacts
from services.packager.content.docker import base_image
from tests.support import images
from tests.support.docker_engine import DockerEngine, NoContainers
from tests.support.package_facts import facts, zipped
from tests.support.until import until

pytestmark = pytest.mark.slow

AGENT = """
import os, pathlib, six

def run(query):
    pathlib.Path("note").write_text("an agent may write where it is")
    root = False
    try:
        pathlib.Path("/app/agent.py").write_text("")
        root = True
    except OSError:
        pass
    greeting = os.environ.get("GREETING")
    return {"query": query, "six": six.__version__, "uid": os.getuid(), "greeting": greeting, "root": root}
"""
VALUE = "a 'value' of $HOME #1"


def commands(readme: str, section: str) -> list[str]:
    """The blocks of commands below a heading, as they stand."""
    blocks, inside = [], False
    tokens = MarkdownIt().parse(readme)
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and token.tag == "h2" and following is not None:
            inside = following.content == section
        elif token.type == "fence" and inside:
            assert token.info == "bash"
            blocks.append(token.content)
    assert blocks, f"no commands below {section!r}"
    return blocks


def type_in(text: str, folder: Path, env: dict[str, str]) -> str:
    """What a user sees who types these lines into a shell."""
    done = subprocess.run(
        ["bash", "-e"], input=text, cwd=folder, env=env, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def base(engine: DockerEngine) -> Iterator[str]:
    """The image that the Dockerfile names: made here where there is none, as no registry need be reachable."""
    name = base_image(facts())
    if engine.has_image(name):
        yield name
        return
    try:
        engine.run("tag", images.base_image(engine, print), name)
    except NoContainers as reason:
        pytest.skip(str(reason))
    yield name
    engine.run("image", "rm", name, check=False)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def of() -> PackageFacts:
    return facts(
        agent_name="Proof agent",
        agent_code=AGENT,
        query='it\'s "quoted"\n$HOME `id` \\ ü',
        requirements=("six",),
        resolved=("six==1.17.0",),
        env_names=("GREETING",),
        dockerfile="FROM nothing\n",
        options=Options(port=free_port()),
    )


@pytest.fixture
def home(tmp_path: Path, of: PackageFacts) -> Path:
    """The folder into which a user has unpacked the download."""
    with zipfile.ZipFile(io.BytesIO(zipped(of))) as archive:
        archive.extractall(tmp_path)
    return tmp_path / "proof-agent"


@pytest.fixture
def shell(engine: DockerEngine, tmp_path: Path) -> dict[str, str]:
    """A shell whose editor fills in the one value, and whose docker is ours."""
    editor = tmp_path / "editor"
    editor.write_text(f"#!/bin/sh\ncat >> \"$1\" <<'END'\nGREETING={VALUE}\nEND\n")
    editor.chmod(0o755)
    names = ("PATH", "HOME", "LANG")
    return {name: os.environ[name] for name in names if name in os.environ} | {
        "EDITOR": str(editor),
        "DOCKER_HOST": engine.host,
        "DOCKER_BUILDKIT": "0",
    }


@pytest.fixture
def cleaned_up(engine: DockerEngine) -> Iterator[None]:
    yield
    engine.run("rm", "--force", "--volumes", "proof-agent", check=False)
    engine.run("image", "rm", "--force", "proof-agent", check=False)


def test_the_commands_of_the_readme_build_run_ask_and_stop_it(
    of: PackageFacts, home: Path, shell: dict[str, str], base: str, engine: DockerEngine, cleaned_up: None
) -> None:
    readme = (home / "README.md").read_text("utf-8")
    assert re.search(r": OK$", type_in("".join(commands(readme, "Check it")), home, shell), re.MULTILINE)

    *before, stop = commands(readme, "Run it with Docker")
    said = type_in("".join(before), home, shell)
    answer = json.loads(said.strip().splitlines()[-1])["response"]
    assert answer == {"query": of.query, "six": "1.17.0", "uid": 65534, "greeting": VALUE, "root": False}

    assert "pip install" in (home / "Dockerfile").read_text("utf-8")
    seen = engine.run("exec", "proof-agent", "python", "/app/server.py", "--check", check=False)
    assert seen.returncode == 0, seen.stdout
    assert engine.run("exec", "proof-agent", "ls", "-A", "/app").stdout.split() == [
        "agent.json",
        "agent.py",
        "server.py",
    ]

    type_in(stop, home, shell)
    assert engine.run("ps", "--all", "--quiet", "--filter", "name=proof-agent").stdout == ""


async def test_the_health_check_of_the_image_passes_and_stopping_is_graceful(
    home: Path, base: str, engine: DockerEngine, cleaned_up: None
) -> None:
    engine.run("build", "--quiet", "--tag", "proof-agent", str(home))
    sooner = ["--health-interval", "1s"]  # the image says 15 s
    engine.run("run", "--detach", "--init", "--read-only", "--name", "proof-agent", *sooner, "proof-agent")
    await until(
        lambda: engine.inspect("proof-agent")["State"]["Health"]["Status"] == "healthy", timeout=30, what="health"
    )
    engine.run("stop", "--time", "20", "proof-agent")
    state = engine.inspect("proof-agent")["State"]
    assert state["ExitCode"] == 0, engine.run("logs", "proof-agent").stderr


def test_without_docker_the_commands_of_the_readme_work_too(of: PackageFacts, home: Path, tmp_path: Path) -> None:
    readme = (home / "README.md").read_text("utf-8")
    (block,) = commands(readme, "Run it without Docker")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("VIRTUAL_ENV", "PYTHON"))}
    said = type_in(f"set -m\n{block}", home, env | {"GREETING": "hello", "HOME": str(tmp_path)})
    assert json.loads(said.strip().splitlines()[-1])["response"]["greeting"] == "hello"


COMPILED = """
import Levenshtein, shutil, subprocess, sys

def run(query):
    python = subprocess.check_output(["python", "-c", "import Levenshtein, sys; print(sys.prefix)"], text=True)
    git = subprocess.check_output(["git", "--version"], text=True)
    return {
        "distance": Levenshtein.distance(query, "kitten"),
        "python": python.strip() == sys.prefix,
        "git": git.split()[:2],
        "gcc": shutil.which("gcc"),
    }
"""


@pytest.fixture
def compiled(tmp_path: Path, base: str, engine: DockerEngine) -> Iterator[Path]:
    """The folder of a package whose requirement has no wheel."""
    of = facts(
        agent_name="Compiled agent",
        agent_code=COMPILED,
        query="sitting",
        requirements=("python-Levenshtein==0.12.2",),
        resolved=("python-levenshtein==0.12.2", "setuptools==80.9.0"),
        built_from_source=("python-levenshtein==0.12.2",),
        system_packages=("git",),
        options=Options(port=free_port()),
    )
    with zipfile.ZipFile(io.BytesIO(zipped(of))) as archive:
        archive.extractall(tmp_path)
    reached = engine.run("run", "--rm", base, "apt-get", "update", check=False)
    if reached.returncode != 0 or "Err:" in reached.stdout + reached.stderr:
        pytest.skip("containers reach no archive of Debian packages")
    yield tmp_path / "compiled-agent"
    engine.run("rm", "--force", "--volumes", "compiled-agent", check=False)
    engine.run("image", "rm", "--force", "compiled-agent", check=False)


def test_what_has_no_wheel_is_compiled_in_the_image_and_debian_packages_are_there(
    compiled: Path, shell: dict[str, str]
) -> None:
    """Case 62: the Dockerfile of python-Levenshtein 0.12.2 builds where there is no compiler in the base."""
    *before, _stop = commands((compiled / "README.md").read_text("utf-8"), "Run it with Docker")
    said = type_in("".join(before), compiled, shell)
    answer = json.loads(said.strip().splitlines()[-1])["response"]
    assert answer == {"distance": 3, "python": True, "git": ["git", "version"], "gcc": None}


PROJECT = {
    "src/bot/__init__.py": b"",
    "src/bot/main.py": b"""
import hashlib, os
from pathlib import Path
from .tools import shout

def run(query):
    Path("/work/out/left.txt").write_text("left")
    Path(os.environ["ASSAY_OUTPUT_DIR"], "left.txt").write_text("left")
    Path("note").write_text("an agent may write where it is")
    sums = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in Path(".").rglob("*") if path.is_file()}
    return {
        "said": shout(query) + (Path(__file__).parent / "prompt.txt").read_text(),
        "in": [Path("/work/in/a b.txt").read_text(), Path(os.environ["ASSAY_INPUT_DIR"], "a b.txt").read_text()],
        "sums": sums,
    }
""",
    "src/bot/tools.py": b"def shout(text):\n    return text.upper()\n",
    "src/bot/prompt.txt": b"!",
    "Dockerfile": b"FROM evil\n",
    "server.py": b"raise SystemExit(1)\n",
    ".dockerignore": b"src\n",
    ".env": b"A=1\n",
    "$(touch x) `id` ${A}.txt": b"1",
    "-rf": b"2",
    "\u00fcn\u00efc\u00f8d\u00e9/a b'\".txt": b"3",
}


@pytest.fixture
def project(tmp_path: Path, base: str, engine: DockerEngine) -> Iterator[Path]:
    """The folder of a package of a project with input files, and with names that mean something elsewhere."""
    of = facts(
        agent_name="Project agent",
        agent_code=PROJECT["src/bot/main.py"].decode(),
        agent_path="src/bot/main.py",
        project=PROJECT,
        inputs={"a b.txt": b"input"},
        leaves_files=True,
        query="hello",
        options=Options(port=free_port()),
    )
    with zipfile.ZipFile(io.BytesIO(zipped(of))) as archive:
        archive.extractall(tmp_path)
    yield tmp_path / "project-agent"
    engine.run("rm", "--force", "--volumes", "project-agent", check=False)
    engine.run("image", "rm", "--force", "project-agent", check=False)


def test_a_project_answers_in_the_image_as_in_its_test(project: Path, shell: dict[str, str]) -> None:
    *before, _stop = commands((project / "README.md").read_text("utf-8"), "Run it with Docker")
    said = type_in("".join(before), project, shell)
    answer = json.loads(said.strip().splitlines()[-1])["response"]
    assert answer["said"] == "HELLO!"
    assert answer["in"] == ["input", "input"]
    there = {path: digest for path, digest in answer["sums"].items() if not path.startswith("out/") and path != "note"}
    assert there == {path: hashlib.sha256(data).hexdigest() for path, data in PROJECT.items()}


def test_every_program_of_the_sandbox_is_in_the_image(base: str, engine: DockerEngine) -> None:
    """What an agent finds in its test it finds in its package: this image has no more than `slim` ones have."""
    if debian.read() is None:
        pytest.skip("needs a Debian machine")
    usr = visible("/usr/bin/python3")
    names = [path for path in (*usr.files, *usr.links) if path.startswith(("/usr/bin/", "/usr/sbin/"))]
    ours = {path.rpartition("/")[2] for path in names if not re.fullmatch(r"python[0-9.]*", path.rpartition("/")[2])}
    listed = engine.run("run", "--rm", base, "ls", "/usr/bin", "/usr/sbin").stdout.split()
    assert ours - set(listed) == set()
