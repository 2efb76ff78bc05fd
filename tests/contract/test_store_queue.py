import asyncio
from datetime import datetime, timedelta

import pytest

from shared.ids import UserId, new_test_id
from shared.store.connect import Database
from shared.store.documents import QueueEntry
from shared.store.queue import LATELY, RECENT, Queue, Spell, Standing
from tests.support.samples import ALICE, BOB, NOW, entry


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)


def spells(*seconds: float, at: datetime = NOW) -> list[Spell]:
    return [Spell(at, one) for one in seconds]


async def filled(queue: Queue, *entries: QueueEntry) -> None:
    await asyncio.gather(*(queue.add(one) for one in entries))


async def test_no_rank_is_given_twice_however_many_schedulers_reserve(database: Database) -> None:
    schedulers = [Queue(database) for _ in range(5)]
    sizes = [1 + number % 4 for number in range(60)]
    reserved = await asyncio.gather(
        *(schedulers[number % 5].reserve(ALICE, 4, size) for number, size in enumerate(sizes))
    )
    assert [len(ranks) for ranks in reserved] == sizes
    everything = sorted(rank for ranks in reserved for rank in ranks)
    assert everything == [float(rank) for rank in range(1, sum(sizes) + 1)]


async def test_no_rank_is_given_twice_while_the_virtual_time_moves_on(database: Database) -> None:
    schedulers = [Queue(database) for _ in range(4)]

    async def serve() -> None:
        for rank in range(0, 400, 10):
            await schedulers[0].granted({4: float(rank)}, [])

    *reserved, _ = await asyncio.gather(*(schedulers[number % 4].reserve(ALICE, 4, 2) for number in range(80)), serve())
    everything = [rank for ranks in reserved for rank in ranks or ()]
    assert len(set(everything)) == len(everything) == 160


async def test_a_newcomer_begins_at_what_is_served_now_and_others_behind_their_own(queue: Queue) -> None:
    assert await queue.reserve(ALICE, 4, 3) == [1, 2, 3]
    await queue.granted({4: 2.0}, [])
    assert await queue.reserve(BOB, 4, 1) == [3]
    assert await queue.reserve(ALICE, 4, 1) == [4]
    await queue.granted({4: 50.0}, [])
    assert await queue.reserve(BOB, 4, 2) == [51, 52]
    assert await queue.reserve(ALICE, 4, 2, weight=2.0) == [50.5, 51]


async def test_each_priority_is_a_line_of_its_own(queue: Queue) -> None:
    assert await queue.reserve(ALICE, 4, 500) == [float(rank) for rank in range(1, 501)]
    assert await queue.reserve(ALICE, 9, 1) == [1]
    await queue.granted({9: 1.0}, [])
    assert await queue.reserve(BOB, 4, 1) == [1]


async def test_the_virtual_time_never_goes_back(queue: Queue) -> None:
    await queue.granted({4: 9.0}, [])
    await queue.granted({4: 3.0}, [])
    assert await queue.reserve(ALICE, 4, 1) == [10]


async def test_pages_go_on_behind_a_place_whether_anybody_still_stands_there(queue: Queue) -> None:
    order = [entry(5, priority=9), entry(1), entry(1), entry(2), entry(3), entry(0, priority=1), entry(4, priority=0)]
    order[1:3] = sorted(order[1:3], key=lambda one: one.id)
    await filled(queue, *order)
    assert await queue.behind(None, 2) == order[:2]
    for at, one in enumerate(order):
        assert await queue.behind(Standing.of(one), 99) == order[at + 1 :]
        assert await queue.behind(Standing.of(one), 2) == order[at + 1 : at + 3]
        assert await queue.ahead(Standing.of(one)) == at
    await queue.remove(order[3].id)
    assert await queue.behind(Standing.of(order[3]), 2) == order[4:6]
    assert await queue.ahead(Standing.of(order[4])) == 3


async def test_the_head_is_by_priority_then_rank_then_age(queue: Queue) -> None:
    entries = [entry(3), entry(1), entry(7, priority=9), entry(1), entry(2, priority=0)]
    await filled(queue, *entries)
    order = [entries[index] for index in (2, 1, 3, 0, 4)]
    assert await queue.head(99) == order
    assert await queue.head(2) == order[:2]
    assert [await queue.position(one.id) for one in order] == [1, 2, 3, 4, 5]
    assert await queue.position(new_test_id()) is None


async def test_a_test_is_in_the_queue_once_and_out_for_good(queue: Queue) -> None:
    first = entry(1)
    await filled(queue, first, *(first.model_copy(update={"rank": float(rank)}) for rank in range(2, 30)), entry(99))
    assert [one.id for one in await queue.head(99)].count(first.id) == 1
    assert (await queue.figures(NOW)).pending == 2
    await asyncio.gather(*(queue.remove(first.id) for _ in range(10)), queue.remove(new_test_id()))
    assert [one.rank for one in await queue.head(99)] == [99]


async def test_who_is_missing_is_said(queue: Queue) -> None:
    here, there = entry(1), entry(2)
    gone = new_test_id()
    await filled(queue, here, there)
    assert await queue.missing([here.id, gone, there.id]) == {gone}
    assert await queue.missing([]) == set()
    assert await queue.pending_of(ALICE) == 2
    assert await queue.pending_of(UserId("nobody")) == 0


async def test_the_figures_are_length_oldest_and_average_wait(queue: Queue) -> None:
    assert await queue.figures(NOW) == (0, None, None)
    await filled(queue, entry(1, enqueued_at=NOW), entry(2, enqueued_at=NOW - timedelta(seconds=5)))
    await queue.granted({4: 1.0}, spells(2.0, 4.0))
    assert await queue.figures(NOW) == (2, NOW - timedelta(seconds=5), 3.0)


async def test_the_average_wait_is_that_of_the_last_ones(queue: Queue) -> None:
    await queue.granted({4: 1.0}, spells(*[1_000.0] * RECENT))
    await queue.granted({4: 2.0}, spells(*[1.0] * RECENT))
    assert (await queue.figures(NOW)).average_wait_s == 1.0


async def test_a_wait_of_long_ago_says_nothing_about_now(queue: Queue) -> None:
    await queue.granted({4: 1.0}, [*spells(90.0, at=NOW - LATELY), *spells(4.0)])
    assert (await queue.figures(NOW)).average_wait_s == 4.0
    assert (await queue.figures(NOW + LATELY)).average_wait_s is None


async def test_how_long_slots_were_held_is_remembered_for_the_last_ones(queue: Queue) -> None:
    assert await queue.recent_holds() == []
    await queue.released(spells(*range(RECENT)))
    await queue.released(spells(7.0, at=NOW + timedelta(seconds=1)))
    assert await queue.recent_holds() == [*spells(*range(1, RECENT)), Spell(NOW + timedelta(seconds=1), 7.0)]


async def test_the_head_leaves_users_out_and_keeps_the_order(queue: Queue) -> None:
    entries = [entry(rank, user=(ALICE, BOB, UserId("carol"))[rank % 3], priority=rank % 2) for rank in range(30)]
    await filled(queue, *entries)
    order = [one for one in await queue.head(99) if one.user_id == BOB]
    assert await queue.head(99, without={ALICE, UserId("carol")}) == order
    assert await queue.head(4, without={ALICE, UserId("carol")}) == order[:4]


async def test_of_who_is_left_out_the_keys_are_read_and_no_document(queue: Queue, database: Database) -> None:
    await filled(queue, *(entry(float(rank)) for rank in range(200)), entry(500.0, user=BOB), entry(7.0, user=BOB))
    where = {"priority": {"$gte": 0}, "user_id": {"$nin": [ALICE]}}
    order = {"priority": -1, "rank": 1, "_id": 1}
    question = {"find": "queue", "filter": where, "sort": order, "limit": 5, "hint": "order_user"}
    plan = await database.command("explain", question, verbosity="executionStats")
    assert plan["executionStats"]["nReturned"] == 2
    assert plan["executionStats"]["totalDocsExamined"] == 2
    assert plan["executionStats"]["totalKeysExamined"] >= 200
