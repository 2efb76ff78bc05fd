import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from services.gateway.queue.places import HEAD, Places
from shared.clock import ManualClock
from shared.ids import TestId, UserId
from shared.store.documents import QueueEntry
from shared.store.queue import Figures, Spell
from shared.store.slots import Pool

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class FakeLine:
    def __init__(self, count: int, *holds: float) -> None:
        self.ids = [TestId(f"tst_{number:032x}") for number in range(count)]
        self.holds = [Spell(NOW, hold) for hold in holds]
        self.looks = 0

    async def head(self, limit: int) -> list[QueueEntry]:
        self.looks += 1
        await asyncio.sleep(0)
        return [
            QueueEntry(id=one, user_id=UserId("u"), priority=5, rank=1.0, enqueued_at=NOW) for one in self.ids[:limit]
        ]

    async def figures(self, now: datetime) -> Figures:
        return Figures(len(self.ids), None, None)

    async def recent_holds(self) -> list[Spell]:
        return self.holds

    async def pending_of(self, user: UserId) -> int:
        return 0


class FakePool:
    async def pool(self) -> Pool:
        return Pool(10)


def places(line: FakeLine, monotonic: Callable[[], float] = time.monotonic) -> Places:
    return Places(line, FakePool(), ManualClock(NOW), monotonic=monotonic)


async def test_a_waiting_test_has_a_place_and_an_estimate() -> None:
    line = FakeLine(20, 10.0, 30.0)
    place = await places(line).of(line.ids[4])
    assert place is not None
    assert place.position == 5
    assert place.estimated_wait.ToTimedelta().total_seconds() == 10


async def test_nothing_is_estimated_where_nothing_ended_lately() -> None:
    line = FakeLine(3)
    place = await places(line).of(line.ids[0])
    assert place is not None
    assert not place.HasField("estimated_wait")


async def test_many_who_ask_cost_one_look() -> None:
    line = FakeLine(50)
    looking = places(line, lambda: 0.0)
    await asyncio.gather(*(looking.of(one) for one in line.ids))
    assert line.looks == 1


async def test_a_newcomer_is_found_before_the_next_regular_look() -> None:
    seconds = 0.0
    line = FakeLine(1)
    looking = places(line, lambda: seconds)
    await looking.of(line.ids[0])
    line.ids.append(TestId("tst_" + "f" * 32))
    assert await looking.of(line.ids[1]) is None
    seconds = 0.2
    place = await looking.of(line.ids[1])
    assert place is not None
    assert place.position == 2


async def test_a_test_far_back_has_no_exact_place() -> None:
    line = FakeLine(HEAD + 5)
    assert await places(line).of(line.ids[-1]) is None
