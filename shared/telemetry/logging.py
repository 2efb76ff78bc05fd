"""Structured logs: an event name and fields, one JSON object per line on standard output.

Ids (test, attempt, trace) are bound once, at the edge that learns them, and stand in every line logged below it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TextIO

import structlog

from shared.telemetry.notes import keep_errors
from shared.telemetry.tracing import trace_id


def configure(*, level: str, output: Literal["json", "console"], stream: TextIO | None = None) -> None:
    """Sets structlog and the standard library's logging up for this process. Call it once, from a `__main__`."""
    number = logging.getLevelNamesMapping()[level.upper()]
    target = stream or sys.stdout
    render: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if output == "json"
        # Not the pretty traceback: it takes half a second, in which nothing else runs.
        else structlog.dev.ConsoleRenderer(colors=target.isatty(), exception_formatter=structlog.dev.plain_traceback)
    )
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        keep_errors,
    ]
    format_error = [structlog.processors.format_exc_info] if output == "json" else []
    structlog.configure(
        processors=[*shared, *format_error, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *format_error, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))  # libraries speak only when something is wrong


@contextmanager
def bound(*, test_id: str | None = None, attempt: int | None = None, traceparent: str | None = None) -> Iterator[None]:
    """Every line logged inside carries these ids."""
    fields: dict[str, object] = {}
    if test_id:
        fields["test_id"] = test_id
    if attempt:
        fields["attempt"] = attempt
    if traceparent:
        fields["trace_id"] = trace_id(traceparent)
    with structlog.contextvars.bound_contextvars(**fields):
        yield
