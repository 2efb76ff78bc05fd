import asyncio
from datetime import UTC, datetime

from services.gateway.places import HEAD, Places
from shared.ids import TestId, UserId
from shared.store.documents import QueueEntry
from shared.store.queue import Figures


class FakeLine:
    def __init__(self, count: int, average_wait_s: float = 10.0) -> None:
        self.ids = [TestId(f"tst_{number:032x}") for number in range(count)]
        self.average_wait_s = average_wait_s
        self.looks = 0

    async def head(self, limit: int) -> list[QueueEntry]:
        self.looks += 1
        await asyncio.sleep(0)
        now = datetime(2026, 1, 1, tzinfo=UTC)
        return [
            QueueEntry(id=one, user_id=UserId("u"), priority=5, rank=1.0, enqueued_at=now) for one in self.ids[:limit]
        ]

    async def figures(self) -> Figures:
        return Figures(len(self.ids), None, self.average_wait_s)

    async def pending_of(self, user: UserId) -> int:
        return 0


async def test_a_waiting_test_has_a_place_and_an_estimate() -> None:
    line = FakeLine(20)
    place = await Places(line).of(line.ids[4])
    assert place is not None
    assert place.position == 5
    assert place.estimated_wait.ToTimedelta().total_seconds() == 2.5


async def test_nothing_is_estimated_where_nothing_was_granted_lately() -> None:
    line = FakeLine(3, average_wait_s=0)
    place = await Places(line).of(line.ids[0])
    assert place is not None
    assert not place.HasField("estimated_wait")


async def test_many_who_ask_cost_one_look() -> None:
    line = FakeLine(50)
    places = Places(line, monotonic=lambda: 0.0)
    await asyncio.gather(*(places.of(one) for one in line.ids))
    assert line.looks == 1


async def test_a_newcomer_is_found_before_the_next_regular_look() -> None:
    seconds = 0.0
    line = FakeLine(1)
    places = Places(line, monotonic=lambda: seconds)
    await places.of(line.ids[0])
    line.ids.append(TestId("tst_" + "f" * 32))
    assert await places.of(line.ids[1]) is None
    seconds = 0.2
    place = await places.of(line.ids[1])
    assert place is not None
    assert place.position == 2


async def test_a_test_far_back_has_no_exact_place() -> None:
    line = FakeLine(HEAD + 5)
    assert await Places(line).of(line.ids[-1]) is None
