"""How values read on a terminal: pure functions from values to lines of styled pieces, without any I/O.

What an agent or a user wrote goes through `safe` first: it must not be able to steer the reader's terminal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from assay.logs import LogLevel, LogLine, LogsComplete, LogStream, PartialLine
from assay.outcome import Failure
from assay.tests import Test, TestState

Piece = tuple[str, str]  # text and the name of a style of screen.py ("" is plain)
Line = list[Piece]

_SHOWN_FILES = 5
BAR = "│ "  # before lines that somebody else wrote

# Not the tab. Halves of characters (surrogates) cannot be printed.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_COLOURS = re.compile(rf"({_COLOUR.pattern})")

STATE_STYLES = {
    TestState.SUBMITTED: "dim",
    TestState.QUEUED: "wait",
    TestState.BUILDING: "work",
    TestState.RUNNING: "work",
    TestState.COMPLETED: "good",
    TestState.FAILED: "bad",
    TestState.TIMED_OUT: "bad",
    TestState.ARCHIVED: "dim",
}
_LEVEL_STYLES = {
    LogLevel.DEBUG: "dim",
    LogLevel.WARNING: "warn",
    LogLevel.ERROR: "bad",
    LogLevel.CRITICAL: "bad",
}


def safe(text: str) -> str:
    """One line that shows control characters instead of obeying them; colours are left out."""
    return _CONTROL.sub(
        lambda found: f"\\x{ord(found[0]):02x}" if found[0] < "\x80" else f"\\u{ord(found[0]):04x}",
        _COLOUR.sub("", text),
    )


def coloured(text: str) -> str:
    """As `safe`, with the colours: for a terminal that may be coloured."""
    if "\x1b" not in text:
        return safe(text)
    pieces = _COLOURS.split(text)  # text, colour, text, ...
    shown = "".join(piece if at % 2 else safe(piece) for at, piece in enumerate(pieces))
    return f"{shown}\x1b[0m" if len(pieces) > 1 else shown


def tail_of(text: str, width: int) -> str:
    """The end of it, in so many columns of a terminal."""
    from rich.cells import cell_len

    if cell_len(text) <= width:
        return text
    room, at = width - 1, len(text)
    while at > 0 and room >= (cells := cell_len(text[at - 1])):
        room -= cells
        at -= 1
    return f"…{text[at:]}" if width > 0 else ""


def block(text: str) -> list[str]:
    """Several lines, each of them safe."""
    return [safe(line) for line in text.splitlines()]


def span(value: timedelta | None) -> str:
    """A duration with the digits that matter."""
    if value is None:
        return "-"
    seconds = value.total_seconds()
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600:02d} h"


def roughly(value: timedelta) -> str:
    """A duration without fractions."""
    seconds = round(value.total_seconds())
    return f"{seconds} s" if seconds < 60 else span(timedelta(seconds=seconds))


def size(count: int) -> str:
    """Bytes with a binary unit."""
    if count < 1024:
        return f"{count} B"
    for unit, scale in (("KiB", 2**10), ("MiB", 2**20), ("GiB", 2**30)):
        if count < scale * 1024 or unit == "GiB":
            return f"{count / scale:.1f} {unit}"
    raise AssertionError("the last unit takes everything")


def age(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "-"
    past = now - moment
    return "now" if past < timedelta(seconds=1) else f"{roughly(past)} ago"


def clock(moment: datetime) -> str:
    """Local time of day, to the millisecond."""
    return moment.astimezone().strftime("%H:%M:%S.%f")[:-3]


def percent(share: float) -> str:
    """A share of 0 to 1. Only all of it is 100 %, and only nothing is 0 %."""
    if share in {0.0, 1.0}:
        return f"{share * 100:.0f} %"
    shown = min(max(share * 100, 0.1), 99.9)
    return f"{shown:.1f} %"


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def log_line(line: LogLine | PartialLine, *, continued: bool = False, colours: bool = False) -> Line:
    """A line beside others of a story: with its time, and marked where it is not the agent's ordinary output.

    `continued`: it is the rest of one. `colours`: the text keeps those that the agent gave it."""
    style = _LEVEL_STYLES.get(line.level, "")
    if line.stream in (LogStream.BUILD, LogStream.SYSTEM):
        style = style or "dim"
    mark = {LogStream.STDERR: "!", LogStream.BUILD: "+", LogStream.SYSTEM: "*"}.get(line.stream, "|")
    if continued or (isinstance(line, LogLine) and line.continued):
        mark = ">"
    return [(f"  {clock(line.time)} {mark} ", "dim"), ((coloured if colours else safe)(line.text), style)]


def head(test: Test) -> Line:
    query = asked(test)
    name = safe(test.spec.name or test.spec.agent_name)
    return [(test.id, "id"), ("  ", ""), (name, "strong"), ("  ", ""), (cut(query, 60), "dim")]


def asked(test: Test) -> str:
    """The query on one line."""
    return "(without a query)" if test.spec.query is None else safe(" ".join(test.spec.query.split()))


def place(test: Test) -> str:
    """What is worth saying about a test that has not ended, beside its state."""
    if test.cancellation is not None and not test.state.ended:
        return "stopping"
    if test.state.waiting and test.queue_place is not None:
        wait = test.queue_place.estimated_wait
        told = wait is not None and wait.total_seconds() >= 0.5  # "about 0 s" tells nothing
        return f"position {test.queue_place.position}" + (f", about {roughly(wait)}" if told and wait else "")
    return f"attempt {test.attempt}" if test.attempt > 1 else ""


def answer(test: Test) -> Iterator[Line]:
    """The answer: text as it is, everything else as indented JSON. A terminal shows the lines of a text behind a bar
    (screen.py): they cannot be taken for ours."""
    if test.result is None or not test.result.response_json:
        return
    try:
        value: Any = test.response
    except (ValueError, RecursionError):  # no JSON, or none that can be shown
        value = test.result.response_json
    if isinstance(value, str):
        yield from ([(line, "answer")] for line in block(value) or [""])
        return
    try:
        pretty = json.dumps(value, indent=2, ensure_ascii=False)
    except (UnicodeError, ValueError, RecursionError):
        pretty = test.result.response_json
    yield from ([(line, "json")] for line in block(pretty))


def failure(problem: Failure) -> Iterator[Line]:
    """What went wrong, where in the agent, and what to do."""
    where = f" in {problem.stage}" if problem.stage else ""
    yield [("✗ ", "bad"), (problem.code, "bad"), (where, "dim")]
    # An agent may have written all but the first words: its lines stand behind a bar and cannot be taken for a hint.
    first, *more = block(problem.message) or [""]
    yield [(f"  {first}", "")]
    yield from ([(f"  {BAR}{line}", "")] for line in more)
    if problem.agent_error is not None and problem.agent_error.traceback:
        yield from ([(f"  {BAR}{line}", "dim")] for line in block(problem.agent_error.traceback))
    if problem.hint:
        yield [("  hint: ", "strong"), (safe(problem.hint), "")]


def verdict(test: Test) -> Iterator[Line]:
    """How a test ended, and what it took."""
    total = test.result.metrics.total if test.result else None
    if total is None and test.times.ended and test.times.submitted:
        total = test.times.ended - test.times.submitted
    took = f" in {span(total)}" if total is not None else ""
    if test.passed:
        yield [("✓ ", "good"), (f"passed{took}", "good"), (f"  {test.id}", "dim")]
    elif test.failure is not None:
        yield from failure(test.failure)
        word = "cancelled" if test.failure.code == "CANCELLED" else "failed"
        yield [("  ", ""), (f"{word}{took}", "bad"), (f"  {test.id}", "dim")]
    else:
        yield [("✗ ", "bad"), (f"{test.state.value.lower()}{took}", "bad"), (f"  {test.id}", "dim")]
    if figures := _figures(test):
        yield [(f"  {figures}", "dim")]


def _figures(test: Test) -> str:
    parts: list[str] = []
    if test.result is not None:
        metrics = test.result.metrics
        named = (("queue", metrics.queue), ("build", metrics.build), ("run", metrics.run), ("cpu", metrics.cpu))
        parts += [f"{name} {span(value)}" for name, value in named if value is not None]
        if metrics.peak_memory_bytes:
            parts.append(f"peak {size(metrics.peak_memory_bytes)}")
        if usage := test.result.usage:
            parts.append(f"tokens {usage.input_tokens:,} in, {usage.output_tokens:,} out")
    if test.cost:
        parts.append(f"${test.cost.total_usd:.4f}")
    if test.attempt > 1:
        parts.append(f"attempt {test.attempt}")
    return " · ".join(parts)


def output(complete: LogsComplete) -> Line:
    """Whether the lines shown are all there are."""
    lines = plural(complete.received, "line")
    if complete.truncated:
        return [(f"  {lines}; the agent wrote more than the limit, the rest was not kept", "warn")]
    if complete.complete:
        return [(f"  {lines}, complete", "dim")]
    lost = sum(last - first + 1 for first, last in complete.missing)
    if lost:
        return [(f"  {lines}, {lost} missing", "warn")]
    return [(f"  {lines}; there may have been more (the output has no end mark)", "warn")]


def details(test: Test, now: datetime) -> Iterator[Line]:
    """Everything that one wants to know about a test at a glance."""
    yield [
        (test.id, "id"),
        ("  ", ""),
        (test.state.value, STATE_STYLES.get(test.state, "")),
        (f"  {place(test)}", "dim"),
    ]
    spec = test.spec
    model = ":".join(part for part in (spec.model.provider, spec.model.model_id) if part) if spec.model else ""
    limits = [f"timeout {span(spec.timeout)}"] if spec.timeout else []
    limits += [f"{spec.cpu:g} vCPU"] if spec.cpu else []
    limits += [f"{spec.memory_mib} MiB"] if spec.memory_mib else []
    limits += [] if spec.network else ["no network"]
    submitted = test.times.submitted
    rows = (
        ("name", spec.name or spec.agent_name),
        ("query", cut(asked(test), 200)),
        ("model", model),
        ("limits", ", ".join(limits)),
        ("labels", ", ".join(f"{key}={value}" for key, value in sorted(spec.labels.items()))),
        ("user", test.user_id),
        ("submitted", f"{submitted.astimezone():%Y-%m-%d %H:%M:%S} ({age(submitted, now)})" if submitted else ""),
        ("runs on", " ".join(part for part in (test.task.runtime, test.task.task_id) if part) if test.task else ""),
        ("retry of", test.retry.retry_of if test.retry else ""),
        ("output", f"{plural(test.logs.lines, 'line')}, {size(test.logs.bytes)}" if test.logs.lines else ""),
        *_files(test),
    )
    yield from ([(f"  {name:<10}", "dim"), (safe(value), "")] for name, value in rows if value)
    if test.ended:
        yield []
        shown = list(answer(test))
        if shown:
            yield from shown
            yield []
        yield from verdict(test)


def _files(test: Test) -> Iterator[tuple[str, str]]:
    for name, files in (("project", test.project_files), ("inputs", test.input_files), ("files", test.output_files)):
        shown = [f"{file.path} ({size(file.size)})" for file in files[:_SHOWN_FILES]]
        if len(files) > _SHOWN_FILES:
            shown.append(f"and {len(files) - _SHOWN_FILES} more: assay files {test.id}")
        yield name, ", ".join(shown)


def cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"
