import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest

from assay.v1 import queue_service_pb2
from services.gateway.errors import ShuttingDown
from services.gateway.queue.status import QueueStatus
from services.gateway.queue.watch import QueueWatch
from shared.clock import ManualClock
from shared.ids import UserId
from shared.store.documents import QueueEntry
from shared.store.queue import Figures, Spell
from shared.store.slots import Pool
from tests.support.samples import ALICE, BOB, NOW
from tests.support.until import until


class Queue:
    """Line and slots, counted how often they are looked at; the clock goes on with each look."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.pending: dict[UserId, int] = {}
        self.looks = 0
        self.error: Exception | None = None

    async def figures(self, now: object) -> Figures:
        self.looks += 1
        self.clock.advance(timedelta(seconds=1))
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return Figures(sum(self.pending.values()), None, None)

    async def head(self, limit: int) -> list[QueueEntry]:
        return []

    async def recent_holds(self) -> list[Spell]:
        return []

    async def pending_of(self, user: UserId) -> int:
        return self.pending.get(user, 0)

    async def pool(self) -> Pool:
        return Pool(10)

    async def holders(self) -> Mapping[UserId, int]:
        return {}

    async def resize(self, capacity: int) -> None: ...

    async def pause(self, at: object, by: str, reason: str) -> None: ...

    async def resume(self) -> None: ...


class Client:
    """Somebody who watches."""

    def __init__(self, watch: QueueWatch, user: UserId = ALICE) -> None:
        self.told: list[queue_service_pb2.QueueStatus] = []
        self.error: Exception | None = None
        self._stream = watch.watch(user)
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for status in self._stream:
                self.told.append(status)
        except ShuttingDown as error:
            self.error = error
        finally:
            await self._stream.aclose()


async def ended(*clients: Client) -> None:
    for client in clients:
        client.task.cancel()
    await asyncio.gather(*(client.task for client in clients), return_exceptions=True)


async def test_a_watch_tells_at_once_and_then_what_changed() -> None:
    queue = Queue()
    watch = QueueWatch(QueueStatus(queue, queue, queue.clock), look_s=0.02)
    async with watch.running():
        client = Client(watch)
        await until(lambda: len(client.told) == 1 and queue.looks > 5)
        assert len(client.told) == 1  # the time alone is no news
        queue.pending[BOB] = 2
        await until(lambda: len(client.told) == 2)
        queue.pending[ALICE] = 1
        await until(lambda: len(client.told) == 3)
        await ended(client)
    assert [(status.pending, status.own_pending) for status in client.told] == [(0, 0), (2, 0), (3, 1)]


async def test_many_watchers_cost_one_look_a_second_and_no_watcher_costs_none() -> None:
    queue = Queue()
    watch = QueueWatch(QueueStatus(queue, queue, queue.clock), look_s=0.05)
    async with watch.running():
        clients = [Client(watch) for _ in range(50)]
        await until(lambda: all(client.told for client in clients))
        assert watch.watched == 50
        before = queue.looks
        queue.pending[BOB] = 1
        await until(lambda: all(len(client.told) == 2 for client in clients))
        assert queue.looks - before <= 10
        await ended(*clients)
        assert watch.watched == 0
        looks = queue.looks
        queue.pending[BOB] = 2
        assert (await watch.watch(BOB).__anext__()).own_pending == 2
        assert queue.looks <= looks + 2


async def test_a_store_that_is_away_for_a_while_ends_no_stream() -> None:
    queue = Queue()
    watch = QueueWatch(QueueStatus(queue, queue, queue.clock), look_s=0.02)
    async with watch.running():
        client = Client(watch)
        await until(lambda: client.told)
        queue.error = ConnectionError("away")
        looks = queue.looks
        await until(lambda: queue.looks > looks + 2)
        queue.error, queue.pending[BOB] = None, 5
        await until(lambda: len(client.told) == 2)
        await ended(client)


async def test_a_gateway_that_shuts_down_ends_every_stream_and_lets_none_begin() -> None:
    queue = Queue()
    watch = QueueWatch(QueueStatus(queue, queue, queue.clock), look_s=60)
    async with watch.running():
        client = Client(watch)
        await until(lambda: client.told)
        watch.close()
        await until(lambda: client.error)
        with pytest.raises(ShuttingDown):
            await watch.watch(BOB).__anext__()
        await client.task
