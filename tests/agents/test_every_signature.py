"""Whatever signature an entry point has, and however it is wrapped: a call that passes had the query in it."""

from __future__ import annotations

import functools
import inspect
import json
import types
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.orchestrator.harness.src.agent_loop import AgentLoop
from services.orchestrator.harness.src.call import call_entry
from services.orchestrator.harness.src.entry import EntrypointAmbiguous, EntrypointNotFound, find_entry
from services.orchestrator.harness.src.parameters import Absent, parameters_of, read_parameters
from services.orchestrator.harness.src.plan import QueryNotAccepted

NAMES = (
    *("query", "question", "prompt", "messages", "task", "payload", "event", "inputs", "state", "text", "_event", "q"),
    *("context", "ctx", "_", "session_id", "history", "argv", "args", "config", "verbose", "city", "x", "client"),
)
DEFAULTS = ("None", "False", "True", "0", "1.5", "'usual'", "[]", "{}", "()")
ANNOTATIONS = (
    *("str", "'str'", "int", "bool", "float", "bytes", "dict", "list", "'dict[str, object]'", "list[str]", "object"),
    *("str | None", "'int | None'", "tuple", "'NoSuchName'", "types.SimpleNamespace", "list[dict]", "None"),
)
QUERIES = st.one_of(
    st.sampled_from(
        ["how are you?", "", " ", "5", "true", "null", "{}", "[]", '"x"', '{"a": 1}', "-x", "--", "[1, 2]"]
    ),
    st.text(max_size=20),
    st.dictionaries(st.sampled_from(NAMES), st.integers() | st.text(max_size=5), max_size=3).map(json.dumps),
)
HEARD: list[Any] = []


@st.composite
def parameter_lists(draw: st.DrawFn) -> str:
    """As they stand between the parentheses of a `def`."""
    names = draw(st.lists(st.sampled_from(NAMES), max_size=5, unique=True))
    parts, only, after_star, defaulted = [], draw(st.integers(0, 3)), False, False
    star = draw(st.integers(0, 6))
    for index, name in enumerate(names):
        if index == star and not after_star:
            parts.append(draw(st.sampled_from(["*", "*rest"])))
            after_star = True
        annotation = draw(st.none() | st.sampled_from(ANNOTATIONS))
        with_default = draw(st.booleans()) or (defaulted and not after_star)
        defaulted |= with_default
        text = name if annotation is None else f"{name}: {annotation}"
        parts.append(f"{text} = {draw(st.sampled_from(DEFAULTS))}" if with_default else text)
        if index + 1 == only and not after_star:
            parts.append("/")
    if not after_star and draw(st.booleans()):
        parts.append("*rest")
    if draw(st.booleans()):
        parts.append("**more")
    return ", ".join(parts)


KINDS = ("def", "async def", "generator", "async generator")
SHELLS = (
    *("plain", "method", "static", "class method", "call", "run", "partial by position", "partial by name", "wrapped"),
    *("wrapped twice", "wrapped by nothing", "wrapped with an argument", "unmarked", "cached", "signature", "lambda"),
)


def function_of(parameters: str, kind: str) -> Callable[..., Any]:
    body = (
        "    HEARD.append({**locals()})\n"
        + {
            "def": "    return 'passed'\n",
            "async def": "    return 'passed'\n",
            "generator": "    yield 'x'\n    return 'passed'\n",
            "async generator": "    yield 'passed'\n",
        }[kind]
    )
    head = "async def" if kind.startswith("async") else "def"
    space: dict[str, Any] = {"HEARD": HEARD, "types": types, "__name__": "agent"}
    exec(f"{head} target({parameters}):\n{body}", space)
    function: Callable[..., Any] = space["target"]
    return function


def in_shell(  # noqa: C901 - one line for each
    function: Callable[..., Any], shell: str
) -> Any:
    """The function as something that is called in another way. Raises what Python raises for what cannot be."""

    @functools.wraps(function)
    def anything(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    @functools.wraps(function)
    def nothing() -> Any:
        return function()

    @functools.wraps(function)
    def one_more(*args: Any, **kwargs: Any) -> Any:
        return function("one more", *args, **kwargs)

    def unmarked(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    if shell in ("method", "call", "run"):

        def with_self(self: Any, *args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        signature = inspect.signature(function)
        if "self" not in signature.parameters:
            me = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
            by_position = [one for one in signature.parameters.values() if one.kind == one.POSITIONAL_ONLY]
            rest = [one for one in signature.parameters.values() if one.kind != one.POSITIONAL_ONLY]
            with_self.__signature__ = signature.replace(parameters=[me, *by_position, *rest])  # type: ignore[attr-defined]
        name = {"method": "ask", "call": "__call__", "run": "run"}[shell]
        made = type("Agent", (), {name: with_self})()
        return made.ask if shell == "method" else made
    if shell == "static":
        return type("Agent", (), {"ask": staticmethod(function)}).ask  # type: ignore[attr-defined]
    if shell == "class method":
        return types.MethodType(function, "bound")
    if shell == "partial by position":
        return functools.partial(function, "bound")
    if shell == "partial by name":
        names = [one for one in inspect.signature(function).parameters if one not in ("rest", "more")]
        return functools.partial(function, **{names[-1]: "bound"}) if names else functools.partial(function)
    if shell == "cached":
        return functools.lru_cache(function)
    if shell == "signature":
        query = inspect.Parameter("query", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        unmarked.__signature__ = inspect.Signature([query])  # type: ignore[attr-defined]
        return unmarked
    shells: dict[str, Any] = {
        "wrapped": anything,
        "wrapped by nothing": nothing,
        "wrapped with an argument": one_more,
        "unmarked": unmarked,
        "lambda": lambda *a, **k: function(*a, **k),  # noqa: PLW0108 - is the case
    }
    if shell == "wrapped twice":
        return functools.wraps(anything)(lambda *args, **kwargs: anything(*args, **kwargs))  # noqa: PLW0108 - is the case
    return shells.get(shell, function)


def holds_the_query(value: Any, query: str) -> bool:
    """Whether a value is the query, has it inside, or is what it says as JSON."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value) == query.encode("utf-8", "surrogatepass")
    if isinstance(value, str):
        return value == query
    try:
        said = json.loads(query)
    except ValueError:
        said = Absent
    if (type(value) is type(said) or isinstance(value, dict)) and value == said:
        return True
    if isinstance(value, float) and isinstance(said, int) and value == said:
        return True
    if isinstance(value, dict):
        return any(holds_the_query(one, query) for one in value.values())
    if isinstance(value, (list, tuple, set)):
        as_list = list(value)
        return as_list == said or any(holds_the_query(one, query) for one in as_list)
    return False


def heard_the_query(heard: dict[str, Any], query: str) -> bool:
    if holds_the_query(heard, query):
        return True
    try:
        said = json.loads(query)
    except ValueError:
        return False
    flat = {**heard, **heard.get("more", {})}  # the members of an object, spread over the parameters
    return isinstance(said, dict) and bool(said) and all(flat.get(key) == value for key, value in said.items())


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(parameter_lists(), st.sampled_from(KINDS), st.sampled_from(SHELLS), QUERIES, st.booleans())
def test_no_call_passes_in_which_the_query_did_not_arrive(
    parameters: str, kind: str, shell: str, query: str, named: bool
) -> None:
    function = function_of(parameters, kind)
    try:
        target = in_shell(function, shell)
    except (ValueError, TypeError):  # what Python itself does not make
        return
    module = types.ModuleType("agent")
    module.__dict__["run"] = target
    HEARD.clear()
    try:
        entry = find_entry(module, "run" if named else None, "")
        plan = entry.bind(query)
        assert plan.query_passed
        with closing(AgentLoop()) as loop:
            call_entry(plan, loop)
    except (QueryNotAccepted, EntrypointNotFound, EntrypointAmbiguous):
        assert not HEARD, "what cannot take the query is not run"
        return
    except TypeError:  # a wrapper that gives its function what that does not take: the agent's own failure
        assert shell in ("wrapped with an argument", "unmarked", "lambda", "signature", "wrapped by nothing", "cached")
        return
    assert len(HEARD) == 1
    assert heard_the_query(HEARD[0], query), (plan.call, HEARD)


@settings(max_examples=200, deadline=None)
@given(parameter_lists(), st.sampled_from(KINDS), st.sampled_from(SHELLS))
def test_without_a_query_what_is_called_needs_none(parameters: str, kind: str, shell: str) -> None:
    try:
        target = in_shell(function_of(parameters, kind), shell)
    except (ValueError, TypeError):
        return
    module = types.ModuleType("agent")
    module.__dict__["run"] = target
    try:
        plan = find_entry(module, None, "", without_query=True).bind(None)
    except (QueryNotAccepted, EntrypointNotFound):
        return
    assert not plan.query_passed


@settings(max_examples=300, deadline=None)
@given(parameter_lists())
def test_a_plain_function_is_read_as_inspect_reads_it(parameters: str) -> None:
    function = function_of(parameters, "def")
    ours = [(one.name, one.kind, one.default, one.annotation) for one in read_parameters(function)]
    empty = inspect.Parameter.empty
    theirs = [
        (
            one.name,
            int(one.kind),
            Absent if one.default is empty else one.default,
            Absent if one.annotation is empty else one.annotation,
        )
        for one in inspect.signature(function).parameters.values()
    ]
    assert ours == theirs


@pytest.mark.parametrize("target", [len, dict, print, int, "x".join, [].append, type, object(), functools.partial(len)])
def test_what_does_not_tell_its_parameters_breaks_nothing(target: Any) -> None:
    found = parameters_of(target)
    assert found is None or isinstance(found, list)
