import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass

import pytest_asyncio

from services.gateway.packages.arrivals import Arrivals
from services.gateway.ports import Message
from shared.events.packages import PackageFailed, PackageReady
from shared.ids import PackageId, new_package_id, new_test_id
from tests.support.samples import ALICE, NOW
from tests.support.until import until


@dataclass
class Told:
    """A message of the bus."""

    subject: str
    data: bytes


class Feed:
    """A bus that is away for the first `away` attempts to listen to it."""

    def __init__(self) -> None:
        self.away = 0
        self.heard: list[Callable[[Message], Awaitable[None]]] = []
        self.ended = 0

    async def follow(self, subject: str, heard: Callable[[Message], Awaitable[None]]) -> "Feed":
        if self.away:
            self.away -= 1
            raise TimeoutError
        self.heard.append(heard)
        return self

    async def unsubscribe(self) -> None:
        self.ended += 1

    def when_reconnected(self, told: Callable[[], None]) -> None:
        """Nothing is told: the looks find what was missed."""

    async def tell(self, data: bytes) -> None:
        for heard in self.heard:
            await heard(Told("package.ready.alice.test", data))


class Store:
    """Counts the looks."""

    def __init__(self) -> None:
        self.generating: set[PackageId] = set()
        self.looks: list[int] = []

    async def still_made(self, packages: Iterable[PackageId]) -> set[PackageId]:
        wanted = set(packages)
        self.looks.append(len(wanted))
        return wanted & self.generating


@pytest_asyncio.fixture
async def feed() -> Feed:
    return Feed()


@pytest_asyncio.fixture
async def store() -> Store:
    return Store()


@pytest_asyncio.fixture
async def arrivals(feed: Feed, store: Store) -> AsyncIterator[Arrivals]:
    made = Arrivals(feed, store, look_s=0.01)  # type: ignore[arg-type]  # a part of it
    async with made.running():
        yield made
    assert feed.ended == len(feed.heard)


def ready(package_id: PackageId) -> bytes:
    event = PackageReady(test_id=new_test_id(), user_id=ALICE, at=NOW, package_id=package_id)
    return event.model_dump_json().encode()


async def waited(arrivals: Arrivals, package_id: PackageId, seconds: float = 30.0) -> None:
    with arrivals.expecting(package_id) as arrival:
        await arrival.within(seconds)


async def test_an_event_ends_the_wait_of_all_who_wait_for_that_package(
    arrivals: Arrivals, feed: Feed, store: Store
) -> None:
    one, other = new_package_id(), new_package_id()
    store.generating = {one, other}
    await until(lambda: len(feed.heard) == 2)
    waiting = [asyncio.create_task(waited(arrivals, one)) for _ in range(5)]
    longer = asyncio.create_task(waited(arrivals, other))
    await until(lambda: arrivals.expected == 2)
    failed = PackageFailed(test_id=new_test_id(), user_id=ALICE, at=NOW, package_id=one, message="no")
    await feed.tell(failed.model_dump_json().encode())
    await asyncio.gather(*waiting)
    assert not longer.done()
    await feed.tell(ready(other))
    await longer
    assert arrivals.expected == 0


async def test_without_an_event_the_store_is_looked_at_once_for_all(
    arrivals: Arrivals, feed: Feed, store: Store
) -> None:
    packages = [new_package_id() for _ in range(20)]
    store.generating = set(packages)
    waiting = [asyncio.create_task(waited(arrivals, one)) for one in packages for _ in range(3)]
    await until(lambda: 20 in store.looks)
    store.generating = set()
    await asyncio.gather(*waiting)
    assert set(store.looks) <= {20}


async def test_while_nobody_waits_nobody_looks(arrivals: Arrivals, feed: Feed, store: Store) -> None:
    await until(lambda: len(feed.heard) == 2)
    assert store.looks == []


async def test_a_bus_that_is_away_is_listened_to_when_it_is_back(feed: Feed, store: Store) -> None:
    feed.away = 3
    made = Arrivals(feed, store, look_s=0.001)  # type: ignore[arg-type]
    async with made.running():
        await until(lambda: len(feed.heard) == 2)


async def test_the_wait_has_an_end_of_its_own(arrivals: Arrivals, store: Store) -> None:
    one = new_package_id()
    store.generating = {one}
    await waited(arrivals, one, 0.01)
    assert arrivals.expected == 0


async def test_nonsense_on_the_bus_is_passed_over(arrivals: Arrivals, feed: Feed, store: Store) -> None:
    one = new_package_id()
    store.generating = {one}
    await until(lambda: len(feed.heard) == 2)
    waiting = asyncio.create_task(waited(arrivals, one))
    await until(lambda: arrivals.expected)
    await feed.tell(b"nonsense")
    await feed.tell(ready(one))
    await waiting


async def test_a_gateway_that_goes_down_lets_everybody_go(arrivals: Arrivals, store: Store) -> None:
    one = new_package_id()
    store.generating = {one}
    waiting = asyncio.create_task(waited(arrivals, one))
    await until(lambda: arrivals.expected)
    arrivals.close()
    await waiting
    await waited(arrivals, one)
