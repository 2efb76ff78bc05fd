"""Agents of several files: modules, packages, a src folder, prompts; as entry points and as scripts."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from typing import Any

import pytest

from shared.domain.files import join
from tests.unit.harness.http_store import Store, environment, store
from tests.unit.harness.started import Outcome, context, interpreters, started

ASKED = "def run(query):\n    return shout(PROMPT + query)\n"
TOOLS = "def shout(text):\n    return text.upper()\n"
PROMPT = 'from pathlib import Path\nPROMPT = (Path(__file__).parent / "prompts" / "system.txt").read_text()\n'
NAMES = "def run(query):\n    return [__name__, __package__, Path(__file__).name, query]\n"


def run(files: Mapping[str, str], agent_path: str, python: str | None = None, **changes: Any) -> Outcome:
    """As in a container, where the content stands behind the context."""
    texts = {path: textwrap.dedent(text) for path, text in files.items()}
    project = join({path: text.encode() for path, text in texts.items()}, [])
    listed = {"files": [file._asdict() for file in project.files], "agent_path": agent_path}
    raw = json.dumps(context(texts[agent_path], project=listed, python=python, **changes)).encode()
    with store(Store(raw + b"\n" + project.data)) as served, started(b"", env=environment(served)) as harness:
        outcome = harness.ended()
        assert served.result is not None, outcome.errors
        return Outcome(outcome.exit_code, outcome.output, served.result, outcome.errors)


LAYOUTS: dict[str, tuple[dict[str, str], str]] = {
    "case 51: files beside the agent": (
        {"agent.py": f"from tools import shout\n{PROMPT}{ASKED}", "tools.py": TOOLS, "prompts/system.txt": "be "},
        "agent.py",
    ),
    "another name": (
        {
            "main.py": f"import tools\nshout = tools.shout\n{PROMPT}{ASKED}",
            "tools.py": TOOLS,
            "prompts/system.txt": "be ",
        },
        "main.py",
    ),
    "a name that no import can write": (
        {"my-agent.v2.py": f"from tools import shout\n{PROMPT}{ASKED}", "tools.py": TOOLS, "prompts/system.txt": "be "},
        "my-agent.v2.py",
    ),
    "a package with relative imports": (
        {
            "pkg/__init__.py": "",
            "pkg/main.py": f"from .lib.tools import shout\nfrom . import lib\n{PROMPT}{ASKED}",
            "pkg/lib/__init__.py": "",
            "pkg/lib/tools.py": TOOLS,
            "pkg/prompts/system.txt": "be ",
        },
        "pkg/main.py",
    ),
    "the package's own file": (
        {
            "pkg/__init__.py": f"from pkg.tools import shout\n{PROMPT}{ASKED}",
            "pkg/tools.py": TOOLS,
            "pkg/prompts/system.txt": "be ",
        },
        "pkg/__init__.py",
    ),
    "a src folder": (
        {
            "src/app/__init__.py": "",
            "src/app/agent.py": f"from app.tools import shout\nfrom .tools import shout\n{PROMPT}{ASKED}",
            "src/app/tools.py": TOOLS,
            "src/app/prompts/system.txt": "be ",
            "pyproject.toml": "[project]\nname = 'app'\n",
        },
        "src/app/agent.py",
    ),
    "folders that are packages without saying so": (
        {
            "app/agent.py": f"from .tools import shout\n{PROMPT}{ASKED}",
            "app/tools.py": TOOLS,
            "app/prompts/system.txt": "be ",
        },
        "app/agent.py",
    ),
    "a folder and the root": (
        {
            "app/agent.py": f"from tools import shout\nfrom lib.more import x\n{PROMPT}{ASKED}",
            "app/tools.py": TOOLS,
            "lib/more.py": "x = 1\n",
            "app/prompts/system.txt": "be ",
        },
        "app/agent.py",
    ),
    "imported from its package": (
        {
            "main.py": "from app.agent import run\n",
            "app/agent.py": f"from app.tools import shout\n{PROMPT}{ASKED}",
            "app/tools.py": TOOLS,
            "app/prompts/system.txt": "be ",
        },
        "main.py",
    ),
}


@pytest.mark.parametrize("python", interpreters(), ids=["forked", "other-interpreter"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_project_works_as_it_is_laid_out(name: str, python: str | None) -> None:
    files, agent_path = LAYOUTS[name]
    assert run(files, agent_path, python).response == "BE HOW ARE YOU?"


def test_the_agents_module_is_the_one_that_others_import() -> None:
    files = {
        "pkg/__init__.py": "",
        "pkg/agent.py": "from dataclasses import dataclass\n@dataclass\nclass Answer:\n    text: str\n"
        "def run(query):\n    from pkg.other import made\n    return isinstance(made(query), Answer)\n",
        "pkg/other.py": "from pkg.agent import Answer\ndef made(text):\n    return Answer(text)\n",
    }
    outcome = run(files, "pkg/agent.py")
    assert outcome.response is True
    assert outcome.result["entry"]["name"] == "pkg.agent:run"


@pytest.mark.parametrize("entrypoint", ["lib.ask:answer", "lib.ask:Service.ask"])
def test_an_entry_point_may_be_in_another_file_of_the_project(entrypoint: str) -> None:
    files = {
        "agent.py": "def run(query):\n    return 'not this'\n",
        "lib/ask.py": "def answer(query):\n    return query\n"
        "class Service:\n    def ask(self, query):\n        return query\n",
    }
    outcome = run(files, "agent.py", entrypoint=entrypoint)
    assert outcome.response == "how are you?"
    assert outcome.result["entry"]["name"] == entrypoint
    assert outcome.result["entry"]["named"] is True


SCRIPT = "import sys\nfrom {} import shout\nif __name__ == '__main__':\n    print(shout(sys.argv[1]), len(sys.argv))\n"
SCRIPTS: dict[str, tuple[dict[str, str], str, str, str]] = {
    "a file": (
        {"main.py": SCRIPT.format("tools"), "tools.py": TOOLS},
        *("main.py", "__main__", 'python main.py "$query"'),
    ),
    "python -m of a package": (
        {"pkg/__init__.py": "", "pkg/__main__.py": SCRIPT.format(".tools"), "pkg/tools.py": TOOLS},
        *("pkg/__main__.py", "pkg.__main__", 'python -m pkg "$query"'),
    ),
    "the same, by the file": (
        {"pkg/__init__.py": "", "pkg/__main__.py": SCRIPT.format(".tools"), "pkg/tools.py": TOOLS},
        *("pkg/__main__.py", "__main__", 'python pkg/__main__.py "$query"'),
    ),
    "a module of a package in src": (
        {"src/pkg/__init__.py": "", "src/pkg/cli.py": SCRIPT.format(".tools"), "src/pkg/tools.py": TOOLS},
        *("src/pkg/cli.py", "pkg.cli:__main__", 'python -m pkg.cli "$query"'),
    ),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_of_a_project_runs_as_one(name: str) -> None:
    files, agent_path, entrypoint, call = SCRIPTS[name]
    outcome = run(files, agent_path, entrypoint=entrypoint)
    assert outcome.response == "HOW ARE YOU? 2"
    assert outcome.result["entry"]["call"] == call
    assert outcome.result["entry"]["kind"] == "script"


def test_a_package_that_is_not_there_is_no_script() -> None:
    outcome = run({"agent.py": ""}, "agent.py", entrypoint="nowhere.__main__")
    assert outcome.code == "ENTRYPOINT_NOT_FOUND"
    assert outcome.message == "There is no module 'nowhere' to run as a script."


def test_a_traceback_begins_in_the_project() -> None:
    outcome = run(
        {"pkg/__init__.py": "", "pkg/agent.py": "from . import broken\n", "pkg/broken.py": "1 / 0\n"}, "pkg/agent.py"
    )
    assert outcome.code == "AGENT_IMPORT_ERROR"
    lines = outcome.result["error"]["traceback"].splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].endswith('/pkg/agent.py", line 1, in <module>')
    assert "test_runner" not in outcome.result["error"]["traceback"]


def test_a_file_that_was_left_out_is_named_as_one_of_the_project() -> None:
    outcome = run({"agent.py": "import prompts_of_mine\n"}, "agent.py")
    assert outcome.code == "AGENT_IMPORT_ERROR"
    assert "If prompts_of_mine is a file or folder of the project, it was not sent" in outcome.result["error"]["hint"]
