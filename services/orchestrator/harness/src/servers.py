"""Objects that wait for requests instead of answering a query: servers, and what adapts them to a platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.naming import families_of
from services.orchestrator.harness.src.parameters import Parameter, parameters_of
from services.orchestrator.harness.src.query_names import HANDLER_NAMES, QUERY_NAMES, plain_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


# Packages of servers and of what only describes them: nothing of theirs is called with a query.
SERVERS = frozenset(
    ("fastapi", "starlette", "flask", "quart", "aiohttp", "sanic", "gradio", "django", "tornado", "uvicorn", "bottle")
    + ("litestar", "bedrock_agentcore", "chainlit", "streamlit", "fastmcp", "mcp", "slack_bolt", "discord")
    + ("chalice", "mangum", "werkzeug", "aws_lambda_powertools")
)
SERVER_CLASSES = frozenset(("Chalice", "Mangum", "FastAPI", "Flask", "Starlette"))  # of whatever package
# Who gives these to a method starts a server. No `debug`: agents have that, too.
SERVER_PARAMETERS = frozenset(("host", "port", "reload", "workers", "use_reloader", "transport"))
SERVING = ("run", "arun", "run_sync")
ADAPTER_NAMES = ("app", "application", "handler", "lambda_handler")


def is_a_server(target: Any) -> bool:
    if families_of(target) & SERVERS:
        return True
    line = [one for one in type(target).__mro__ if one is not object]
    if any(one.__name__ in SERVER_CLASSES for one in line):
        return True
    return any(starts_a_server(vars(one)[name]) for one in line for name in SERVING if name in vars(one)) and not any(
        name in vars(one) for one in line for name in ("invoke", "ainvoke", "kickoff", "query", "chat", "ask", "answer")
    )


def starts_a_server(method: Any) -> bool:
    """`run(host=..., port=...)`: what takes an address and no query."""
    return serves(parameters_of(method)) if callable(method) else False


def serves(parameters: Sequence[Parameter] | None) -> bool:
    names = {plain_name(one.name) for one in parameters or () if not one.variadic}
    return bool(names & SERVER_PARAMETERS) and names.isdisjoint(QUERY_NAMES)


def is_an_adapter(name: str, target: Any) -> bool:
    """`app(event, context)`: an object that a platform calls, and which finds the function for the event itself."""
    call = next((vars(base)["__call__"] for base in type(target).__mro__ if "__call__" in vars(base)), None)
    if name not in ADAPTER_NAMES or call is None:
        return False
    names = [plain_name(one.name) for one in parameters_of(call) or ()][1:]
    return len(names) > 1 and names[0] in (*HANDLER_NAMES, "scope")
