"""From the outbox to the bus, on real servers: no event without its change, no change without its event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import nats
from nats.js.api import StreamInfo

from shared.bus.connect import Bus
from shared.bus.relay import SWEEP_AGE, Relay
from shared.bus.streams import LOGS, TESTS
from shared.clock import ManualClock, SystemClock
from shared.events.letter import Letter
from shared.events.logs import LogsAppended, OutputPartial, PartialLine
from shared.events.tests import TestSubmitted
from shared.store.connect import Database
from shared.store.documents import Execution
from shared.store.executions import Executions
from tests.support.samples import NOW, execution, line
from tests.support.servers import RunningServer
from tests.support.until import until

LATER = NOW + SWEEP_AGE + timedelta(seconds=1)


def nobody(letters: Sequence[Letter]) -> None:
    """A process that dies between its write and the publishing."""


@asynccontextmanager
async def relaying(url: str, database: Database, **more: float) -> AsyncIterator[tuple[Executions, Bus]]:
    """A service that writes and publishes. Its clock says that everything in the store is old enough for the sweep."""
    bus = Bus(url, service="here")
    relay = Relay(bus, ManualClock(LATER), interval_s=more.get("interval_s", 60.0))
    tests = Executions(database, relay.tell)
    async with bus.connected(), relay.running(tests):
        yield tests, bus


async def submit(tests: Executions, count: int = 1) -> list[Execution]:
    found = [execution() for _ in range(count)]
    await asyncio.gather(
        *(
            tests.submit(test, TestSubmitted(test_id=test.id, user_id=test.user_id, at=NOW, priority=4))
            for test in found
        )
    )
    return found


async def stream(url: str, name: str = TESTS.name) -> StreamInfo:
    connection = await nats.connect(url)
    try:
        return await connection.jetstream().stream_info(name, subjects_filter=">")
    finally:
        await connection.close()


async def told(url: str) -> set[str]:
    """The tests that the stream has an event of."""
    return {subject.rsplit(".", 1)[1] for subject in (await stream(url)).state.subjects or {}}


async def unsent(database: Database) -> int:
    return await database["executions"].count_documents({"outbox.at": {"$exists": True}})


async def test_what_is_written_is_published_at_once_and_cleared(fresh_nats_url: str, database: Database) -> None:
    async with relaying(fresh_nats_url, database) as (tests, _):
        found = await submit(tests, 50)
        await until(lambda: _all_cleared(database))
        assert await told(fresh_nats_url) == {test.id for test in found}
        assert (await stream(fresh_nats_url)).state.messages == 50


async def _all_cleared(database: Database) -> bool:
    return await unsent(database) == 0


async def test_a_crash_between_write_and_publish_is_made_good_by_the_next_process(
    fresh_nats_url: str, database: Database
) -> None:
    found = await submit(Executions(database, nobody), 20)
    assert await unsent(database) == 20
    async with relaying(fresh_nats_url, database):
        await until(lambda: _all_cleared(database))
    assert await told(fresh_nats_url) == {test.id for test in found}


async def test_a_crash_between_publish_and_clear_publishes_nothing_twice(
    fresh_nats_url: str, database: Database
) -> None:
    bus = Bus(fresh_nats_url, service="dies")
    sent: list[Letter] = []
    found = await submit(Executions(database, sent.extend), 10)
    async with bus.connected():
        for letter in sent:
            await bus.jetstream.publish(letter.subject, letter.body, headers=letter.headers)
    async with relaying(fresh_nats_url, database):
        await until(lambda: _all_cleared(database))
    assert (await stream(fresh_nats_url)).state.messages == 10
    assert await told(fresh_nats_url) == {test.id for test in found}


async def test_two_processes_that_sweep_at_once_publish_each_event_once(
    fresh_nats_url: str, database: Database
) -> None:
    await submit(Executions(database, nobody), 40)
    async with relaying(fresh_nats_url, database), relaying(fresh_nats_url, database):
        await until(lambda: _all_cleared(database))
    assert (await stream(fresh_nats_url)).state.messages == 40


async def test_while_nats_is_away_events_wait_in_the_store_and_none_is_lost(
    nats_server: RunningServer, database: Database
) -> None:
    async with relaying(nats_server.url, database, interval_s=0.2) as (tests, bus):
        before = await submit(tests, 5)
        await until(lambda: _all_cleared(database))
        nats_server.kill()
        await until(lambda: not bus.client.is_connected)
        during = await submit(tests, 5)
        assert await unsent(database) == 5
        nats_server.start()
        after = await submit(tests, 5)
        await until(lambda: _all_cleared(database), timeout=30)
    assert await told(nats_server.url) == {test.id for test in (*before, *during, *after)}
    assert (await stream(nats_server.url)).state.messages == 15


async def test_what_is_in_memory_at_the_end_still_goes_out(fresh_nats_url: str, database: Database) -> None:
    async with relaying(fresh_nats_url, database) as (tests, _):
        found = await submit(tests, 100)
    assert await told(fresh_nats_url) == {test.id for test in found}
    assert await unsent(database) == 0


async def test_a_process_that_ends_while_nats_is_away_ends_soon_and_leaves_its_events_in_the_store(
    nats_server: RunningServer, database: Database
) -> None:
    async with asyncio.timeout(30), relaying(nats_server.url, database) as (tests, bus):
        nats_server.kill()
        await until(lambda: not bus.client.is_connected)
        await submit(tests, 3)
    assert await unsent(database) == 3
    nats_server.start()
    async with relaying(nats_server.url, database):
        await until(lambda: _all_cleared(database), timeout=30)
    assert (await stream(nats_server.url)).state.messages == 3


async def test_a_fact_that_is_only_announced_is_published_and_not_looked_after(
    fresh_nats_url: str, database: Database
) -> None:
    bus = Bus(fresh_nats_url, service="here")
    relay = Relay(bus, SystemClock(), interval_s=60.0)
    test = execution()
    event = LogsAppended(test_id=test.id, user_id=test.user_id, attempt=1, at=NOW, lines=(line(1),))
    async with bus.connected(), relay.running(Executions(database, relay.tell)):
        relay.announce([Letter.of(event, None)])

        async def published() -> bool:
            return (await stream(fresh_nats_url, LOGS.name)).state.messages == 1

        await until(published)


async def test_what_a_line_says_before_it_ends_is_heard_now_and_kept_by_no_stream(
    fresh_nats_url: str, database: Database
) -> None:
    bus = Bus(fresh_nats_url, service="here")
    relay = Relay(bus, SystemClock(), interval_s=60.0)
    test = execution()
    about: dict[str, Any] = {"test_id": test.id, "user_id": test.user_id, "attempt": 1, "at": NOW}
    said = PartialLine(ts=NOW.timestamp(), stream="stdout", level="info", text="so far", after=0)
    heard: list[tuple[str, bytes]] = []

    async def hear(message: Any) -> None:
        heard.append((message.subject, message.data))

    async with bus.connected(), relay.running(Executions(database, relay.tell)):
        await bus.follow(f"*.*.*.{test.id}", hear)
        await bus.client.flush()
        partial, appended = OutputPartial(**about, lines=(said,)), LogsAppended(**about, lines=(line(1),))
        relay.announce([Letter.of(partial, None), Letter.of(appended, None)])
        await until(lambda: len(heard) == 2)
        assert [subject for subject, _ in heard] == [partial.subject, appended.subject]  # in order
        assert OutputPartial.model_validate_json(heard[0][1]) == partial

        async def kept() -> bool:
            return (await stream(fresh_nats_url, LOGS.name)).state.messages == 1

        await until(kept)


async def test_an_event_that_nats_refuses_holds_no_other_up(fresh_nats_url: str, database: Database) -> None:
    bus = Bus(fresh_nats_url, service="here")
    relay = Relay(bus, ManualClock(LATER), interval_s=60.0)
    tests = Executions(database, relay.tell)
    async with bus.connected(), relay.running(tests):
        large = execution()
        event = LogsAppended(
            test_id=large.id, user_id=large.user_id, attempt=1, at=NOW, lines=(line(1, "x" * 2_000_000),)
        )
        relay.announce([Letter.of(event, None)])
        await submit(tests, 3)
        await until(lambda: _all_cleared(database))
    assert (await stream(fresh_nats_url)).state.messages == 3
