import asyncio
import random

import pytest

from shared.domain.logsequence import BLOCK, first_seq
from shared.ids import TestId, new_test_id
from shared.store.connect import Database
from shared.store.documents import Chunk, StoredLine
from shared.store.logs import MOST_LINES, LogChunks

ATTEMPT_1 = range(1, BLOCK + 1)


def chunk(test: TestId, first: int, last: int, **cursor: int) -> Chunk:
    lines = [
        StoredLine(seq=seq, ts=1.0, stream="stdout", level="info", text=f"{seq:04}") for seq in range(first, last + 1)
    ]
    return Chunk(test_id=test, first=first, last=last, bytes=4 * len(lines), lines=lines, cursor=dict(cursor))


@pytest.fixture
def logs(database: Database) -> LogChunks:
    return LogChunks(database)


async def numbers(logs: LogChunks, test: TestId, from_seq: int = 1, limit: int = 100_000) -> list[int]:
    return [line.seq for line in await logs.read(test, from_seq=from_seq, limit=limit)]


async def stored(logs: LogChunks, *spans: tuple[int, int]) -> TestId:
    test = new_test_id()
    for first, last in spans:
        await logs.append(chunk(test, first, last))
    return test


async def test_lines_are_read_from_any_number_on(logs: LogChunks) -> None:
    test = await stored(logs, (1, 3), (4, 4), (5, 9))
    for start in range(1, 12):
        assert await numbers(logs, test, start) == list(range(start, 10))
    assert await numbers(logs, test, 2, limit=4) == [2, 3, 4, 5]
    assert await numbers(logs, new_test_id()) == []


async def test_a_line_comes_back_as_it_was_written(logs: LogChunks) -> None:
    test = new_test_id()
    line = StoredLine(seq=1, ts=1.25, stream="stderr", level="error", text="\0\x1b[31m ä \U0001f600", cont=True)
    await logs.append(Chunk(test_id=test, first=1, last=1, bytes=9, lines=[line]))
    assert await logs.read(test, from_seq=1, limit=1) == [line]


async def test_a_chunk_that_is_stored_again_is_one_chunk(logs: LogChunks, database: Database) -> None:
    test = new_test_id()
    await asyncio.gather(*(logs.append(chunk(test, 1, 5)) for _ in range(20)))
    await logs.append(chunk(test, 1, 5))
    assert await database["log_chunks"].count_documents({}) == 1
    assert await logs.account(test, within=ATTEMPT_1) == (5, 20)
    assert await logs.count(test, within=ATTEMPT_1) == 5


OVERLAPS = {
    "same beginning, shorter first": [(1, 2), (1, 8), (9, 9)],
    "same beginning, longer first": [(1, 8), (1, 2), (9, 9)],
    "one inside the other": [(1, 8), (3, 5), (9, 9)],
    "one inside the other at its end": [(1, 8), (6, 8), (9, 9)],
    "the larger one came later": [(3, 5), (1, 8), (9, 9)],
    "staggered": [(1, 4), (3, 6), (5, 9)],
    "many": [(1, 1), (2, 2), (2, 7), (3, 3), (4, 5), (6, 9), (8, 8)],
}


@pytest.mark.parametrize("spans", OVERLAPS.values(), ids=OVERLAPS.keys())
async def test_however_two_followers_cut_the_lines_each_is_read_and_counted_once(
    logs: LogChunks, spans: list[tuple[int, int]]
) -> None:
    test = await stored(logs, *spans)
    for start in range(1, 11):
        assert await numbers(logs, test, start) == list(range(start, 10))
    assert await logs.account(test, within=ATTEMPT_1) == (9, 36)
    last = await logs.last(test, within=ATTEMPT_1)
    assert last is not None
    assert (last.last, last.lines) == (9, [])


async def test_any_set_of_chunks_reads_as_the_union_of_their_lines(logs: LogChunks) -> None:
    dice = random.Random(4)
    for _ in range(25):
        spans = [(first, first + dice.randrange(9)) for first in dice.choices(range(1, 31), k=dice.randrange(1, 12))]
        test = await stored(logs, *spans)
        union = sorted({seq for first, last in spans for seq in range(first, last + 1)})
        for start in (1, dice.randrange(1, 40), dice.randrange(1, 40)):
            assert await numbers(logs, test, start) == [seq for seq in union if seq >= start], spans
        assert await logs.account(test, within=ATTEMPT_1) == (len(union), 4 * len(union)), spans
        last = await logs.last(test, within=ATTEMPT_1)
        assert last is not None
        assert last.last == union[-1], spans


async def test_holes_are_stepped_over_and_not_counted(logs: LogChunks) -> None:
    test = await stored(logs, (1, 3), (7, 8))
    assert await numbers(logs, test) == [1, 2, 3, 7, 8]
    assert await numbers(logs, test, 4) == [7, 8]
    assert await numbers(logs, test, 5) == [7, 8]
    assert await logs.account(test, within=ATTEMPT_1) == (5, 20)


async def test_holes_are_named_by_their_first_and_last_number(logs: LogChunks) -> None:
    test = await stored(logs, (3, 4), (4, 7), (5, 6), (9, 9))
    assert await logs.holes(test, within=range(1, 12), most=10) == [(1, 2), (8, 8), (10, 11)]
    assert await logs.holes(test, within=range(1, 12), most=2) == [(1, 2), (8, 8)]
    assert await logs.holes(test, within=range(3, 8), most=10) == []
    assert await logs.holes(new_test_id(), within=range(1, 4), most=10) == [(1, 3)]
    assert await logs.holes(new_test_id(), within=range(1, 1), most=10) == []


async def test_attempts_are_counted_apart_and_read_together(logs: LogChunks) -> None:
    second = first_seq(2)
    test = await stored(logs, (1, 3), (second, second + 1))
    assert await numbers(logs, test) == [1, 2, 3, second, second + 1]
    assert await logs.account(test, within=ATTEMPT_1) == (3, 12)
    assert await logs.account(test, within=range(second, second + BLOCK)) == (2, 8)
    first = await logs.last(test, within=ATTEMPT_1)
    assert first is not None
    assert first.last == 3
    assert await logs.last(test, within=range(first_seq(3), first_seq(4))) is None


async def test_who_takes_over_reads_on_from_the_newest_cursor(logs: LogChunks) -> None:
    test = new_test_id()
    await logs.append(chunk(test, 1, 8, offset=800))
    await logs.append(chunk(test, 3, 5, offset=500))
    last = await logs.last(test, within=ATTEMPT_1)
    assert last is not None
    assert last.cursor == {"offset": 800}


async def test_a_full_chunk_is_found_from_its_last_line(logs: LogChunks) -> None:
    test = await stored(logs, (1, MOST_LINES), (2, 3), (MOST_LINES + 1, MOST_LINES + 1))
    assert await numbers(logs, test, MOST_LINES) == [MOST_LINES, MOST_LINES + 1]
    with pytest.raises(AssertionError):
        await logs.append(chunk(test, 1, MOST_LINES + 1))


async def test_tests_do_not_see_each_others_lines(logs: LogChunks) -> None:
    one, other = await stored(logs, (1, 3)), await stored(logs, (2, 9))
    assert await numbers(logs, one) == [1, 2, 3]
    assert await numbers(logs, other) == list(range(2, 10))


async def test_a_count_takes_each_line_once_and_no_hole_for_a_line(logs: LogChunks) -> None:
    test = await stored(logs, (1, 5), (3, 8), (4, 6), (20, 20), (first_seq(2), first_seq(2) + 2))
    assert await logs.count(test, within=ATTEMPT_1) == 9
    assert await logs.count(test, within=range(first_seq(2), first_seq(3))) == 3
    assert await logs.count(new_test_id(), within=ATTEMPT_1) == 0
