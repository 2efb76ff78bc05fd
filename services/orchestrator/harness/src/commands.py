"""Commands of click and typer: called through their own parser, so that options and defaults are what they say."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.plan import Plan, QueryNotAccepted
from services.orchestrator.harness.src.printed import printed_answer
from services.orchestrator.harness.src.query_names import QUERY_NAMES, plain_name
from services.orchestrator.harness.src.record_values import members_of
from services.orchestrator.harness.src.relations import is_function

if TYPE_CHECKING:
    from typing import Any


MOST_KEPT = 4 * 1024 * 1024  # characters of what a command prints that can become an answer
USUAL_COMMANDS = ("run", "main", "ask", "query", "chat", "answer", "invoke", "agent")


class Tee:
    """Standard output that also is kept, while a command runs."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._kept: list[str] = []
        self._room = MOST_KEPT

    def write(self, text: str) -> int:
        written = self._stream.write(text)  # first: who writes bytes to see whether that goes is told that it does not
        if self._room > 0:
            self._kept.append(text[: self._room])
            self._room -= len(text)
        return int(written)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def text(self) -> str:
        return "".join(self._kept)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def is_a_command(target: Any) -> bool:
    """A click command or group, or a Typer app."""
    return hasattr(target, "registered_commands") or (hasattr(target, "params") and hasattr(target, "main"))


def command_of(function: Any) -> Any:
    """A Typer app for a function whose defaults only Typer understands, as typer.run makes one; else None."""
    typer = sys.modules.get("typer")
    if typer is None or not is_function(function):
        return None
    defaults = (
        *(getattr(function, "__defaults__", None) or ()),
        *(getattr(function, "__kwdefaults__", None) or {}).values(),
    )
    if not any(type(one).__module__ == "typer.models" for one in defaults):
        return None
    app = typer.Typer(add_completion=False)
    app.command()(function)
    return app


def command_plan(target: Any, name: str, query: str) -> Plan:
    """The command with the query as its argument. Raises QueryNotAccepted."""
    command = target
    if hasattr(target, "registered_commands"):  # a Typer app makes its command when asked
        command = sys.modules["typer"].main.get_command(target)
    words, shown = _words(command, name, query)
    return Plan(_run_command, (command, name, words), call=f"{name} {' '.join(shown)}")


def _words(command: Any, name: str, query: str) -> tuple[list[str], list[str]]:
    inner = getattr(command, "commands", None)
    if isinstance(inner, dict) and inner:
        chosen = _subcommand(inner)
        if chosen is None:
            raise QueryNotAccepted(
                f"{name} is a group of commands ({', '.join(sorted(inner)[:20])}), and none of them is plainly the "
                f"agent. Name the function of one as the entry point, or write a function that takes the query."
            )
        words, shown = _words(inner[chosen], f"{name} {chosen}", query)
        return [chosen, *words], [chosen, *shown]
    texts, others = [], []
    for one in command.params:
        if _is_text(one) and (_is_argument(one) or plain_name(one.name or "") in QUERY_NAMES):
            texts.append(one)
        elif one.required:
            others.append(one.name)
    texts.sort(key=lambda one: (not one.required, plain_name(one.name or "") not in QUERY_NAMES))
    needed = [one.name for one in texts[1:] if one.required] + others
    if not texts or needed:
        wants = ", ".join(one.name for one in command.params) or "nothing"
        raise QueryNotAccepted(
            f"{name} is a command line that takes {wants}: Assay can give it one text. Give it one argument for the "
            f"query, as in @click.argument('query'), or write a function that takes the query."
        )
    target = texts[0]
    if _is_argument(target):
        return ["--", query], [_quoted("query")]
    option = max(target.opts, key=len)
    return [f"{option}={query}" if option.startswith("--") else option + query], [f"{option}={_quoted('query')}"]


def _is_argument(parameter: Any) -> bool:
    return "Argument" in type(parameter).__name__


def _is_text(parameter: Any) -> bool:
    """By click's type, or by the annotation that newer versions of typer keep instead."""
    annotation = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    if annotation is not None:
        return annotation is str or str in (members_of(annotation) or ())
    return getattr(getattr(parameter, "type", None), "name", "") == "text"


def _quoted(text: str) -> str:
    return f'"${text}"'


def _subcommand(commands: dict[str, Any]) -> str | None:
    usual = [name for name in commands if name in USUAL_COMMANDS]
    return next(iter(commands)) if len(commands) == 1 else usual[0] if len(usual) == 1 else None


def _run_command(command: Any, name: str, words: list[str]) -> object:
    """What the command returns, else what it printed."""
    before: Any = sys.stdout
    tee: Any = Tee(before)
    sys.stdout = tee
    try:
        with command.make_context(name, words) as context:  # as its `main` does, which answers with the exit code
            value = command.invoke(context)
    except Exception as error:
        status = getattr(error, "exit_code", None)
        if type(error).__name__ == "Exit" and isinstance(status, int):
            if status:
                raise SystemExit(status) from None
            return printed_answer(tee.text(), MOST_KEPT)
        said: Any = getattr(error, "format_message", None)
        if said and "UsageError" in (
            base.__name__ for base in type(error).__mro__
        ):  # click's own words for a wrong call
            raise QueryNotAccepted(f"{name} does not take the query: {said()}") from None
        raise
    finally:
        if sys.stdout is tee:
            sys.stdout = before
    if value is None or (value == 0 and type(value) is int and tee.text()):
        return printed_answer(tee.text(), MOST_KEPT)
    return value
