"""The gateway's checks say an error only where the harness would end the test with it.

The two must not import one another, so their tables are held together here, and so are their judgements."""

import ast
import contextlib
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from services.gateway.submission import distributions, import_findings, query_place
from services.gateway.submission.code import Code
from services.gateway.submission.code_facts import facts_of
from services.gateway.submission.entry_findings import entry_findings
from services.gateway.submission.finding import Severity
from services.orchestrator.harness.src import binding, candidates, frameworks, hints, query_names
from services.orchestrator.harness.src.entry import EntrypointAmbiguous, EntrypointNotFound, find_entry
from services.orchestrator.harness.src.plan import QueryNotAccepted
from tests.agents.conformance import Shape, shapes

NAMES = ["run", "main", "ask", "agent", "helper", "summarise", "_hidden"]
PARAMETERS = [
    *("query", "prompt", "payload", "context", "session_id", "history", "command", "left", "verbose", "argv", "_"),
    *("task", "messages", "args"),
]
QUERIES = ["hello", "", '{"left": 1, "command": "x"}', '{"prompt": "x"}', "[1]"]


@st.composite
def parameter_lists(draw: st.DrawFn) -> str:
    names = draw(st.lists(st.sampled_from(PARAMETERS), max_size=3, unique=True))
    places = draw(st.integers(0, len(names)))
    shown, defaulted = [], False
    for place, name in enumerate(names):
        if place == places:
            shown.append("*")
            defaulted = False
        text = name + draw(st.sampled_from(["", "", ": str", ": bool", ": 'str | None'"]))
        if draw(st.booleans()) or (defaulted and place < places):
            defaulted = True
            text += draw(st.sampled_from(["=None", "=False", "=3", "='x'"]))
        shown.append(text)
    if shown and shown[-1] == "*":
        shown.pop()
    shown += draw(st.sampled_from([[], [], [], ["*args"], ["**kwargs"]]))
    if "*" in shown and "*args" in shown:
        shown.remove("*args")
    if "*args" in shown and any(one.startswith("args") for one in shown):
        shown.remove("*args")
    if shown and shown[-1] == "*":
        shown.pop()
    if "*args" in shown and "**kwargs" not in shown:
        shown.remove("*args")
        at = next((place for place, one in enumerate(shown) if one == "*"), len(shown))
        shown.insert(at, "*args")
    return ", ".join(shown)


@st.composite
def sources(draw: st.DrawFn) -> str:
    parts = ["import functools"]
    names = draw(st.lists(st.sampled_from(NAMES), max_size=4, unique=True))
    for name in names:
        kind = draw(st.sampled_from(["def", "def", "def", "async def", "class", "object", "data", "lambda"]))
        parameters = draw(parameter_lists())
        if kind in {"def", "async def"}:
            decorator = draw(st.sampled_from(["", "", "", "@functools.lru_cache\n"]))
            body = draw(
                st.sampled_from(["return 1", "pass", "return None", "print(1)", *(f"return {n}" for n in names)])
            )
            parts.append(f"{decorator}{kind} {name}({parameters}):\n    {body}")
        elif kind == "class":
            method = draw(st.sampled_from(["run", "chat", "__call__", "helps"]))
            parts.append(f"class {name}:\n    def {method}(self, query): return 1")
        elif kind == "object":
            method = draw(st.sampled_from(["run", "describe"]))
            kind = f"class Kind{len(parts)}:\n    def {method}(self, query): return 1"
            parts.append(f"{kind}\n{name} = Kind{len(parts)}()")
        elif kind == "data":
            parts.append(f"{name} = 42")
        else:
            parts.append(f"{name} = lambda {draw(st.sampled_from(['', 'query', '**kwargs']))}: 1")
    if draw(st.booleans()):
        parts.append("if __name__ == '__main__':\n    main = print")
    return "\n".join(parts) + "\n"


def of_the_harness(source: str, entrypoint: str, query: str | None) -> str:
    """The code with which the harness ends the test before it calls anything; empty where it would call."""
    module = ModuleType("agent")
    with contextlib.suppress(SyntaxError):
        exec(compile(source, "agent.py", "exec"), module.__dict__)
    try:
        find_entry(module, entrypoint or None, source, without_query=query is None).bind(query)
    except EntrypointNotFound:
        return "ENTRYPOINT_NOT_FOUND"
    except EntrypointAmbiguous:
        return "ENTRYPOINT_AMBIGUOUS"
    except QueryNotAccepted:
        return "QUERY_NOT_ACCEPTED"
    return ""


@settings(max_examples=400, deadline=None)
@given(sources(), st.sampled_from(["", "", "", *NAMES, "agent:run", "missing"]), st.sampled_from([None, *QUERIES]))
def test_what_the_gateway_calls_an_error_the_harness_refuses(source: str, entrypoint: str, query: str | None) -> None:
    try:
        tree = ast.parse(source)
    except SyntaxError:  # the odd parameter list
        return
    found = entry_findings(Code.model_validate(facts_of(tree)), entrypoint, query, "agent.py")
    for finding in found:
        if finding.severity is Severity.ERROR:
            assert of_the_harness(source, entrypoint, query) == finding.code, finding


FOUND_WITHOUT_RUNNING = {
    *("agent_not_callable", "query_and_context", "several_parameters", "script_without_entry", "switch_only"),
    *("two_that_are_alike", "plain_script"),
}


@pytest.mark.parametrize("shape", shapes().values(), ids=lambda shape: shape.name)
def test_shapes_of_agents_are_judged_as_they_end(shape: Shape) -> None:
    code = Code.model_validate(facts_of(ast.parse(shape.code)))
    found = entry_findings(code, shape.entrypoint or "", shape.query, "agent.py")
    errors = {finding.code for finding in found if finding.severity is Severity.ERROR}
    # What fails while it is loaded never comes as far as its entry point.
    assert errors <= {shape.right.get("code")} or shape.right.get("code") in {"AGENT_IMPORT_ERROR", "AGENT_EXITED"}
    assert errors or shape.name not in FOUND_WITHOUT_RUNNING


def test_the_names_are_those_of_the_harness() -> None:
    assert query_names.QUERY_NAMES == query_place.QUERY_NAMES
    assert frozenset(query_names.HANDLER_NAMES) == query_place.HANDLER_NAMES
    assert frozenset(binding.CONTEXT_NAMES) == query_place.CONTEXT_NAMES
    assert frozenset((*binding.SESSION_NAMES, *binding.HISTORY_NAMES)) == query_place.BESIDE_NAMES
    assert frozenset(binding.COMMAND_LINE_NAMES) == query_place.COMMAND_LINE_NAMES
    assert {*frameworks.METHODS, *frameworks.MORE_METHODS, "__call__"} == set(query_place.METHODS)
    assert candidates.AGENT_NAMES == query_place.AGENT_NAMES
    assert candidates.FUNCTION_NAMES == query_place.FUNCTION_NAMES


def test_both_advise_the_same_requirement_for_a_module() -> None:
    for module, requirement in hints.REQUIREMENTS.items():
        advised = distributions.bringers(module)[0]
        assert advised == canonicalize_name(requirement.partition("[")[0]), module
    assert hints.OWN_NAMES == import_findings.OWN_NAMES
