"""WatchTests without servers: what is bounded, what is paced, and what happens while bus or store are away."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

import pytest
import pytest_asyncio

from assay.v1 import test_pb2
from assay.v1 import test_service_pb2 as pb
from services.gateway.caller import Caller
from services.gateway.errors import ShuttingDown
from services.gateway.ports import Message, Tests
from services.gateway.streams.changes import MOST_TOLD, Changes
from shared.ids import TestId, UserId
from shared.store.connect import StoreError
from shared.store.documents import Execution, Input, Result
from tests.support.samples import ALICE, execution
from tests.support.until import until


@dataclass
class Told:
    """A message of the bus."""

    subject: str
    data: bytes = b""


class Feed:
    """A bus that is away for the first `away` attempts to listen to it."""

    def __init__(self) -> None:
        self.away = 0
        self.follows = 0
        self._heard: list[Callable[[Message], Awaitable[None]]] = []
        self._returned: list[Callable[[], None]] = []

    async def follow(self, subject: str, heard: Callable[[Message], Awaitable[None]]) -> "Feed":
        self.follows += 1
        if self.away:
            self.away -= 1
            raise TimeoutError
        self._heard = [heard]
        return self

    async def unsubscribe(self) -> None:
        self._heard = []

    def when_reconnected(self, told: Callable[[], None]) -> None:
        self._returned.append(told)

    def reconnects(self) -> None:
        for told in self._returned:
            told()

    async def tell(self, *tests: Execution) -> None:
        for test in tests:
            for heard in self._heard:
                await heard(Told(f"test.running.{test.user_id}.{test.id}"))


class Store:
    """Tests by their id, and how many were asked for each time."""

    def __init__(self) -> None:
        self.tests: dict[TestId, Execution] = {}
        self.reads: list[int] = []
        self.away = 0
        self.broken = False
        """Whether what is stored cannot be understood."""
        self.slow: asyncio.Event | None = None
        """What a read waits for."""

    def put(self, *tests: Execution) -> None:
        self.tests |= {test.id: test for test in tests}

    async def get_many(self, tests: Iterable[TestId], *, whole: bool = False) -> dict[TestId, Execution]:
        names = list(tests)
        self.reads.append(len(names))
        if self.away:
            self.away -= 1
            raise StoreError("away")
        if self.slow is not None:
            await self.slow.wait()
        if self.broken:
            raise ValueError("no such state")
        return {name: self.tests[name] for name in names if name in self.tests}


@pytest.fixture
def feed() -> Feed:
    return Feed()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest_asyncio.fixture
async def changes(feed: Feed, store: Store) -> AsyncIterator[Changes]:
    changes = Changes(feed, cast("Tests", store), pause_s=0.02)
    async with changes.running():
        yield changes


Stream = AsyncGenerator[pb.WatchTestsResponse]


async def watching(changes: Changes, user: str = "alice", *, view: Any = 0) -> Stream:
    """A stream that has begun."""
    stream = changes.watch(pb.WatchTestsRequest(view=view), Caller(UserId(user)))
    assert await following(stream) == pb.WatchTestsResponse()
    return stream


async def following(stream: Stream) -> pb.WatchTestsResponse:
    async with asyncio.timeout(10):
        return await anext(stream)


async def test_changes_that_follow_quickly_share_a_message_and_a_read(
    changes: Changes, feed: Feed, store: Store
) -> None:
    one, other = execution(), execution()
    store.put(one, other)
    first, second = await watching(changes), await watching(changes)
    await feed.tell(one, other, one, one)
    for stream in (first, second):
        assert {test.id for test in (await following(stream)).tests} == {one.id, other.id}
    assert store.reads == [2]


async def test_more_than_a_message_holds_is_owned_up_to(changes: Changes, feed: Feed, store: Store) -> None:
    tests = [execution() for _ in range(MOST_TOLD + 1)]
    store.put(*tests)
    stream = await watching(changes)
    await feed.tell(*tests)
    await until(lambda: sum(store.reads) == len(tests))
    messages = [await following(stream)]
    while not messages[-1].more and sum(len(message.tests) for message in messages) < len(tests):
        messages.append(await following(stream))
    told = [test.id for message in messages for test in message.tests]
    assert len(told) == len(set(told))
    assert all(len(message.tests) <= MOST_TOLD for message in messages)
    assert len(told) == len(tests) or messages[-1].more


async def test_a_client_that_takes_nothing_costs_a_bounded_memory(changes: Changes, feed: Feed, store: Store) -> None:
    stream = await watching(changes)
    tests = [execution() for _ in range(3 * MOST_TOLD)]
    store.put(*tests)
    for at in range(0, len(tests), 50):
        await feed.tell(*tests[at : at + 50])
        await until(lambda: sum(store.reads) >= at + 50)  # noqa: B023 - waited for at once
    message = await following(stream)
    assert len(message.tests) == MOST_TOLD
    assert message.more


async def test_whole_tests_fill_no_message_beyond_what_a_client_takes(
    changes: Changes, feed: Feed, store: Store
) -> None:
    big = Result(success=True, response_json='"' + "x" * 900_000 + '"')
    tests = [execution(input=Input(query="q"), result=big) for _ in range(4)]
    store.put(*tests)
    stream = await watching(changes, view=test_pb2.TEST_VIEW_RESULT)
    await feed.tell(*tests)
    await until(lambda: sum(store.reads) == len(tests))
    message = await following(stream)
    assert message.ByteSize() < 4 << 20
    assert message.more


async def test_a_bus_that_is_away_delays_the_first_message_and_a_return_tells_more(
    changes: Changes, feed: Feed, store: Store
) -> None:
    feed.away = 1
    stream = await watching(changes)
    assert feed.follows == 2
    feed.reconnects()
    assert (await following(stream)).more
    test = execution()
    store.put(test)
    await feed.tell(test)
    assert [one.id for one in (await following(stream)).tests] == [test.id]


async def test_a_store_that_is_away_delays_what_has_changed(changes: Changes, feed: Feed, store: Store) -> None:
    test = execution()
    store.put(test)
    store.away = 1
    stream = await watching(changes)
    await feed.tell(test)
    message = await following(stream)
    assert [one.id for one in message.tests] == [test.id]
    assert store.reads == [1, 1]


async def test_a_test_that_cannot_be_understood_holds_up_no_other(changes: Changes, feed: Feed, store: Store) -> None:
    strange, test = execution(), execution()
    store.put(test)
    stream = await watching(changes)
    store.broken = True
    await feed.tell(strange)
    assert (await following(stream)).more
    store.broken = False
    await feed.tell(test)
    assert [one.id for one in (await following(stream)).tests] == [test.id]


async def test_who_wants_whole_tests_is_told_of_none_that_was_read_in_part(
    changes: Changes, feed: Feed, store: Store
) -> None:
    test = execution()
    store.put(test)
    store.slow = asyncio.Event()
    brief = await watching(changes)
    await feed.tell(test)
    await until(lambda: store.reads)
    whole = await watching(changes, view=test_pb2.TEST_VIEW_FULL)
    store.slow.set()
    assert [one.id for one in (await following(brief)).tests] == [test.id]
    assert await following(whole) == pb.WatchTestsResponse(more=True)


async def test_what_nobody_here_watches_is_not_read(changes: Changes, feed: Feed, store: Store) -> None:
    mine, theirs = execution(user_id=ALICE), execution(user_id=UserId("bob"))
    store.put(mine, theirs)
    stream = await watching(changes)
    await feed.tell(theirs, mine)
    assert [one.id for one in (await following(stream)).tests] == [mine.id]
    assert store.reads == [1]
    await stream.aclose()
    assert changes.watched == 0


async def test_the_end_of_the_gateway_ends_every_stream_and_lets_none_begin(changes: Changes) -> None:
    stream = await watching(changes)
    changes.close()
    with pytest.raises(ShuttingDown):
        await following(stream)
    with pytest.raises(ShuttingDown):
        await watching(changes)


async def test_who_waits_for_the_bus_is_sent_elsewhere_when_the_gateway_ends(changes: Changes, feed: Feed) -> None:
    feed.away = 1_000
    waiting = asyncio.create_task(watching(changes))
    await until(lambda: feed.follows)
    changes.close()
    with pytest.raises(ShuttingDown):
        await waiting
