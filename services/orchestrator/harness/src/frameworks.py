"""How objects of agent frameworks are run. One line of FRAMEWORKS for each; all else is called by its signature.

By duck typing: a class counts by the package that it or one of its bases comes from and by what it has, and no
framework is imported here that the agent has not imported itself.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.commands import command_plan
from services.orchestrator.harness.src.jsontext import from_json
from services.orchestrator.harness.src.naming import attributes_of, families_of
from services.orchestrator.harness.src.parameters import parameters_of
from services.orchestrator.harness.src.plan import Plan, QueryNotAccepted
from services.orchestrator.harness.src.query_names import QUERY_NAMES, plain_name
from services.orchestrator.harness.src.record_values import json_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any


# Of any other object the first of these that can take the query is called, and the object itself before the rest.
METHODS = ("run_sync", "invoke", "ainvoke", "run", "arun", "kickoff", "get_response")
MORE_METHODS = (
    "query",
    "chat",
    "ask",
    "answer",
    "respond",
    "process",
    "execute",
    "handle",
    "solve",
    "reply",
    "forward",
)
WORKFLOW_FIELDS = ("query", "question", "input", "message", "user_msg", "topic")


def framework_plan(target: Any, name: str, query: str) -> Plan | None:
    """The call that the framework's documentation shows; None for what is called by its signature.
    Raises QueryNotAccepted."""
    for plan in _ways_of(target):
        made = plan(target, name, query)
        if made is not None:
            return made
    return None


def _ways_of(target: Any) -> Iterator[Callable[[Any, str, str], Plan | None]]:
    families = families_of(target)
    for package, has, plan in FRAMEWORKS:
        if package in families and all(hasattr(type(target), one) or one in attributes_of(target) for one in has):
            yield plan


def is_of_a_framework(target: Any) -> bool:
    return any(True for _ in _ways_of(target))


def _langgraph(graph: Any, name: str, query: str) -> Plan:
    return Plan(graph.invoke, (graph_input(graph, query),), call=f"{name}.invoke(state of the query)")


def graph_input(graph: Any, query: str) -> object:
    """A LangGraph graph takes a state: one message if its state has messages, else the query, which then is JSON; a
    text goes to the only or the usual field of the state."""
    value = json_object(query)
    channels = [one for one in getattr(graph, "channels", ()) if isinstance(one, str)]
    if value is not None and value.keys() <= set(channels):
        return value
    if "messages" in channels:
        return {"messages": [{"role": "user", "content": query}]}
    try:
        return from_json(query)
    except (ValueError, RecursionError):
        pass
    fields = [one for one in channels if not one.startswith(("__", "branch:", "start:")) and ":" not in one]
    usual = [one for one in QUERY_NAMES if one in fields]
    return {usual[0]: query} if usual else query


def _runnable(chain: Any, name: str, query: str) -> Plan:
    value = json_object(query)
    keys = getattr(chain, "input_keys", None)
    if value is not None:
        return Plan(chain.invoke, (value,), call=f"{name}.invoke(json(query))")
    if isinstance(keys, list) and len(keys) == 1:
        return Plan(chain.invoke, ({keys[0]: query},), call=f'{name}.invoke({{"{keys[0]}": query}})')
    return Plan(chain.invoke, (query,), call=f"{name}.invoke(query)")


def _crew(crew: Any, name: str, query: str) -> Plan | None:
    """A crew fills the query into the places of its tasks, as in {topic}."""
    if not any(one.name == "inputs" for one in parameters_of(crew.kickoff) or ()):
        return None
    inputs = json_object(query)
    call = f"{name}.kickoff(inputs=json(query))"
    if inputs is None:
        wanted = _names_from(crew, "fetch_inputs")
        field = "query" if wanted is None else _only_field(wanted)
        if field is None:
            places = f"the inputs {', '.join(sorted(wanted or ()))}" if wanted else "no place such as {topic}"
            raise QueryNotAccepted(
                f"{name} cannot take the query: its tasks have {places}. Give the query as a JSON object of inputs, or "
                "write a function that takes the query and calls kickoff(inputs=...)."
            )
        inputs, call = {field: query}, f'{name}.kickoff(inputs={{"{field}": query}})'
    return Plan(crew.kickoff, (), {"inputs": inputs}, call=call)


def _names_from(target: Any, method: str) -> set[str] | None:
    """What a method of the framework lists; None where it cannot be asked."""
    try:
        return {str(one) for one in getattr(target, method)()}
    except Exception:
        return None


def _only_field(names: Iterable[str]) -> str | None:
    names = list(names)
    return names[0] if len(names) == 1 else None


def _dspy(program: Any, name: str, query: str) -> Plan | None:
    """dspy takes keywords only: the fields of a signature, or what `forward` of a program asks for."""
    forward = type(program).forward if hasattr(type(program), "forward") else None
    own = forward is not None and getattr(forward, "__module__", "dspy").partition(".")[0] != "dspy"
    if own:
        names = [one.name for one in parameters_of(program.forward) or () if one.required]
    else:
        signature = getattr(program, "signature", None) or getattr(getattr(program, "predict", None), "signature", None)
        if signature is None:
            return None
        names = list(signature.input_fields)
    value = json_object(query)
    if value is not None and set(names) <= value.keys():
        return Plan(program, (), value, call=f"{name}(**json(query))")
    if len(names) != 1:
        example = ", ".join(f'"{one}": ...' for one in names)
        raise QueryNotAccepted(
            f"{name} cannot take the query: its fields are {', '.join(names) or 'none'}. Give the query as a JSON "
            f"object: {{{example}}}."
        )
    return Plan(program, (), {names[0]: query}, call=f"{name}({names[0]}=query)")


def _haystack(pipeline: Any, name: str, query: str) -> Plan | None:
    if not hasattr(type(pipeline), "inputs"):
        return None
    data = json_object(query)
    if data is not None:
        return Plan(pipeline.run, (data,), call=f"{name}.run(json(query))")
    wanted = {
        field
        for component in pipeline.inputs().values()
        for field, about in component.items()
        if about.get("is_mandatory", True)
    }
    if not wanted or not all(plain_name(one) in QUERY_NAMES for one in wanted):
        raise QueryNotAccepted(
            f"{name} cannot take the query: the inputs of the pipeline are {', '.join(sorted(wanted)) or 'none'}. Give "
            "the query as a JSON object of them, or write a function that takes the query and runs the pipeline."
        )
    return Plan(pipeline.run, (dict.fromkeys(wanted, query),), call=f"{name}.run({', '.join(sorted(wanted))}=query)")


def _openai_agent(agent: Any, name: str, query: str) -> Plan | None:
    runner = getattr(sys.modules.get("agents"), "Runner", None)
    if runner is None:
        return None  # a package of the user's own that is called agents
    return Plan(runner.run, (agent, query), call=f"Runner.run({name}, query)")


def _adk_agent(agent: Any, name: str, query: str) -> Plan:
    return Plan(_run_adk, (agent, query), call=f"InMemoryRunner({name}).run_async(query)")


async def _run_adk(agent: Any, query: str) -> object:
    """As google-adk's own documentation runs an agent; the text of its final event."""
    from importlib import import_module

    runner = import_module("google.adk.runners").InMemoryRunner(agent=agent, app_name="assay")
    types = import_module("google.genai.types")
    session = await runner.session_service.create_session(app_name="assay", user_id="user")
    message = types.Content(role="user", parts=[types.Part(text=query)])
    last = None
    async for event in runner.run_async(user_id="user", session_id=session.id, new_message=message):
        if event.is_final_response():
            last = event
    return last


def _method(method: str) -> Callable[[Any, str, str], Plan | None]:
    """One method, with the query for the first of its parameters that has a usual name."""

    def plan(target: Any, name: str, query: str) -> Plan | None:
        function = getattr(target, method)
        names = [one.name for one in parameters_of(function) or () if not one.variadic]
        usual = [one for one in names if plain_name(one) in QUERY_NAMES]
        return Plan(function, (), {usual[0]: query}, call=f"{name}.{method}({usual[0]}=query)") if usual else None

    return plan


def _workflow(workflow: Any, name: str, query: str) -> Plan:
    """llama-index starts a workflow in a running loop only. Its agents take a user_msg; what the first step of another
    one reads from its event nobody knows, so the query has all the names for it."""
    value = json_object(query)
    fields = ["user_msg"] if type(workflow).__module__.startswith("llama_index") else list(WORKFLOW_FIELDS)
    own = getattr(getattr(workflow, "start_event_class", None), "model_fields", None)
    if isinstance(own, dict) and own:
        required = [one for one, field in own.items() if field.is_required()] or list(own)
        fields = required if len(required) == 1 else [one for one in required if one in QUERY_NAMES]
    if value is not None and fields != ["user_msg"]:
        return Plan(_in_loop(workflow.run), (), value, call=f"{name}.run(**json(query))")
    if not fields:
        raise QueryNotAccepted(
            f"{name} cannot take the query: its start event needs {', '.join(own or ())}. Give the query as a JSON "
            "object of these."
        )
    call = f"{name}.run({', '.join(f'{one}=query' for one in fields)})"
    return Plan(_in_loop(workflow.run), (), dict.fromkeys(fields, query), call=call)


def _itself(target: Any, name: str, query: str) -> Plan:
    return Plan(target, (query,), call=f"{name}(query)")


def _in_loop(function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(**kwargs: object) -> object:
        return await function(**kwargs)

    return call


# package, what the object must have, how it is called. The first line that fits makes the plan.
FRAMEWORKS: Sequence[tuple[str, tuple[str, ...], Callable[[Any, str, str], Plan | None]]] = (
    ("click", ("main", "params"), command_plan),
    ("typer", ("registered_commands",), command_plan),
    ("agents", ("instructions", "handoffs"), _openai_agent),
    ("google", ("run_async", "sub_agents"), _adk_agent),
    ("dspy", ("named_predictors",), _dspy),
    ("langgraph", ("invoke",), _langgraph),
    ("langchain_core", ("invoke",), _runnable),
    ("langchain", ("invoke",), _runnable),
    ("crewai", ("kickoff",), _crew),
    ("haystack", ("run", "inputs"), _haystack),
    ("llama_index", ("chat",), _method("chat")),
    ("llama_index", ("query",), _method("query")),
    ("llama_index", ("run",), _workflow),
    ("workflows", ("run", "validate"), _workflow),
    ("semantic_kernel", ("get_response",), _method("get_response")),
    ("strands", ("__call__",), _itself),
    ("smolagents", ("run",), _method("run")),
    ("agno", ("run",), _method("run")),
    ("autogen_agentchat", ("run",), _method("run")),
    ("pydantic_ai", ("run_sync",), _method("run_sync")),
)
