"""Whatever a file offers: one that takes the query is called with it, or those that could be meant are named."""

from __future__ import annotations

import types
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.orchestrator.harness.src.call import call_entry
from services.orchestrator.harness.src.entry import EntrypointAmbiguous, EntrypointNotFound, find_entry
from services.orchestrator.harness.src.plan import QueryNotAccepted

AGENT = "class {0}_Agent:\n    def {1}(self, {2}): HEARD.append(('{0}', {2})); return 1\n{0} = {0}_Agent()\n"
FUNCTION = "def {0}({1}):\n    HEARD.append(('{0}', {2}))\n    {3}\n"
HEARD: list[tuple[str, object]] = []

OBJECTS = st.tuples(
    st.sampled_from(["agent", "root_agent", "graph", "crew", "support_agent", "thing"]),
    st.sampled_from(["run", "invoke", "__call__", "ask", "start"]),
    st.sampled_from(["query", "task", "x"]),
).map(lambda parts: AGENT.format(*parts))
FUNCTIONS = st.tuples(
    st.sampled_from(["run", "main", "answer", "handler", "ask", "solve_task", "_hidden", "shout"]),
    st.sampled_from(["query", "question=None", "command", "payload, context", "verbose=False", "", "a, b", "*, task"]),
    st.sampled_from(["return 1", "print(1)", "return agent", "return run", "return helper()", "yield 1"]),
).map(lambda parts: _function(*parts))


def _function(name: str, parameters: str, end: str) -> str:
    given = [one.strip("* ").partition("=")[0] for one in parameters.split(", ")]
    return FUNCTION.format(name, parameters, f"({''.join(f'{one}, ' for one in given if one)})", end)


@settings(max_examples=300, deadline=None)
@given(st.lists(OBJECTS | FUNCTIONS, max_size=5))
def test_what_is_chosen_gets_the_query_or_those_that_could_be_meant_are_named(parts: list[str]) -> None:
    source = "def helper(): return 1\n" + "".join(parts)
    module = types.ModuleType("agent")
    module.__dict__["HEARD"] = HEARD
    exec(source, module.__dict__)
    HEARD.clear()
    try:
        entry = find_entry(module, None, source)
        plan = entry.bind("the query")
    except (EntrypointAmbiguous, EntrypointNotFound, QueryNotAccepted):
        assert not HEARD, "what is not chosen is not run"
        return
    with suppress(NameError):  # of a function that uses what is not there
        call_entry(plan, NoLoop())
    (heard,) = HEARD
    assert heard[0] == entry.name
    given_to = heard[1] if isinstance(heard[1], tuple) else (heard[1],)
    assert any(one in ("the query", {"prompt": "the query"}) for one in given_to), HEARD
    assert all(entry.name != other.partition("(")[0] for other in entry.others)


class NoLoop:
    def complete(self, _: Any) -> object:
        raise AssertionError("nothing here is asynchronous")
