import ast
import textwrap
from typing import Any

import pytest

from services.gateway.submission.code import Code
from services.gateway.submission.code_facts import facts_of
from services.gateway.submission.finding import Finding, Severity
from services.gateway.submission.findings import findings_of
from shared.store.documents import Input, ModelSetting


def facts(source: str) -> Code:
    return Code.model_validate(facts_of(ast.parse(textwrap.dedent(source))))


def found(source: str, *, files: Any = (), **given: Any) -> list[Finding]:
    return findings_of(Input(**{"query": "x", **given}), facts(source), files)


def codes(source: str, **given: Any) -> list[tuple[str, str]]:
    return [(one.severity.value, one.code) for one in found(source, **given)]


ERROR_NOT_FOUND = [("error", "ENTRYPOINT_NOT_FOUND")]
ERROR_NOT_ACCEPTED = [("error", "QUERY_NOT_ACCEPTED")]
CASE_57 = """
    import argparse

    if __name__ == "__main__":
        parser = argparse.ArgumentParser()
        args = parser.parse_args()
        print("You asked", args.query)
    """

ENTRIES: dict[str, tuple[str, dict[str, Any], list[tuple[str, str]]]] = {
    "one function": ("def run(query): ...", {}, []),
    "a script that names nothing": (CASE_57, {}, ERROR_NOT_FOUND),
    "a script that is run as one": (CASE_57, {"entrypoint": "__main__"}, []),
    "a package that is run as one": (CASE_57, {"entrypoint": "bot.__main__"}, []),
    "nothing at all": ("x = 1", {}, ERROR_NOT_FOUND),
    "a name that is not there": ("def run(query): ...", {"entrypoint": "agent:walk"}, ERROR_NOT_FOUND),
    "a name that is there": ("def walk(query): ...", {"entrypoint": "agent:walk"}, []),
    "a name of another module": ("def run(query): ...", {"entrypoint": "other.module:walk"}, []),
    "a value": ("answer = 42", {"entrypoint": "answer"}, ERROR_NOT_FOUND),
    "an attribute of something": ("thing = make()", {"entrypoint": "thing.go"}, []),
    "bound on some ways only": ("try:\n    def walk(q): ...\nexcept Exception: ...", {"entrypoint": "walk"}, []),
    "bound by anybody": ("from os import *", {"entrypoint": "walk"}, []),
    "bound by globals": ("globals()['walk'] = print", {"entrypoint": "walk"}, []),
    "bound by a function": ("def setup():\n    global walk\n    walk = print\nsetup()", {"entrypoint": "walk"}, []),
    "takes nothing": ("def run(): ...", {}, ERROR_NOT_ACCEPTED),
    "takes nothing, and the test has no query": ("def run(): ...", {"without_query": True}, []),
    "wants a query, and the test has none": ("def run(query): ...", {"without_query": True}, ERROR_NOT_ACCEPTED),
    "a switch only": ("def main(verbose=False): ...", {}, ERROR_NOT_ACCEPTED),
    "the command line": ("def main(argv=None): ...", {}, []),
    "anything": ("def main(**kwargs): ...", {}, []),
    "two that are no query": ("def run(left, right): ...", {}, ERROR_NOT_ACCEPTED),
    "two that the query may hold": ("def run(left, right): ...", {"query": '{"left": 1, "right": 2}'}, []),
    "more than the query": ("def run(query, key): ...", {}, ERROR_NOT_ACCEPTED),
    "a payload and its context": ("def handler(payload, context): ...", {}, []),
    "keyword only": ("def run(*, task): ...", {}, []),
    "keyword only under another name": ("def run(*, verbose): ...", {}, ERROR_NOT_ACCEPTED),
    "decorated": ("@tool\ndef run(): ...", {}, []),
    "made anew": ("def run(): ...\nrun = wrap(run)", {}, []),
    "two that nothing tells apart": (
        "def ask(query): return 1\ndef chat(query): return 2",
        {},
        [("error", "ENTRYPOINT_AMBIGUOUS")],
    ),
    "one that uses the other": ("def ask(query): return 1\ndef chat(query): return ask(query)", {}, []),
    "one that only prints": ("def ask(query): return 1\ndef main(query): print(ask)", {}, []),
    "a helper called run": ("def run(command): ...\ndef main(query): return run(query)", {}, []),
    "an object": ("from strands import Agent\nagent = Agent()", {"requirements": ["strands-agents"]}, []),
    "an object under its own name": (
        "import x\nhelper = x.Agent()",
        {"requirements": ["x"]},
        [],
    ),
    "an object of the file's own making": (
        "def make(): ...\ndef other(): ...\nhelper = make()",
        {},
        [("warning", "ENTRYPOINT_NOT_FOUND")],
    ),
    "an object of an imported class": (
        "from dspy import Predict\nqa = Predict('question -> answer')",
        {"requirements": ["dspy"]},
        [],
    ),
    "an object made by an object": (
        "from x import Builder\nbuilder = Builder()\nqa = builder.compile()",
        {"requirements": ["x"]},
        [],
    ),
    "an object of the standard library": (
        "from argparse import ArgumentParser\nparser = ArgumentParser()",
        {},
        ERROR_NOT_FOUND,
    ),
    "nothing beside what is imported": ("from x import Y, z\nimport os", {"requirements": ["x"]}, ERROR_NOT_FOUND),
    "takes nothing, beside what is imported": (
        "from x import Y\ndef run(): ...",
        {"requirements": ["x"]},
        ERROR_NOT_ACCEPTED,
    ),
    "an agent that is imported": ("from x import search_agent", {"requirements": ["x"]}, []),
    "what the project's own module has": (
        "from flows import summariser",
        {"files": ["agent.py", "flows.py"]},
        [("warning", "ENTRYPOINT_NOT_FOUND")],
    ),
    "a module that the project has not": (
        "def run(q): ...",
        {"entrypoint": "bot.mian:run", "files": ["bot/main.py", "bot/__init__.py"], "agent_path": "bot/main.py"},
        ERROR_NOT_FOUND,
    ),
    "another module of the project": (
        "def run(q): ...",
        {
            "entrypoint": "bot.other:run",
            "files": ["src/bot/main.py", "src/bot/other.py"],
            "agent_path": "src/bot/main.py",
        },
        [],
    ),
    "a package without a script": (
        "def run(q): ...",
        {"entrypoint": "bot.__main__", "files": ["bot/main.py"], "agent_path": "bot/main.py"},
        ERROR_NOT_FOUND,
    ),
    "a package with a script": (
        "def run(q): ...",
        {"entrypoint": "bot.__main__", "files": ["bot/main.py", "bot/__main__.py"], "agent_path": "bot/main.py"},
        [],
    ),
    "a module that runs as a script": (
        "def run(q): ...",
        {"entrypoint": "bot.main.__main__", "files": ["bot/main.py"], "agent_path": "bot/main.py"},
        [],
    ),
    "a package of another name": (
        "def run(q): ...",
        {"entrypoint": "bto.main:run", "files": ["bot/main.py"], "agent_path": "bot/main.py"},
        [("warning", "ENTRYPOINT_NOT_FOUND")],
    ),
    "a function under its own name": ("def summarise(text): return text", {}, []),
    "an object that only describes": (  # case 45
        "class Agent: ...\nclass Runner:\n    def run_sync(agent, text): ...\nagent = Agent()",
        {},
        ERROR_NOT_FOUND,
    ),
    "an object of a class with more": ("class Agent(Base): ...\nagent = Agent()", {}, []),
    "an object of a class that can be called": ("class Agent:\n    def chat(self, q): ...\nagent = Agent()", {}, []),
    "a class": ("class Agent:\n    def run(self, query): ...", {}, []),
}


@pytest.mark.parametrize(("source", "given", "expected"), ENTRIES.values(), ids=ENTRIES.keys())
def test_what_cannot_be_called_is_noticed_and_nothing_else(
    source: str, given: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert codes(source, **given) == expected


def test_an_agent_that_would_be_taken_is_offered_for_a_name_that_is_not_there() -> None:
    (only,) = found(
        "from strands import Agent\nagent = Agent()", entrypoint="agent:ask", requirements=["strands-agents"]
    )
    assert only.message == "There is no 'ask' in agent.py. It defines agent."


def test_a_script_is_told_how_it_can_be_run() -> None:  # case 57
    (only,) = found(CASE_57)
    assert "-e __main__" in only.hint
    assert (only.path, only.line) == ("agent.py", 4)


def test_a_function_that_takes_nothing_is_told_with_its_signature() -> None:
    (only,) = found("def main(verbose=False, *, dry=True):\n    ...")
    assert only.message.startswith("main(verbose=..., *, dry=...) cannot take the query: ")
    assert only.line == 1


MODULES: dict[str, tuple[str, dict[str, Any], list[tuple[str, str]]]] = {
    "of the standard library": ("import json, os.path\nfrom asyncio import run as r", {}, []),
    "without any requirement": ("import httpx", {}, [("warning", "httpx")]),
    "by its own name": ("import httpx", {"requirements": ["httpx==1"]}, []),
    "by another spelling": ("import my_tool", {"requirements": ["My.Tool"]}, []),
    "by another name": (
        "import yaml, cv2, PIL, dotenv",
        {"requirements": ["PyYAML", "opencv-python", "pillow"]},
        [("note", "dotenv")],
    ),
    "brought by another, perhaps": ("import httpx", {"requirements": ["openai"]}, [("note", "httpx")]),
    "brought by another, surely": ("import urllib3", {"requirements": ["requests"]}, []),
    "not brought by the others, surely": ("import httpx", {"requirements": ["requests"]}, [("warning", "httpx")]),
    "not in a compiled file": (
        "import httpx",
        {"requirements": ["openai==1 --hash=sha256:" + "a" * 64]},
        [("warning", "httpx")],
    ),
    "one of many that share a name": ("from google.cloud import storage", {}, []),
    "google.adk": (
        "from google.adk.agents import Agent\nfrom google import genai",
        {"requirements": ["google-adk"]},
        [("note", "google.genai")],
    ),
    "a part of the requirement's name": ("import Levenshtein", {"requirements": ["python-Levenshtein"]}, []),
    "brought by its agents": ("import openai", {"requirements": ["openai-agents"]}, []),
    "of one's own, whatever packages are called": (
        "import tools",
        {"requirements": ["crewai-tools"]},
        [("warning", "tools")],
    ),
    "tried": ("try:\n    import httpx\nexcept ImportError:\n    httpx = None", {}, []),
    "under a condition": ("import os\nif os.name == 'nt':\n    import winthing", {}, []),
    "for types": ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import httpx", {}, []),
    "when it is called": ("def run(query):\n    import httpx", {}, [("warning", "httpx")]),
    "when it is called, tried": (
        "def run(query):\n    try:\n        import httpx\n    except ImportError: ...",
        {},
        [],
    ),
    "in a script": ("if __name__ == '__main__':\n    import httpx", {"entrypoint": "agent:run"}, []),
    "of the project": ("import tools", {"files": ["agent.py", "tools.py"]}, []),
    "a package of the project": ("import tools.web", {"files": ["agent.py", "tools/__init__.py"]}, []),
    "of the project in src": ("import mine", {"files": ["src/mine/a.py"], "agent_path": "src/app.py"}, []),
    "beside the agent": ("import mine", {"files": ["a/b/agent.py", "a/b/mine.py"], "agent_path": "a/b/agent.py"}, []),
}


@pytest.mark.parametrize(("source", "given", "expected"), MODULES.values(), ids=MODULES.keys())
def test_modules_that_nothing_brings_are_noticed(
    source: str, given: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    noticed = [one for one in found(source, **given) if one.code == "MODULE_NOT_FOUND"]
    assert [(one.severity.value, one.message.partition(" ")[0]) for one in noticed] == expected


def test_a_missing_module_is_told_with_the_requirement_that_brings_it() -> None:
    (only,) = found("import yaml\ndef run(query): ...")
    assert only.hint == "Add pyyaml to the requirements."
    assert only.line == 1


def test_what_looks_like_a_file_of_ones_own_is_not_looked_for_among_packages() -> None:  # case 51
    (only,) = found("from tools import shout\ndef run(query): ...")
    assert (only.severity, only.code) == (Severity.WARNING, "MODULE_NOT_FOUND")
    assert only.hint.startswith("If tools is a file or folder of yours, hand it in as well: assay submit DIR")
    assert "requirements" not in only.hint


def test_one_file_has_no_package_to_import_from() -> None:
    assert codes("from . import tools\ndef run(query): ...") == [("error", "AGENT_IMPORT_ERROR")]
    assert codes("from . import tools\ndef run(query): ...", files=["a/__init__.py"]) == []


@pytest.mark.parametrize(
    ("source", "noticed"),
    [
        ("import os\nKEY = os.environ['OPENAI_API_KEY']", ["OPENAI_API_KEY"]),
        ("import os\nKEY = os.environ.get('OPENAI_API_KEY')", []),
        ("from os import environ\nclient = Client(key=environ['A_KEY'])", ["A_KEY"]),
        ("import os\ndef key(): return os.environ['A_KEY']", []),
        ("import os\nif 'A_KEY' in os.environ:\n    KEY = os.environ['A_KEY']", []),
        ("import os\nKEY = os.environ['A_KEY'] if x else ''", []),
        ("import os\nKEY = x or os.environ['A_KEY']", []),
        ("import os\ntry:\n    KEY = os.environ['A_KEY']\nexcept KeyError: ...", []),
        ("import os\nfrom dotenv import load_dotenv\nload_dotenv()\nKEY = os.environ['A_KEY']", []),
        ("import os\nos.environ.setdefault('A_KEY', 'x')\nKEY = os.environ['A_KEY']", []),
        ("from os import environ\nx = environ['GIVEN'], environ['SECRET'], environ['MODEL_ID'], environ['HOME']", []),
    ],
)  # fmt: skip
def test_a_variable_without_which_it_cannot_be_loaded_is_noticed(source: str, noticed: list[str]) -> None:  # case 44
    given = {"env": {"GIVEN": "1"}, "secret_refs": {"SECRET": "x"}, "model": ModelSetting(provider="o", model_id="m")}
    missing = [one for one in found(source, **given) if one.code == "ENVIRONMENT_NOT_SET"]
    assert [one.hint for one in missing] == [f"Pass it with --env {name}." for name in noticed]


def test_nobody_is_there_to_type() -> None:
    asks = "while True:\n    print(input())"
    assert ("warning", "AGENT_IMPORT_ERROR") in codes(asks)
    assert codes(asks, entrypoint="__main__") == []
    assert codes("def run(query):\n    return input()") == [("warning", "AGENT_EXCEPTION")]
    assert codes("def run(query): ...\nif __name__ == '__main__':\n    run(input())") == []


def test_a_variable_that_contradicts_the_model_setting_is_noticed() -> None:
    model = ModelSetting(provider="bedrock", model_id="m", region="eu-west-1")
    (only,) = found(
        "def run(query): ...", model=model, env={"AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "eu-west-1"}
    )
    assert (only.severity, only.code) == (Severity.WARNING, "MODEL_SETTING_OVERRIDDEN")
    assert "AWS_DEFAULT_REGION" in only.message


def test_code_that_could_not_be_looked_at_has_no_findings() -> None:
    assert findings_of(Input(query="x"), None) == []
