"""Whether a function can take the query, by what is written there: the harness's rules where they leave no doubt.

Pure. The names are those of the harness (`query_values.py`, `binding.py`, `candidates.py`); a test holds both together.
Where anything could make it work after all, there is no claim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from services.gateway.submission.code import Parameter

QUERY_NAMES: Final = (
    *("query", "question", "user_query", "user_question", "query_text", "question_text", "input_query"),
    *("search_query", "prompt", "user_prompt", "input_prompt", "prompt_text", "message", "user_message"),
    *("user_msg", "msg", "messages", "input_messages", "input", "user_input", "human_input", "input_text"),
    *("input_str", "user_text", "inputs", "input_data", "task", "task_description", "text", "topic", "payload"),
    *("event", "request", "user_request", "body", "problem", "objective", "goal", "instruction", "instructions"),
    *("data", "state", "content", "q", "utterance", "str_or_query_bundle"),
)
HANDLER_NAMES: Final = frozenset(("payload", "event"))
CONTEXT_NAMES: Final = frozenset(("context", "ctx", "lambda_context", "request_context", ""))
"""What the harness gives beside a payload."""
BESIDE_NAMES: Final = frozenset(
    (
        *("session_id", "thread_id", "conversation_id"),
        *("history", "chat_history", "conversation_history", "message_history"),
    )
)
"""What it gives beside any query, where it has to be given."""
COMMAND_LINE_NAMES: Final = frozenset(("argv", "args"))
AGENT_NAMES: Final = (
    *("agent", "root_agent", "crew", "team", "graph", "workflow", "flow", "chain", "rag_chain", "pipeline", "app"),
    *("agent_executor", "executor", "assistant", "bot", "program", "query_engine", "chat_engine", "swarm"),
)
FUNCTION_NAMES: Final = (
    *("run", "main", "handle", "handler", "lambda_handler", "invoke", "ask", "chat", "answer", "query", "process"),
    *("execute", "solve", "respond", "call_agent", "run_agent", "ask_agent", "kickoff", "entrypoint"),
    "agent_invocation",
)
METHODS: Final = (
    *("run_sync", "invoke", "ainvoke", "run", "arun", "kickoff", "get_response", "__call__", "query", "chat", "ask"),
    *("answer", "respond", "process", "execute", "handle", "solve", "reply", "forward"),
)
"""What of an object may be called."""


def plain(name: str) -> str:
    """The name without what is written around it for other reasons."""
    return name.strip("_").lower()


class Place(NamedTuple):
    """Where the query goes in."""

    usual: bool = False
    """By a name that is plainly meant for it."""
    why_not: str = ""
    """Why no query can get in, in words that follow "cannot take the query: "; empty where one can or may."""


def place_of(parameters: Sequence[Parameter]) -> Place:
    """The place for the query among these."""
    if not parameters:
        return Place(why_not="it takes nothing")
    required = [one for one in parameters if one.required]
    usual = [one for one in parameters if plain(one.name) in QUERY_NAMES and one.is_text and not one.variadic]
    usual.sort(key=lambda one: (not one.required, QUERY_NAMES.index(plain(one.name))))
    given = [one for one in required if plain(one.name) in BESIDE_NAMES]
    if usual and (usual[0].required or len(given) == len(required)):
        return Place(usual=True, why_not=_missing_beside(usual[0], required))
    first = [one for one in required if one.kind == "positional"]
    if len(required) == 1:
        return Place(why_not="" if first else f"{required[0].name} is no usual name for what an agent is asked")
    if required:
        if first and all(one in given for one in required if one is not first[0]):
            return Place()
        names = _listed([one.name for one in required])
        return Place(why_not=f"it needs {names}, and none of them is plainly the query")
    kinds = {one.kind for one in parameters}
    if parameters[0].kind == "positional" and plain(parameters[0].name) in COMMAND_LINE_NAMES:
        return Place()
    if "kwargs" in kinds or ("args" in kinds and "positional" not in kinds):
        return Place()
    return Place(why_not=f"{_listed([one.name for one in parameters])} is no usual name for what an agent is asked")


def _missing_beside(target: Parameter, required: Sequence[Parameter]) -> str:
    """A payload comes with a context, everything with a session and an empty history."""
    handler = plain(target.name) in HANDLER_NAMES
    missing = [
        one.name
        for one in required
        if one is not target
        and plain(one.name) not in BESIDE_NAMES
        and not (handler and one.kind == "positional" and plain(one.name) in CONTEXT_NAMES)
    ]
    return f"it needs {_listed(missing)} beside {target.name}" if missing else ""


def missing_without_query(parameters: Sequence[Parameter]) -> list[str]:
    """What must be given where there is no query."""
    return [one.name for one in parameters if one.required and plain(one.name) not in BESIDE_NAMES | CONTEXT_NAMES]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
