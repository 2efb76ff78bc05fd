"""The second file of the harness: loaded when something of it is called, whatever the agent has done by then."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.harness.started import HARNESS, REST, SYSTEM_PYTHON, Outcome, context

Run = Callable[..., Outcome]

COMPLEX = "__import__('decimal').Decimal('1.5')"  # an answer that only the second file can convert


def installed(folder: Path, *, compiled: bool = False) -> Path:
    """Both files, and where wanted compiled by the interpreter that runs them here; what is to be started."""
    for path in (HARNESS, REST):
        shutil.copy(path, folder)
        if compiled:
            command = (
                "import py_compile, sys; py_compile.compile(sys.argv[1], sys.argv[1] + 'c', doraise=True, optimize=2)"
            )
            subprocess.run([SYSTEM_PYTHON, "-S", "-I", "-c", command, folder / path.name], check=True)
    return folder / (HARNESS.name + ("c" if compiled else ""))


def answer_of(harness: Path, code: str, *more: str, **changes: object) -> dict[str, object]:
    """The result of an agent in a work folder beside the harness."""
    work = harness.parent / "work"
    work.mkdir()
    with (work.parent / "result").open("w+b") as result, (work.parent / "context").open("w+b") as given:
        given.write(json.dumps({**context(code, **changes), "result_fd": result.fileno()}).encode())
        given.seek(0)
        subprocess.run(
            [*more, SYSTEM_PYTHON, "-S", "-I", str(harness)],
            stdin=given,
            stdout=subprocess.DEVNULL,
            cwd=work,
            env={},
            pass_fds=[result.fileno()],
            check=False,
            timeout=60,
        )
        result.seek(0)
        found: dict[str, object] = json.loads(result.read())
        return found


PLAIN = {
    "text": ("def run(query):\n    print('a')\n    return query", "how are you?"),
    "data": (
        "def run(query: str) -> dict:\n    return {'ä': [1, 2.5, None, True], 'usage': 1}",
        {"ä": [1, 2.5, None, True], "usage": 1},
    ),
    "tokens": ("usage = {'input_tokens': 1}\ndef main(question, depth=2): return depth", 2),
    "nothing": ("async def helper(): ...\ndef run(prompt): pass", None),
}


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("entrypoint", [None, "agent:{}"])
def test_a_plain_agent_needs_the_first_file_alone(name: str, entrypoint: str | None, tmp_path: Path) -> None:
    code, expected = PLAIN[name]
    harness = installed(tmp_path)
    (tmp_path / REST.name).unlink()
    function = "main" if "def main" in code else "run"
    result = answer_of(
        harness, code, entrypoint=entrypoint and entrypoint.format(function), outputs={"max_files": 9, "max_bytes": 99}
    )
    assert (result["outcome"], result["response"], result["conversions"]) == ("success", expected, [])
    assert result["usage"] == ({"input_tokens": 1, "output_tokens": 0} if name == "tokens" else None)
    assert (result["outputs"], result["outputs_left_out"]) == ([], [])


def test_compiled_files_are_loaded_compiled(tmp_path: Path) -> None:
    harness = installed(tmp_path, compiled=True)
    (tmp_path / REST.name).write_text("this is no Python")
    assert answer_of(harness, f"def run(q): return {COMPLEX}")["response"] == "1.5"


def test_where_the_second_file_is_not_compiled_its_source_is_loaded(tmp_path: Path) -> None:
    harness = installed(tmp_path, compiled=True)
    (tmp_path / f"{REST.name}c").unlink()
    assert answer_of(harness, f"def run(q): return {COMPLEX}")["response"] == "1.5"


def test_an_interpreter_of_another_version_gets_the_source_of_both(tmp_path: Path) -> None:
    harness = installed(tmp_path, compiled=True)
    result = answer_of(harness, f"def run(q): return {COMPLEX}", python=os.path.abspath(sys.executable))  # noqa: PTH100
    assert result["response"] == "1.5"


SPOILED = {
    "another folder": "import os; os.chdir('/')",
    "no path and no modules": "import sys; sys.path.clear(); sys.modules.clear()",
    "a module of its name": "import sys; sys.modules['test_runner_rest'] = None; sys.path.insert(0, '.')",
    "an open of its own": "import builtins, io; builtins.open = io.open = None",
    "another file name": "import sys; sys.modules['__main__'].__file__ = '/nonexistent'",
    "closed descriptors": "import os; os.closerange(10, 1000)",
    "no descriptor left": "import os, resource\n"
    "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
    "kept = []\n"
    "try:\n    while True: kept.append(os.dup(0))\nexcept OSError: pass",
}


@pytest.mark.parametrize("name", SPOILED)
@pytest.mark.parametrize("compiled", [False, True])
def test_it_is_found_whatever_the_agent_did(name: str, compiled: bool, tmp_path: Path) -> None:
    spoil = SPOILED[name].replace("\n", "\n    ")
    code = f"answer = {COMPLEX}\ndef run(q):\n    {spoil}\n    return answer"
    assert answer_of(installed(tmp_path, compiled=compiled), code)["response"] == "1.5"


def test_files_of_the_agent_do_not_take_its_place(tmp_path: Path) -> None:
    code = f"""
        for name in ("test_runner_rest.py", "test_runner_rest.pyc", "test_runner.py"):
            open(name, "w").write("raise SystemExit(9)")
        def run(q): return {COMPLEX}
        """
    assert answer_of(installed(tmp_path), code)["response"] == "1.5"


def test_a_hint_that_cannot_be_had_does_not_cost_the_error(tmp_path: Path) -> None:
    harness = installed(tmp_path)
    (tmp_path / REST.name).unlink()
    result = answer_of(harness, "def run(q): raise ValueError('broken')")
    assert result["code"] == "AGENT_EXCEPTION"
    assert isinstance(result["error"], dict)
    assert (result["error"]["type"], result["error"]["message"], result["error"]["hint"]) == (
        "ValueError",
        "broken",
        "",
    )


BETWEEN = {  # code of the second file calls the agent, which raises
    "a generator": "def run(q):\n    yield 1\n    raise ValueError(q)",
    "a class that is made": "class Agent:\n    def __init__(self): raise ValueError\n    def run(self, query): ...",
    "an object": "class A:\n    def run(self, query): raise ValueError(query)\nagent = A()",
    "a script": "import sys\nraise ValueError(sys.argv)",
}


@pytest.mark.parametrize("name", BETWEEN)
def test_its_frames_are_left_out_of_tracebacks(name: str, outcome_of: Run) -> None:
    outcome = outcome_of(BETWEEN[name], entrypoint="__main__" if name == "a script" else None)
    assert outcome.result["error"]["type"] == "ValueError"
    assert "agent.py" in outcome.result["error"]["traceback"]
    assert "test_runner" not in outcome.result["error"]["traceback"]


def test_its_frames_are_left_out_of_what_a_killed_agent_leaves(outcome_of: Run) -> None:
    outcome = outcome_of("import time\ndef run(q):\n    yield 1\n    time.sleep(60)", timeout_s=1)
    assert outcome.code == "TIMED_OUT"
    assert "in run" in outcome.text
    assert "test_runner" not in outcome.text
