"""What a replica says of itself: its newest error without secrets, how late it is, its checks."""

import asyncio
import io
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from shared.clock import ManualClock
from shared.telemetry.health import Health
from shared.telemetry.logging import configure
from shared.telemetry.notes import LONGEST, NOTES, Notes, speaking_for, told
from shared.telemetry.report import LAG_KEPT_S, Lateness, Report, Reporter

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = "fdJ8s7Qq0aZ1x2C3v4B5n6M7l8K9j0H1g2F3d4S5"


@pytest.fixture
def logs() -> Iterator[structlog.BoundLogger]:
    """Loggers as services have them."""
    root = logging.getLogger()
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    configure(level="error", output="json", stream=io.StringIO())
    yield structlog.get_logger()
    structlog.configure(**before)
    root.handlers[:], root.level = handlers, level


def newest(service: str) -> str:
    note = NOTES.newest(service)
    return note.message if note else ""


async def test_an_error_is_noted_as_its_services_where_several_run_in_one_process(logs: structlog.BoundLogger) -> None:
    async def service(name: str, ready: asyncio.Event, go: asyncio.Event) -> None:
        with speaking_for(name):
            ready.set()
            await go.wait()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(work(name))

    async def work(name: str) -> None:
        logs.error("it_broke", error=f"in {name}", payload=SECRET)

    go = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for name in ("one", "other"):
            ready = asyncio.Event()
            tasks.create_task(service(name, ready, go))
            await ready.wait()
        go.set()
    assert (newest("one"), newest("other")) == ("it_broke: in one", "it_broke: in other")


def test_only_errors_are_noted_with_what_was_raised(logs: structlog.BoundLogger) -> None:
    with speaking_for("noted"):
        logs.warning("not_so_bad")
        assert newest("noted") == ""
        try:
            raise ValueError("what\nwas wrong")
        except ValueError as error:
            logs.error("it_broke", exc_info=error)
            assert newest("noted") == "it_broke: ValueError: what was wrong"
            logs.exception("it_broke_again")
        assert newest("noted") == "it_broke_again: ValueError: what was wrong"
        logging.getLogger("a.library").error("said %s", "so")
        assert newest("noted") == "said so"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nats://user:pass@host:4222 is away", "nats://***@host:4222 is away"),
        ("GET https://bucket.s3/key?X-Amz-Signature=abc&x=y failed", "GET https://bucket.s3/key?*** failed"),
        ("authorization: Bearer abc.def", "authorization: Bearer ***"),
        ("password=hunter2 was wrong", "password=*** was wrong"),
        ('{"api_key": "abc", "x": 1}', '{"api_key": *** "x": 1}'),
        (f"the key {SECRET} is unknown", "the key *** is unknown"),
        ("test tst_" + "0" * 32 + " of a_service_with_a_name_of_many_letters", None),
        ("ServerSelectionTimeoutError: 127.0.0.1:27017: [Errno 111] Connection refused", None),
    ],
)
def test_what_looks_like_a_credential_is_not_told(text: str, shown: str | None) -> None:
    assert told(text) == (text if shown is None else shown)


def test_an_error_is_one_short_line() -> None:
    line = told("very\nlong " * 500)
    assert len(line) == LONGEST
    assert "\n" not in line


class Replica:
    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.seconds = 0.0
        self.notes = Notes()
        self.health = Health("scheduler")
        self.lateness = Lateness(lambda: self.seconds)
        self.reporter = Reporter(
            self.health, instance="one", lateness=self.lateness, notes=self.notes, clock=self.clock
        )

    async def report(self) -> Report:
        return await self.reporter.report(limit_s=0.05)


async def test_a_report_has_the_checks_with_what_is_wrong_and_without_credentials() -> None:
    replica = Replica()

    async def ill() -> None:
        raise ConnectionError("mongodb://user:secret@host does not answer")

    replica.health.add("mongodb", ill)
    replica.health.add("nats", asyncio.Event().wait)  # type: ignore[arg-type]
    found = await replica.report()
    assert [(check.name, check.problem) for check in found.checks] == [
        ("mongodb", "ConnectionError: mongodb://***@host does not answer"),
        ("nats", "no answer within 0.05 s"),
    ]
    assert (found.service, found.instance, found.started_at) == ("scheduler", "one", NOW)
    assert Report.model_validate_json(found.model_dump_json()) == found


async def test_an_error_is_reported_for_an_hour() -> None:
    replica = Replica()
    replica.notes.add("orchestrator", "not its own", NOW)
    assert (await replica.report()).last_error is None
    replica.notes.add("scheduler", "it_broke", NOW)
    replica.clock.advance(timedelta(hours=1))
    error = (await replica.report()).last_error
    assert error
    assert (error.message, error.at) == ("it_broke", NOW)
    replica.clock.advance(timedelta(seconds=1))
    assert (await replica.report()).last_error is None


async def test_the_lag_is_the_longest_wait_of_the_last_minute() -> None:
    replica = Replica()
    assert (await replica.report()).lag_s == 0
    for waited in (0.5, 3.25, 1.0, -2.0):  # a clock of another machine may be ahead
        replica.lateness.note(waited)
        replica.seconds += 0.3
    assert (await replica.report()).lag_s == 3.25
    replica.seconds += LAG_KEPT_S - 5
    replica.lateness.note(0.75)
    assert (await replica.report()).lag_s == 3.25
    replica.seconds += 10
    assert (await replica.report()).lag_s == 0.75


async def test_many_messages_cost_no_more_memory_than_a_minute_has_seconds() -> None:
    replica = Replica()
    for number in range(10_000):
        replica.lateness.note(number / 1000)
        replica.seconds += 0.1
    assert (await replica.report()).lag_s == pytest.approx(9.999)
    assert len(replica.lateness._steps) <= 60


async def test_a_report_says_whether_the_replica_takes_up_work_and_whether_it_is_the_last() -> None:
    replica = Replica()
    assert (await replica.report()).starting
    replica.health.starting = False
    replica.health.draining = True
    found = await replica.report()
    assert (found.starting, found.draining, found.leaving) == (False, True, False)
    assert replica.reporter.farewell().leaving
