"""What is said of a file that has nothing to call, and what its writer can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.orchestrator.harness.src.candidates import AGENT_NAMES, methods_of
from services.orchestrator.harness.src.frameworks import is_of_a_framework
from services.orchestrator.harness.src.naming import file_of, type_name
from services.orchestrator.harness.src.relations import ModuleOfPython, is_function
from services.orchestrator.harness.src.servers import is_a_server

if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


AS_A_SCRIPT = (
    "run the file as a script with the entry point __main__ (-e __main__): the query then is its argument, its "
    "standard input and in ASSAY_QUERY, and what it prints is the answer"
)


def offers(target: Any) -> str:
    home = getattr(target, "__name__", "")
    found = (
        [
            name
            for name, value in vars(target).items()
            if not name.startswith("_")
            and ((callable(value) and _home_of(value, home) == home) or _is_an_agent(name, value))
        ]
        if hasattr(target, "__dict__")
        else []
    )
    return f"It defines {', '.join(found[:20])}." if found else "It defines nothing that can be called."


def _is_an_agent(name: str, value: Any) -> bool:
    """An object that would be taken if nothing were named."""
    if issubclass(type(value), (type, ModuleOfPython)) or is_function(value) or is_a_server(value):
        return False
    return is_of_a_framework(value) or (name in AGENT_NAMES and any(methods_of(value)))


def _home_of(value: Any, otherwise: str) -> object:
    try:
        return getattr(value, "__module__", otherwise)
    except Exception:  # a proxy of what is not there yet
        return None


def lacking(name: str, target: Any, module: ModuleType, source: str = "") -> str:
    """What is there under the name, and why that cannot be called."""
    said = f"{name!r} is in {file_of(module)}, but it is of the type {type_name(type(target))}"
    if is_a_server(target):
        said += ": a server, which is not started. Name the function that answers as the entry point"
    else:
        said += ": no function, and without a method to call (such as run_sync, invoke, run or __call__)"
    runner = next(
        (one for one, value in vars(module).items() if one.endswith("Runner") and issubclass(type(value), type)), ""
    )
    ways = [one for one in ("run_sync", "run") if hasattr(vars(module).get(runner), one)]
    if ways:
        said += (
            f". Where {runner} runs it, write a function that does: def run(query): return "
            f"{runner}.{ways[0]}({name}, query)"
        )
    elif not is_a_server(target):
        said += f". Write a function that runs it: def run(query): ... {name} ..."
    said += "."
    if source and has_a_main_guard(source):
        said += f" Or {AS_A_SCRIPT}."
    return said


def has_a_main_guard(source: str) -> bool:
    return "__name__" in source and "__main__" in source
