"""The one message from the agent's process to the harness."""

from __future__ import annotations

import posix as os  # what is in os without what makes its import cost a millisecond
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.answers import Answering, TooLarge
from services.orchestrator.harness.src.conversion_notes import unwarned
from services.orchestrator.harness.src.file_descriptors import complain, write_all
from services.orchestrator.harness.src.hints import environment_variable, leaf_of
from services.orchestrator.harness.src.jsontext import NotJson, to_json
from services.orchestrator.harness.src.naming import type_name
from services.orchestrator.harness.src.own_files import is_our_file
from services.orchestrator.harness.src.particulars import MAX_HINT
from services.orchestrator.harness.src.plain_answers import NotPlain, plain_copy
from services.orchestrator.harness.src.shown_answer import log_answer
from services.orchestrator.harness.src.usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Any


MAX_MESSAGE = 8 * 1024  # characters of an error message
MAX_TRACEBACK = 32 * 1024
CODE = {"function": "function", "builtin_function_or_method": "function", "method": "method", "module": "module"}


class Reply:
    """The one message from the agent's process to the harness."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.owner = os.getpid()

    def is_ours(self) -> bool:
        """False in a copy that the agent forked: whatever its function does there, it is not asked."""
        return os.getpid() == self.owner

    def answer(self, value: Any, module: object, limit: int, *, strict: bool, loop: Any, seconds: float) -> None:
        """Converts it, or fails where it is `strict` and not plain JSON of at most `limit` bytes. The loop is closed
        then: what still runs in it may do something at its end that belongs to the test."""
        try:
            response = plain_copy(value, limit)
        except NotPlain:
            self._convert(value, module, limit, strict=strict, loop=loop, seconds=seconds)
        else:
            usage = unwarned(lambda: usage_of(value, module))
            loop.close()
            self._send({"response": response, "usage": usage, "conversions": []})

    def _convert(self, value: Any, module: object, limit: int, *, strict: bool, loop: Any, seconds: float) -> None:
        if (kind := code_of(value)) is not None:
            hint = "Was it meant to be called? Return what it gives: return inner(query), not return inner."
            self.fail("RESULT_INVALID", f"The agent returned {kind}, not an answer.", hint=hint)
            return
        answering = Answering(strict=strict, loop=loop, seconds=seconds)
        try:
            response = answering.json(value, limit)
        except (NotJson, TooLarge) as error:
            log_answer(value, loop, answering.budget.left())
            loop.close()
            self.fail("RESULT_INVALID" if isinstance(error, NotJson) else "RESULT_TOO_LARGE", str(error))
        else:
            usage = unwarned(lambda: usage_of(value, module))
            loop.close()
            self._send({"response": response, "usage": usage, "conversions": answering.notes()})

    def printed(self) -> None:
        """The answer is what was printed, which the harness has."""
        self._send({"response": None, "printed": True, "usage": None})

    def fail(self, code: str, message: str | None, error: BaseException | None = None, hint: str = "") -> None:
        """`hint`: what to do, where we know better than what is usual for the code."""
        self._send({"code": code, "error": {**describe(error, message), "hint": hint[:MAX_HINT]}})

    def announce(self, entry: Mapping[str, object]) -> None:
        """Before the call: what is called and how, as `particulars.entry_in` reads it. Once."""
        self._write({"entry": entry})

    def _send(self, message: Mapping[str, object]) -> None:
        if self._write(message):
            os.close(self.fd)

    def _write(self, message: Mapping[str, object]) -> bool:
        if not self.is_ours():
            return False
        try:
            write_all(self.fd, to_json(message).encode("utf-8", "replace") + b"\n")
        except OSError as error:  # the agent has closed what was not its own
            complain(f"the answer cannot be handed over: {error}")
            return False
        return True


def code_of(value: object) -> str | None:
    """What it is, where the whole answer is a piece of a program: something was not called."""
    kind = type(value)
    if not (issubclass(kind, type) or (kind.__module__ == "builtins" and kind.__name__ in CODE)):
        return None
    what = "a class" if issubclass(kind, type) else f"a {CODE[kind.__name__]}"
    try:
        name = value.__name__  # type: ignore[attr-defined]
    except Exception:  # a metaclass may do anything
        return what
    return f"{what} ({name[:200]})" if isinstance(name, str) else what


def describe(error: BaseException | None, message: str | None) -> dict[str, str]:
    """type, message and traceback, in sizes that can be stored; the traceback without our own frames."""
    if error is None:
        return {"type": "", "message": (message or "")[:MAX_MESSAGE], "traceback": ""}
    leaf = leaf_of(error)
    if message is None:
        message = _said(leaf)
        if leaf is not error:
            message += f" (alone in an {type_name(type(error))}: {_said(error)})"
    if isinstance(error, SystemExit):
        return {"type": "SystemExit", "message": message[:MAX_MESSAGE], "traceback": ""}
    import traceback

    place: TracebackType | None = error.__traceback__
    while place is not None and _is_machinery(place.tb_frame.f_code.co_filename):
        place = place.tb_next
    try:
        text = "".join(traceback.format_exception(type(error), error, place))
    except Exception as problem:  # an exception that cannot even be shown
        text = f"{type_name(type(error))} (its traceback cannot be shown: {type(problem).__name__})"
    if len(text) > MAX_TRACEBACK:
        text = f"{text[: MAX_TRACEBACK // 2]}\n[...]\n{text[-MAX_TRACEBACK // 2 :]}"
    return {"type": type_name(type(leaf)), "message": message[:MAX_MESSAGE], "traceback": text}


def _is_machinery(file: str) -> bool:
    """Ours, or what we let Python do before code of the agent is reached."""
    if is_our_file(file) or file == "<frozen runpy>":
        return True
    return file.startswith("<frozen importlib") or file.endswith(("/asyncio/runners.py", "/asyncio/base_events.py"))


def _said(error: BaseException) -> str:
    if isinstance(error, KeyError) and environment_variable(error):
        return str(error.args[0])  # without quotes: what the user has to set
    if isinstance(error, SyntaxError):
        name = (error.filename or "agent.py").rpartition("/")[2]
        return f"{name}, line {error.lineno}: {error.msg}"
    try:
        return str(error) or type_name(type(error))
    except Exception:
        return "(its text cannot be shown)"
