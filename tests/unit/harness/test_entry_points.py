from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.harness.started import Outcome, run

Run = Callable[..., Outcome]

DECORATOR = """
import functools
def deco(f):
    @functools.wraps(f)
    def wrapper(*args): return f(*args)
    return wrapper
"""

ANSWERING: dict[str, tuple[str, str | None, Any]] = {
    "function": ("def run(query): return query", None, "how are you?"),
    "function with optional parameters": (
        "def run(query='x', more=1): return [query, more]",
        None,
        ["how are you?", 1],
    ),
    "function with star arguments": ("def run(*args): return args", None, ["how are you?"]),
    "function with keywords only": (
        "def run(*, depth=2, question=None): return [depth, question]",
        None,
        [2, "how are you?"],
    ),
    "lambda": ("run = lambda q: q.upper()", None, "HOW ARE YOU?"),
    "async function": ("import asyncio\nasync def run(q):\n    await asyncio.sleep(0)\n    return 2", None, 2),
    "generator": ("def run(q):\n    yield 1\n    yield {'a': 2}", None, [1, {"a": 2}]),
    "generator of text": ("def run(q):\n    yield 'one '\n    yield 'two'", None, "one two"),
    "generator of nothing": ("def run(q):\n    return\n    yield", None, []),
    "async generator": ("async def run(q):\n    yield 'a'\n    yield 'b'", None, "ab"),
    "generator handed on": ("def inner(q):\n    yield 1\ndef run(q): return inner(q)", None, [1]),
    "coroutine handed on": ("async def inner(q): return 4\ndef run(q): return inner(q)", None, 4),
    "async generator from a coroutine": (
        "async def inner():\n    yield 1\nasync def run(q): return inner()",
        None,
        [1],
    ),
    "handle": ("def handle(q): return 'handled'", None, "handled"),
    "invoke": ("def invoke(q): return 'invoked'", None, "invoked"),
    "a wrapper goes before what it calls": ("def main(q): return run(q) + '!'\ndef run(q): return 'run'", None, "run!"),
    "what only prints goes after what answers": ("def main(q): print(run(q))\ndef run(q): return 'run'", None, "run"),
    "an only function": ("def start(q): return q\ndef _hidden(q): pass", None, "how are you?"),
    "what is imported is not the agent": ("from subprocess import run\ndef main(q): return 'mine'", None, "mine"),
    "a name that holds nothing": ("run = None\ndef main(q): return 'mine'", None, "mine"),
    "object with run_sync": ("class A:\n    def run_sync(self, q): return q\nagent = A()", None, "how are you?"),
    "object with invoke": ("class A:\n    def invoke(self, q): return 5\nagent = A()", None, 5),
    "object with ainvoke": ("class A:\n    async def ainvoke(self, q): return 6\nagent = A()", None, 6),
    "object with call": ("class A:\n    def __call__(self, q): return 7\nagent = A()", None, 7),
    "object with async call": ("class A:\n    async def __call__(self, q): return 8\nrun = A()", None, 8),
    "run_sync comes before call": (
        "class A:\n    def run_sync(self, q): return 1\n    def __call__(self, q): return 2\nagent = A()",
        None,
        1,
    ),
    "partial": (
        "from functools import partial\ndef f(a, q): return [a, q]\nrun = partial(f, 1)",
        None,
        [1, "how are you?"],
    ),
    "wrapped function": (f"{DECORATOR}\n@deco\ndef run(x, depth=1): return [x, depth]", None, ["how are you?", 1]),
    "generator that returns": ("def run(q):\n    yield 'thinking'\n    return {'answer': 5}", None, {"answer": 5}),
    "bound method": ("class A:\n    def ask(self, q): return q\nrun = A().ask", None, "how are you?"),
    "named": ("def run(q): return 1\ndef other(q): return 2", "agent:other", 2),
    "named without module": ("def run(q): return 1\ndef other(q): return 2", "other", 2),
    "named with a path": ("class A:\n    def ask(self, q): return 3\na = A()", "agent:a.ask", 3),
    "named class": ("class A:\n    def invoke(self, q): return 4", "agent:A", 4),
    "named in another module": ("", "os.path:basename", "how are you?"),
}


@pytest.mark.parametrize("name", ANSWERING)
def test_an_agent_is_called_the_way_it_is_written(name: str, outcome_of: Run) -> None:
    code, entrypoint, answer = ANSWERING[name]
    assert outcome_of(code, entrypoint=entrypoint).response == answer


MISSING: dict[str, tuple[str, str | None, str]] = {
    "nothing in the file": ("", None, "agent.py has nothing to call. If it is a script"),
    "other names": ("def start(q): pass\ndef stop(q): pass\ndef _hidden(q): pass", None, "It defines start, stop."),
    "not callable": ("agent = 5", None, "'agent' is in agent.py, but it is of the type int: no function"),
    "a script": ("if __name__ == '__main__':\n    print(1)", None, "entry point __main__ (-e __main__)"),
    "named and not there": ("def run(q): pass", "agent:answer", "There is no 'answer' in agent.py. It defines run."),
    "named and not there beside an agent": (
        "class Bot:\n    def chat(self, q): ...\nagent = Bot()\nhelper = 1",
        "agent:ask",
        "There is no 'ask' in agent.py. It defines Bot, agent.",
    ),
    "no such script": ("print(1)", "nowhere.__main__", "There is no module 'nowhere' to run as a script."),
    "no such script in a package": ("", "nowhere.at_all.__main__", "There is no module 'nowhere.at_all' to run"),
    "a package without a script": ("", "urllib.__main__", "'urllib' is a package without a __main__.py"),
    "named and not callable": ("answer = 5", "agent:answer", "'answer' is in agent.py, but it is of the type int"),
    "no such module": ("def run(q): pass", "nowhere.at_all:run", "There is no module 'nowhere' for the entry point."),
    "path that ends": ("class A: pass\na = A()", "agent:a.ask", "There is no 'a.ask'"),
}


@pytest.mark.parametrize("name", MISSING)
def test_an_entry_point_that_is_not_there_is_named_with_what_is(name: str, outcome_of: Run) -> None:
    code, entrypoint, message = MISSING[name]
    outcome = outcome_of(code, entrypoint=entrypoint)
    assert outcome.code == "ENTRYPOINT_NOT_FOUND"
    assert message in outcome.message


BROKEN: dict[str, tuple[str, str, str]] = {
    "syntax error": ("x = 1\ndef run(:\n", "SyntaxError", "agent.py, line 2: "),
    "indentation": ("def run():\nreturn 1", "IndentationError", "agent.py, line 2: "),
    "no such package": (
        "import no_such_package_at_all",
        "ModuleNotFoundError",
        "No module named 'no_such_package_at_all'",
    ),
    "raises at import": ("1 / 0\ndef run(q): pass", "ZeroDivisionError", "division by zero"),
    "zero byte": ("x = 1\0", "Error", "null bytes"),
    "not Python at all": ("<html>hello</html>", "SyntaxError", "agent.py, line 1"),
}


WITHOUT_THE_QUERY = {
    "nothing": "def main(): return 1",
    "async": "async def run(): return 3",
    "keywords only": "def run(*, depth=2): return depth",
    "object": "class A:\n    def __call__(self): return 7\nagent = A()",
    "wrapped": f"{DECORATOR}\n@deco\ndef run(): return 9",
    "a switch": "def main(verbose=False): return verbose",
}


@pytest.mark.parametrize("name", WITHOUT_THE_QUERY)
def test_what_takes_no_query_is_called_only_without_one(name: str) -> None:
    refused = run(WITHOUT_THE_QUERY[name])
    assert refused.code == "QUERY_NOT_ACCEPTED"
    assert "cannot take the query" in refused.message
    assert refused.result["entry"]["query_passed"] is False
    outcome = run(WITHOUT_THE_QUERY[name], query=None)
    assert outcome.result["outcome"] == "success"
    assert outcome.result["entry"]["query_passed"] is False


def test_without_a_query_what_wants_one_is_not_called() -> None:
    refused = run("def run(query): return 1", query=None)
    assert refused.code == "QUERY_NOT_ACCEPTED"
    assert refused.message.startswith("run(query) cannot be called without a query: it needs query.")


def test_several_that_nothing_tells_apart_are_named_and_none_is_called() -> None:
    outcome = run("def main(q): return 'main'\ndef run(q): return 'run'")
    assert outcome.code == "ENTRYPOINT_AMBIGUOUS"
    assert "run(q), main(q)" in outcome.message


@pytest.mark.parametrize("name", BROKEN)
def test_code_that_cannot_be_loaded_says_where(name: str, outcome_of: Run) -> None:
    code, kind, message = BROKEN[name]
    outcome = outcome_of(code)
    assert outcome.code == "AGENT_IMPORT_ERROR"
    assert outcome.result["error"]["type"].endswith(kind)
    assert message in outcome.message
    assert "test_runner" not in outcome.result["error"]["traceback"]


def test_a_script_that_is_no_python_cannot_be_loaded(outcome_of: Run) -> None:
    outcome = outcome_of("x = (", entrypoint="__main__")
    assert outcome.code == "AGENT_IMPORT_ERROR"
    assert outcome.message == "agent.py, line 1: '(' was never closed"


def test_deeply_nested_code_fails_and_is_reported(outcome_of: Run) -> None:
    assert outcome_of("x = " + "(" * 5000 + ")" * 5000).code in {"AGENT_IMPORT_ERROR", "AGENT_EXITED"}


def test_agent_py_lies_in_the_work_folder_and_is_the_module_agent(outcome_of: Run) -> None:
    code = """
        import os, sys
        def run(q):
            import agent
            same_file = open("agent.py").read() == open(__file__).read()
            return [__name__, agent is sys.modules[__name__], same_file, sys.path[0] == os.getcwd()]
    """
    assert outcome_of(code).response == ["agent", True, True, True]


def test_the_agent_gets_its_environment_and_nothing_of_the_harness(outcome_of: Run) -> None:
    code = """
        import os
        def run(q): return {k: v for k, v in os.environ.items() if k.startswith(("ASSAY", "MODEL", "PATH"))}
    """
    environment = outcome_of(code, env={"MODEL_ID": "m", "PATH": "/bin"}, process_env={"ASSAY_SECRET": "x"}).response
    work = environment["ASSAY_INPUT_DIR"].removesuffix("/in")
    folders = {"ASSAY_INPUT_DIR": f"{work}/in", "ASSAY_OUTPUT_DIR": f"{work}/out"}
    assert environment == {"MODEL_ID": "m", "PATH": "/bin", **folders}


def test_exit_exists_as_in_every_python() -> None:
    assert run("def run(q): exit(0)").code == "AGENT_EXITED"


def test_dataclasses_with_late_annotations_find_their_module(outcome_of: Run) -> None:
    code = """
        from __future__ import annotations
        import dataclasses, typing
        @dataclasses.dataclass
        class A:
            x: int
        def run(q): return [str(typing.get_type_hints(A)), A(1)]
    """
    assert outcome_of(code).response == ["{'x': <class 'int'>}", {"x": 1}]


def test_what_wants_the_request_of_a_web_server_is_not_said_to_want_an_object(outcome_of: Run) -> None:
    code = """
        class Request(dict):
            __module__ = "starlette.requests"
        async def chat(request: Request): return "x"
    """
    outcome = outcome_of(code)
    assert outcome.code == "QUERY_NOT_ACCEPTED"
    assert "the request of a web server (name a function that takes text" in outcome.message
    assert "JSON" not in outcome.message
