import asyncio

import pytest

from services.gateway.errors import ShuttingDown
from services.gateway.streams.batch import Batch
from services.gateway.streams.follower import MOST_BATCHES, MOST_BYTES, Follower, News
from services.gateway.streams.loglines import Wanted
from services.gateway.streams.openlines import is_next
from shared.domain.logsequence import first_seq
from shared.events.logs import PartialLine
from tests.support.gateway import line, lines


def batch(first: int, last: int, size: int = 100) -> Batch:
    return Batch(lines(first, last), size)


async def test_news_are_taken_once_and_in_order() -> None:
    follower = Follower(lines=True)
    follower.hear(batch(1, 2))
    follower.hear(batch(3, 3))
    news = await follower.news()
    assert [(one.first, one.last) for one in news.batches] == [(1, 2), (3, 3)]
    assert await follower.news(0.01) == News()


async def test_a_follower_waits_until_something_happens() -> None:
    follower = Follower(lines=True)
    waiting = asyncio.create_task(follower.news())
    await asyncio.sleep(0)
    assert not waiting.done()
    follower.hear(batch(1, 1))
    assert (await waiting).batches[0].first == 1


@pytest.mark.parametrize(
    ("count", "size"), [pytest.param(MOST_BATCHES + 1, 1, id="many"), pytest.param(5, MOST_BYTES // 4, id="large")]
)
async def test_a_follower_who_does_not_take_its_lines_loses_them_all(count: int, size: int) -> None:
    follower = Follower(lines=True)
    for number in range(1, count + 1):
        follower.hear(batch(number, number, size))
    news = await follower.news()
    assert news.lost
    assert not news.batches
    follower.hear(batch(9, 9))
    assert not (await follower.news()).lost


async def test_the_end_of_the_gateway_ends_the_wait() -> None:
    follower = Follower(lines=False)
    waiting = asyncio.create_task(follower.news())
    await asyncio.sleep(0)
    follower.close()
    with pytest.raises(ShuttingDown):
        await waiting


def test_a_batch_is_serialised_once_for_all_who_want_the_same() -> None:
    shared = Batch([line(1), line(2, stream="stderr", level="warning")], 100)
    everything, warnings = Wanted.of(0, []), Wanted.of(3, [])
    assert shared.packed(everything) is shared.packed(Wanted.of(0, []))
    assert shared.packed(warnings) is shared.packed(Wanted.of(3, []))
    assert shared.packed(warnings) != shared.packed(everything)
    assert shared.after(1, everything) == shared.packed(Wanted.of(0, [2]))
    assert shared.after(2, everything) == []
    assert shared.packed(Wanted.of(5, [])) == []


async def test_of_lines_that_have_not_ended_only_the_newest_of_each_stream_waits() -> None:
    follower = Follower(lines=True, partials=True)
    for number in range(1000):
        follower.hear_partials([PartialLine(ts=1.0, stream="stdout", level="info", text=str(number), after=0)])
    follower.hear_partials([PartialLine(ts=1.0, stream="stderr", level="info", text="x", after=0)])
    assert sorted(one.text for one in (await follower.news()).partials) == ["999", "x"]
    assert await follower.news(0.01) == News()


@pytest.mark.parametrize(
    ("last", "after", "expected"),
    [
        pytest.param(0, 0, True, id="before the first line"),
        pytest.param(5, 5, True, id="after the last line"),
        pytest.param(6, 5, False, id="overtaken"),
        pytest.param(4, 5, False, id="ahead"),
        pytest.param(57, first_seq(2) - 1, True, id="before the first line of the next attempt"),
        pytest.param(57, first_seq(2), False, id="behind the first line of the next attempt"),
        pytest.param(first_seq(2), 57, False, id="of the attempt before"),
    ],
)
def test_an_open_line_is_shown_where_it_belongs(last: int, after: int, expected: bool) -> None:
    assert is_next(last, after) is expected
