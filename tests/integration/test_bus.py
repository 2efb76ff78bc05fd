"""What the bus promises, on a real server: at least once, bounded, shared, healed, nothing dropped without a trace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import nats
import pytest
import structlog
from nats.errors import TimeoutError as NothingCame
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, StreamConfig, StreamInfo
from nats.js.errors import BadRequestError, NotFoundError

from shared.bus.connect import Bus
from shared.bus.streams import DEAD, MAX_DELIVER, TESTS, provision
from shared.errors import Unavailable
from shared.events.letter import Letter
from shared.events.tests import TestCompleted, TestRunning
from shared.ids import new_test_id
from shared.telemetry.tracing import current
from tests.support.samples import ALICE, NOW
from tests.support.servers import RunningServer
from tests.support.until import until

CONSUMER = "here-test-running"
Handler = Callable[[TestRunning], Awaitable[None]]


def running_event(attempt: int = 1) -> TestRunning:
    return TestRunning(test_id=new_test_id(), user_id=ALICE, attempt=attempt, at=NOW)


async def publish(jetstream: JetStreamContext, event: TestRunning | TestCompleted, trace: str | None = None) -> None:
    letter = Letter.of(event, trace)
    await jetstream.publish(letter.subject, letter.body, headers=letter.headers)


@asynccontextmanager
async def listening(url: str, handler: Handler, **more: Any) -> AsyncIterator[Bus]:
    """A service called `here` with one handler, that tries again fast."""
    bus = Bus(url, service="here", retry_delays_s=(0.01,), watch_interval_s=0.2, **more)

    async def on_test_running(event: TestRunning) -> None:
        await handler(event)

    bus.on(TestRunning, on_test_running)
    async with bus.connected(), bus.consuming():
        yield bus


class Heard:
    """A handler that keeps what it heard, and fails as often as it is told."""

    def __init__(self, *, failures: int = 0) -> None:
        self.events: list[TestRunning] = []
        self.failures = failures

    async def __call__(self, event: TestRunning) -> None:
        self.events.append(event)
        if len(self.events) <= self.failures:
            raise ConnectionError("away\nfor a moment ä")

    @property
    def ids(self) -> list[str]:
        return [event.test_id for event in self.events]


async def dead(bus: Bus) -> StreamInfo:
    return await bus.jetstream.stream_info(DEAD.name)


async def settled(bus: Bus) -> bool:
    """Nothing waits and nothing is under way."""
    info = await bus.jetstream.consumer_info(TESTS.name, CONSUMER)
    return not info.num_pending and not info.num_ack_pending


async def test_an_event_is_heard_once_and_is_done_with(fresh_nats_url: str) -> None:
    heard = Heard()
    async with listening(fresh_nats_url, heard) as bus:
        event = running_event()
        await publish(bus.jetstream, event)
        await until(lambda: heard.events == [event])
        await until(lambda: settled(bus))
        assert (await dead(bus)).state.messages == 0


async def test_an_event_told_twice_is_heard_once(fresh_nats_url: str) -> None:
    heard = Heard()
    async with listening(fresh_nats_url, heard) as bus:
        event, last = running_event(), running_event()
        for told in (event, event, last):
            await publish(bus.jetstream, told)
        await until(lambda: last.test_id in heard.ids)
        assert sorted(heard.ids) == sorted([event.test_id, last.test_id])


async def test_other_facts_are_not_heard(fresh_nats_url: str) -> None:
    heard = Heard()
    async with listening(fresh_nats_url, heard) as bus:
        event = running_event()
        await publish(bus.jetstream, TestCompleted(test_id=event.test_id, user_id=ALICE, attempt=1, at=NOW))
        await publish(bus.jetstream, event)
        await until(lambda: heard.events)
        assert heard.ids == [event.test_id]


@pytest.mark.parametrize("failures", [1, MAX_DELIVER - 1])
async def test_a_handler_that_fails_for_a_while_gets_the_event_again(fresh_nats_url: str, failures: int) -> None:
    heard = Heard(failures=failures)
    async with listening(fresh_nats_url, heard) as bus:
        event = running_event()
        await publish(bus.jetstream, event)
        await until(lambda: len(heard.events) == failures + 1)
        await until(lambda: settled(bus))
        assert heard.ids == [event.test_id] * (failures + 1)
        assert (await dead(bus)).state.messages == 0


async def test_a_handler_that_always_fails_gets_the_event_a_limited_number_of_times_and_then_it_is_a_dead_letter(
    fresh_nats_url: str,
) -> None:
    heard = Heard(failures=1_000)
    async with listening(fresh_nats_url, heard) as bus:
        event = running_event()
        await publish(bus.jetstream, event)

        async def one_is_dead() -> bool:
            return (await dead(bus)).state.messages > 0

        await until(one_is_dead)
        await until(lambda: settled(bus))
        good = running_event()
        heard.failures = 0
        await publish(bus.jetstream, good)
        await until(lambda: good.test_id in heard.ids)
        assert heard.ids.count(event.test_id) == MAX_DELIVER
        assert (await dead(bus)).state.messages == 1
        letter = await bus.jetstream.get_last_msg(DEAD.name, f"dead.{CONSUMER}")
        assert letter.data == event.model_dump_json().encode()
        assert letter.headers is not None
        assert letter.headers["assay-origin"] == event.subject
        assert letter.headers["assay-consumer"] == CONSUMER
        assert letter.headers["assay-deliveries"] == str(MAX_DELIVER)
        assert letter.headers["assay-reason"] == "ConnectionError: away for a moment \\xe4"


GOOD_HEADERS = {"ce-subject": "tst_1", "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}
POISON: dict[str, tuple[bytes, dict[str, str] | None]] = {
    "not JSON": (b"hello", GOOD_HEADERS),
    "half of it": (b'{"test_id":"tst_1","user', GOOD_HEADERS),
    "nothing": (b"", GOOD_HEADERS),
    "not text": (b"\xff\xfe\x00", GOOD_HEADERS),
    "another shape": (b'{"name":"value"}', GOOD_HEADERS),
    "a list": (b"[1,2]", GOOD_HEADERS),
    "null": (b"null", GOOD_HEADERS),
    "wrong types": (b'{"test_id":1,"user_id":[],"attempt":"x","at":"never"}', GOOD_HEADERS),
    "no headers": (b"hello", None),
    "strange headers": (b"hello", {"content-type": "image/png", "traceparent": "x", "ce-subject": ""}),
}


@pytest.mark.parametrize(("body", "headers"), POISON.values(), ids=POISON.keys())
async def test_a_message_that_nobody_can_read_is_a_dead_letter_at_once(
    fresh_nats_url: str, body: bytes, headers: dict[str, str] | None
) -> None:
    heard = Heard()
    async with listening(fresh_nats_url, heard) as bus:
        await bus.jetstream.publish("test.running.alice.tst_1", body, headers=headers)
        event = running_event()
        await publish(bus.jetstream, event)
        await until(lambda: heard.events == [event])
        await until(lambda: settled(bus))
        assert (await dead(bus)).state.messages == 1
        letter = await bus.jetstream.get_last_msg(DEAD.name, f"dead.{CONSUMER}")
        assert (letter.data or b"") == body
        assert letter.headers is not None
        assert letter.headers["assay-deliveries"] == "1"
        assert letter.headers["assay-reason"]


async def test_a_hundred_poisoned_messages_hold_no_good_one_up(fresh_nats_url: str) -> None:
    heard = Heard()
    async with listening(fresh_nats_url, heard) as bus:
        events = [running_event() for _ in range(50)]
        for event in events:
            await bus.jetstream.publish("test.running.alice.tst_1", b"hello")
            await bus.jetstream.publish("test.running.alice.tst_1", b"{}")
            await publish(bus.jetstream, event)
        await until(lambda: len(heard.events) == 50)
        await until(lambda: settled(bus))
        assert sorted(heard.ids) == sorted(event.test_id for event in events)
        assert (await dead(bus)).state.messages == 100


async def test_ids_and_trace_stand_in_what_the_handler_logs_and_not_in_the_next_ones(fresh_nats_url: str) -> None:
    seen: list[tuple[str, Any, Any]] = []

    async def handler(event: TestRunning) -> None:
        bound = structlog.contextvars.get_contextvars()
        seen.append((current(), bound.get("test_id"), bound.get("trace_id")))

    async with listening(fresh_nats_url, handler) as bus:
        traced, plain = running_event(), running_event()
        await publish(bus.jetstream, traced, GOOD_HEADERS["traceparent"])
        await until(lambda: len(seen) == 1)
        await publish(bus.jetstream, plain)
        await until(lambda: len(seen) == 2)
    assert seen == [(GOOD_HEADERS["traceparent"], traced.test_id, "a" * 32), ("", plain.test_id, None)]


async def test_replicas_share_the_events(fresh_nats_url: str) -> None:
    replicas = [Heard(), Heard(), Heard()]
    async with (
        listening(fresh_nats_url, replicas[0]) as bus,
        listening(fresh_nats_url, replicas[1]),
        listening(fresh_nats_url, replicas[2]),
    ):
        events = [running_event() for _ in range(300)]
        await asyncio.gather(*(publish(bus.jetstream, event) for event in events))
        await until(lambda: sum(len(heard.events) for heard in replicas) >= 300)
        await until(lambda: settled(bus))
    heard = [test_id for replica in replicas for test_id in replica.ids]
    assert sorted(heard) == sorted(event.test_id for event in events)


async def test_a_slow_handler_does_not_hold_the_others_up(fresh_nats_url: str) -> None:
    slow = running_event()
    free = asyncio.Event()
    heard = Heard()

    async def handler(event: TestRunning) -> None:
        if event.test_id == slow.test_id:
            await free.wait()
        await heard(event)

    async with listening(fresh_nats_url, handler) as bus:
        await publish(bus.jetstream, slow)
        others = [running_event() for _ in range(20)]
        for event in others:
            await publish(bus.jetstream, event)
        await until(lambda: len(heard.events) == 20)
        assert slow.test_id not in heard.ids
        free.set()
        await until(lambda: slow.test_id in heard.ids)


async def test_what_is_under_way_at_the_end_is_finished_and_what_is_not_begun_is_left_to_the_next(
    fresh_nats_url: str,
) -> None:
    begun, done = asyncio.Event(), asyncio.Event()

    async def slow(event: TestRunning) -> None:
        begun.set()
        await asyncio.sleep(0.3)
        done.set()

    later = Heard()
    async with listening(fresh_nats_url, slow) as bus:
        await publish(bus.jetstream, running_event())
        await begun.wait()
    assert done.is_set()
    async with listening(fresh_nats_url, later) as bus:
        event = running_event()
        await publish(bus.jetstream, event)
        await until(lambda: later.events)
        await until(lambda: settled(bus))
        assert later.ids == [event.test_id]


async def test_what_is_told_while_nobody_listens_waits(fresh_nats_url: str) -> None:
    async with listening(fresh_nats_url, Heard()):
        """The consumer is there now."""
    events = [running_event() for _ in range(5)]
    connection = await nats.connect(fresh_nats_url)
    for event in events:
        await publish(connection.jetstream(), event)
    await connection.close()
    heard = Heard()
    async with listening(fresh_nats_url, heard):
        await until(lambda: len(heard.events) == 5)
    assert heard.ids == [event.test_id for event in events] or sorted(heard.ids) == sorted(e.test_id for e in events)


async def test_a_consumer_that_was_deleted_is_made_again_and_heard(fresh_nats_url: str) -> None:
    heard = Heard()
    async with listening(fresh_nats_url, heard) as bus:
        await publish(bus.jetstream, running_event())
        await until(lambda: heard.events)
        await bus.jetstream.delete_consumer(TESTS.name, CONSUMER)
        await until(lambda: exists(bus))
        event = running_event()
        await publish(bus.jetstream, event)
        await until(lambda: event.test_id in heard.ids, timeout=30)


async def test_a_stream_that_was_deleted_is_made_again_and_heard(fresh_nats_url: str) -> None:
    heard = Heard()
    async with listening(fresh_nats_url, heard) as bus:
        await bus.jetstream.delete_stream(TESTS.name)
        await until(lambda: exists(bus))
        event = running_event()
        await publish(bus.jetstream, event)
        await until(lambda: event.test_id in heard.ids, timeout=30)


async def exists(bus: Bus) -> bool:
    try:
        await bus.jetstream.consumer_info(TESTS.name, CONSUMER)
    except NotFoundError:
        return False
    return True


@pytest.mark.parametrize("order", ["kill", "stop"])
async def test_events_flow_again_after_a_restart_of_the_server(nats_server: RunningServer, order: str) -> None:
    heard = Heard()
    async with listening(nats_server.url, heard) as bus:
        before = running_event()
        await publish(bus.jetstream, before)
        await until(lambda: heard.events)
        nats_server.kill() if order == "kill" else nats_server.stop()
        await until(lambda: not bus.client.is_connected)
        with pytest.raises(Unavailable):
            await bus.check()
        nats_server.start()
        await until(lambda: bus.client.is_connected)
        await bus.check()
        after = running_event()
        await publish(bus.jetstream, after)
        await until(lambda: after.test_id in heard.ids, timeout=30)
        assert set(heard.ids) == {before.test_id, after.test_id}


async def test_a_service_that_stops_while_the_server_is_away_does_not_hang(nats_server: RunningServer) -> None:
    async with asyncio.timeout(20), listening(nats_server.url, Heard()) as bus:
        nats_server.kill()
        await until(lambda: not bus.client.is_connected)


async def test_a_server_that_is_not_there_is_unavailable(nats_server: RunningServer) -> None:
    nats_server.kill()
    async with asyncio.timeout(20):
        with pytest.raises(Unavailable, match="NATS does not answer"):
            async with listening(nats_server.url, Heard()):
                """Never reached."""


async def test_before_it_is_connected_the_bus_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="not connected yet"):
        await Bus("nats://127.0.0.1:9", service="here").check()


async def test_who_follows_a_subject_hears_it_live(fresh_nats_url: str) -> None:
    subjects: list[str] = []

    async def heard(message: Any) -> None:
        subjects.append(message.subject)

    bus = Bus(fresh_nats_url, service="here")
    async with bus.connected():
        mine, other = running_event(), running_event()
        await bus.follow(f"*.*.alice.{mine.test_id}", heard)
        await publish(bus.jetstream, other)
        await publish(bus.jetstream, mine)
        await until(lambda: subjects == [mine.subject])


async def test_a_nudge_reaches_every_replica_and_no_other_service_and_is_kept_by_no_stream(
    fresh_nats_url: str,
) -> None:
    buses = [Bus(fresh_nats_url, service=name) for name in ("here", "here", "there")]
    nudged = [0, 0, 0]

    async def look(place: int) -> None:
        nudged[place] += 1
        if nudged[place] == 1:
            raise ConnectionError("the store is away")

    async with buses[0].connected(), buses[1].connected(), buses[2].connected():
        for place, bus in enumerate(buses):
            await bus.when_nudged(partial(look, place))
            await bus.client.flush()
        for _ in range(2):
            await buses[2].nudge("here")
        await until(lambda: nudged == [2, 2, 0])
        for info in await buses[0].jetstream.streams_info():
            assert info.state.messages == 0


async def test_a_nudge_that_cannot_be_sent_harms_nobody(nats_server: RunningServer) -> None:
    bus = Bus(nats_server.url, service="here")
    await bus.nudge("there")  # not connected yet
    async with bus.connected():
        nats_server.kill()
        await until(lambda: not bus.client.is_connected)
        await bus.nudge("there")


async def test_streams_are_declared_once_and_brought_up_to_date(fresh_nats_url: str) -> None:
    connection = await nats.connect(fresh_nats_url)
    try:
        jetstream = connection.jetstream()
        old = TESTS.config(1)
        old.max_age = 600.0
        await jetstream.add_stream(old)
        await asyncio.gather(*(provision(jetstream, replicas=1) for _ in range(3)))
        names = {info.config.name: info.config for info in await jetstream.streams_info()}
        assert set(names) == {"TESTS", "TASKS", "LOGS", "PACKAGES", "AUDIT", "DEAD"}
        assert names["TESTS"].max_age == TESTS.max_age_s
        assert all(config.max_bytes and config.max_bytes > 0 for config in names.values())
    finally:
        await connection.close()


class MadeMeanwhile(JetStreamContext):
    """As when another service makes each stream between the look and the making: the server's word of a bad moment."""

    async def add_stream(self, config: StreamConfig | None = None, **params: Any) -> StreamInfo:
        await super().add_stream(config, **params)
        raise BadRequestError(code=400, err_code=10065, description="subjects overlap with an existing stream")


async def test_a_stream_that_another_service_makes_at_the_same_moment_is_no_error(fresh_nats_url: str) -> None:
    connection = await nats.connect(fresh_nats_url)
    try:
        await provision(MadeMeanwhile(connection), replicas=1)
        names = {info.config.name for info in await connection.jetstream().streams_info()}
        assert names == {"TESTS", "TASKS", "LOGS", "PACKAGES", "AUDIT", "DEAD"}
    finally:
        await connection.close()


async def test_many_services_that_declare_the_streams_at_once_on_a_new_server_all_start(fresh_nats_url: str) -> None:
    connections = [await nats.connect(fresh_nats_url) for _ in range(6)]
    try:
        await asyncio.gather(*(provision(connection.jetstream(), replicas=1) for connection in connections))
    finally:
        await asyncio.gather(*(connection.close() for connection in connections))


async def test_a_stream_of_somebody_else_with_our_subjects_is_an_error(fresh_nats_url: str) -> None:
    connection = await nats.connect(fresh_nats_url)
    try:
        await connection.jetstream().add_stream(name="THEIRS", subjects=["test.>"])
        with pytest.raises(BadRequestError, match="overlap"):
            await provision(connection.jetstream(), replicas=1)
    finally:
        await connection.close()


async def test_a_consumer_that_dies_on_a_message_again_and_again_leaves_a_trace(fresh_nats_url: str) -> None:
    connection = await nats.connect(fresh_nats_url)
    try:
        jetstream = connection.jetstream()
        await provision(jetstream, replicas=1)
        config = ConsumerConfig(
            durable_name="dies", ack_policy=AckPolicy.EXPLICIT, ack_wait=0.1, max_deliver=1, filter_subject="test.>"
        )
        await jetstream.add_consumer(TESTS.name, config)
        await publish(jetstream, running_event())
        pull = await jetstream.pull_subscribe_bind(durable="dies", stream=TESTS.name)
        await pull.fetch(1)  # and never a word
        with pytest.raises(NothingCame):
            await pull.fetch(1, timeout=0.5)

        async def advised() -> bool:
            with_advice = await jetstream.stream_info(DEAD.name, subjects_filter=">")
            return any("MAX_DELIVERIES.TESTS.dies" in subject for subject in with_advice.state.subjects or {})

        await until(advised)
    finally:
        await connection.close()
