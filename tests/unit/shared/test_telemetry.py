import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from shared.errors import AssayError, Malformed, NotFound, Unavailable
from shared.telemetry import tracing
from shared.telemetry.logging import bound, configure

TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    stream = io.StringIO()
    configure(level="info", output="json", stream=stream)
    yield stream
    structlog.configure(**before)
    root.handlers[:], root.level = handlers, level


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_its_ids(logged: io.StringIO) -> None:
    log = structlog.get_logger()
    with bound(test_id="tst_1", attempt=2, traceparent=TRACE):
        log.info("task_launched", runtime="process")
    log.info("after")
    first, second = lines(logged)
    assert (first["event"], first["level"], first["runtime"]) == ("task_launched", "info", "process")
    assert (first["test_id"], first["attempt"], first["trace_id"]) == ("tst_1", 2, "a" * 32)
    assert "timestamp" in first
    assert not {"test_id", "attempt", "trace_id"} & second.keys()


def test_an_error_stays_on_one_line_with_its_traceback(logged: io.StringIO) -> None:
    log = structlog.get_logger()
    try:
        raise ValueError("no\nnewline")
    except ValueError as error:
        log.error("it_broke", exc_info=error)
    (line,) = lines(logged)
    assert "ValueError: no\nnewline" in line["exception"]


def test_a_traceback_shows_no_values(logged: io.StringIO) -> None:
    """On a terminal neither: whoever looks over a shoulder, or gets the log by mail, must not find a key in it."""
    configure(level="info", output="console", stream=logged)
    secret = "hunter2"
    try:
        raise ValueError(len(secret))
    except ValueError as error:
        structlog.get_logger().error("it_broke", exc_info=error)
    assert "ValueError: 7" in logged.getvalue()
    assert "hunter2" not in logged.getvalue()


def test_libraries_are_heard_when_something_is_wrong_and_look_the_same(logged: io.StringIO) -> None:
    library = logging.getLogger("some.library")
    library.info("chatter")
    library.warning("disk %s", "full")
    (line,) = lines(logged)
    assert (line["event"], line["level"]) == ("disk full", "warning")


def test_what_is_below_the_level_is_not_written(logged: io.StringIO) -> None:
    structlog.get_logger().debug("chatter")
    assert logged.getvalue() == ""


def test_a_trace_goes_on_from_the_callers() -> None:
    child = tracing.new_traceparent(TRACE)
    assert tracing.trace_id(child) == "a" * 32
    assert child != TRACE


@pytest.mark.parametrize("header", ["", None, "nonsense", TRACE.upper(), TRACE + "-more", "01" + TRACE[2:]])
def test_without_a_valid_trace_a_new_one_begins(header: str | None) -> None:
    made = tracing.new_traceparent(header)
    assert len(tracing.trace_id(made)) == 32
    assert tracing.trace_id(made) != "a" * 32
    assert tracing.trace_id(header or "") == ""


def test_errors_say_what_they_mean_and_whether_another_try_helps() -> None:
    assert str(NotFound()) == "There is no such thing, or it is not yours."
    assert str(NotFound("no such test")) == "no such test"
    assert [kind.retryable for kind in (AssayError, NotFound, Malformed, Unavailable)] == [False, False, False, True]
