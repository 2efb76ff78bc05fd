"""Whether a function can take the query, by what is written there: the harness's rules where they leave no doubt.

Pure. The names are those of the harness (`query_values.py`, `binding.py`, `candidates.py`); a test holds both together.
Where anything could make it work after all, there is no claim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.gateway.submission.code import Parameter

QUERY_NAMES: Final = frozenset(
    (
        *("query", "question", "user_query", "user_question", "query_text", "question_text", "input_query"),
        *("search_query", "prompt", "user_prompt", "input_prompt", "prompt_text", "message", "user_message"),
        *("user_msg", "msg", "messages", "input_messages", "input", "user_input", "human_input", "input_text"),
        *("input_str", "user_text", "inputs", "input_data", "task", "task_description", "text", "topic", "payload"),
        *("event", "request", "user_request", "body", "problem", "objective", "goal", "instruction", "instructions"),
        *("data", "state", "content", "q", "utterance", "str_or_query_bundle"),
    )
)
GIVEN_NAMES: Final = frozenset(
    (
        *("context", "ctx", "lambda_context", "request_context", ""),
        *("session_id", "thread_id", "conversation_id"),
        *("history", "chat_history", "conversation_history", "message_history"),
    )
)
"""What the harness gives beside the query where it has to be given."""
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


def plain(name: str) -> str:
    """The name without what is written around it for other reasons."""
    return name.strip("_").lower()


def is_usual(parameters: Sequence[Parameter]) -> bool:
    """Whether one of them is plainly meant for the query."""
    return any(plain(one.name) in QUERY_NAMES and one.is_text and not one.variadic for one in parameters)


def why_no_query(parameters: Sequence[Parameter]) -> str:
    """Why no query can get in, in words that follow "cannot take the query: "; empty where one can or may."""
    if not parameters:
        return "it takes nothing"
    required = [one for one in parameters if one.required]
    missing = [one.name for one in required if plain(one.name) not in GIVEN_NAMES | QUERY_NAMES]
    if any(plain(one.name) in QUERY_NAMES and not one.variadic for one in parameters):
        query = next(one.name for one in parameters if plain(one.name) in QUERY_NAMES)
        return f"it needs {_listed(missing)} beside {query}" if missing else ""
    if len(required) == 1 and required[0].kind == "positional":
        return ""
    if len(required) == 1:
        return f"{required[0].name} is no usual name for what an agent is asked"
    if required:
        return "" if len(missing) < len(required) else f"it needs {_listed(missing)}, and none of them is the query"
    if any(one.variadic for one in parameters) or plain(parameters[0].name) in COMMAND_LINE_NAMES:
        return ""
    return f"{_listed([one.name for one in parameters])} is no usual name for what an agent is asked"


def missing_without_query(parameters: Sequence[Parameter]) -> list[str]:
    """What must be given where there is no query."""
    return [one.name for one in parameters if one.required and plain(one.name) not in GIVEN_NAMES]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
