import asyncio
from contextlib import aclosing

import grpc
import pytest

from assay.client import AsyncAssay
from assay.errors import NotFound, ServerError, Unavailable
from assay.logs import LogSearch
from assay.retry import RetryPolicy
from assay.tests import TestState, WatchEvent
from assay.v1 import log_pb2, queue_service_pb2, test_service_pb2
from tests.support.until import until
from tests.unit.client.conftest import QUICK
from tests.unit.client.fake_server import KEY, FakeServer, Refusal, Story, a_test, line, passed, serving

ALL = log_pb2.LogsComplete(expected=10, received=10, complete=True)


def ten_lines(test_id: str = "tst_a") -> Story:
    return Story([passed(test_id)], [line(seq) for seq in range(1, 11)], ALL)


@pytest.mark.parametrize(
    ("cuts", "repeat"),
    [
        pytest.param([], 0, id="unbroken"),
        pytest.param([4, 3], 0, id="broken twice"),
        pytest.param([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], 0, id="broken after each line"),
        pytest.param([5, 6], 3, id="the server repeats lines"),
        pytest.param([0, 0, 4, 0], 0, id="broken before the first line"),
        pytest.param([10], 0, id="broken before the end was said"),
    ],
)
async def test_followed_logs_have_each_line_once_whatever_breaks(
    client: AsyncAssay, fake: FakeServer, cuts: list[int], repeat: int
) -> None:
    fake.stories["tst_a"] = ten_lines()
    fake.log_cuts, fake.repeat = cuts, repeat
    logs = client.logs("tst_a", follow=True)
    assert [entry.seq async for entry in logs] == list(range(1, 11))
    assert logs.complete is not None
    assert logs.complete.complete


async def test_followed_logs_survive_a_server_that_dies_and_comes_back(fake: FakeServer) -> None:
    story = Story([a_test("tst_a", "RUNNING")], [line(1), line(2)])
    fake.stories["tst_a"] = story
    seen: list[int] = []
    async with serving(fake) as address:
        port = int(address.rpartition(":")[2])
        client = AsyncAssay(address, KEY, retry=QUICK)

        async def read() -> None:
            async for entry in client.logs("tst_a", follow=True):
                seen.append(entry.seq)  # noqa: PERF401 - is looked at while it grows

        reading = asyncio.create_task(read())
        await until(lambda: len(seen) == 2)
    story.lines += [line(3), line(4)]
    story.complete = log_pb2.LogsComplete(expected=4, received=4, complete=True)
    async with serving(fake, port):
        await asyncio.wait_for(reading, 10)
        await client.aclose()
    assert seen == [1, 2, 3, 4]


async def test_stored_logs_end_without_waiting(client: AsyncAssay, fake: FakeServer) -> None:
    fake.stories["tst_a"] = Story([a_test("tst_a", "RUNNING")], [line(1), line(2), line(3)])
    logs = client.logs("tst_a", from_seq=2)
    assert [entry.text async for entry in logs] == ["line 2", "line 3"]
    assert logs.complete is None


async def test_the_tail_is_followed_without_a_hole(client: AsyncAssay, fake: FakeServer) -> None:
    story = ten_lines()
    story.complete = None
    fake.stories["tst_a"] = story
    seen: list[int] = []
    async with aclosing(aiter(client.logs("tst_a", tail=2, follow=True))) as lines:
        async for entry in lines:
            seen.append(entry.seq)
            if entry.seq == 10:
                story.lines.append(line(11))
                story.complete = ALL
    assert seen == [9, 10, 11]


async def test_the_tail_alone_is_one_call(client: AsyncAssay, fake: FakeServer) -> None:
    fake.stories["tst_a"] = ten_lines()
    assert [entry.seq async for entry in client.logs("tst_a", tail=3)] == [8, 9, 10]
    assert len(fake.requests) == 1


async def test_a_range_of_lines_ends_the_stream(client: AsyncAssay, fake: FakeServer) -> None:
    fake.stories["tst_a"] = ten_lines()
    for follow in (False, True):
        logs = client.logs("tst_a", from_seq=3, to_seq=6, follow=follow)
        assert [entry.seq for entry in [line async for line in logs]] == [3, 4, 5, 6]
        assert logs.complete is None
    assert [entry.seq async for entry in client.logs("tst_a", from_seq=9, to_seq=20, follow=True)] == [9, 10]
    story = Story([passed("tst_a")], [line(1), line(2), line(9)], ALL)
    fake.stories["tst_a"] = story
    assert [entry.seq async for entry in client.logs("tst_a", to_seq=5, follow=True)] == [1, 2]  # 3 to 8 got lost


async def test_lines_with_a_text_are_followed_over_a_broken_connection(client: AsyncAssay, fake: FakeServer) -> None:
    fake.stories["tst_a"] = Story(
        [passed("tst_a")], [line(n, f"{'Even' if n % 2 == 0 else 'odd'}") for n in range(1, 11)], ALL
    )
    fake.log_cuts = [2, 2]
    assert [entry.seq async for entry in client.logs("tst_a", follow=True, text="EVEN")] == [2, 4, 6, 8, 10]
    assert [entry.seq async for entry in client.logs("tst_a", text="EVEN", match_case=True)] == []


async def test_a_search_says_where_the_lines_are(client: AsyncAssay, fake: FakeServer) -> None:
    story = ten_lines()
    story.lines[4].level = log_pb2.LOG_LEVEL_ERROR
    fake.stories["tst_a"] = story
    found = await client.search_logs("tst_a", text="LINE", step=4, from_seq=2, min_level="debug", streams=["stdout"])
    assert found == LogSearch(9, (2, 6, 10), 5, 10, None, found.complete)
    assert found.complete is not None
    assert found.to_dict()["marks"] == [2, 6, 10]
    [request] = fake.requests
    assert isinstance(request, test_service_pb2.SearchLogsRequest)
    assert (request.min_level, list(request.streams)) == (log_pb2.LOG_LEVEL_DEBUG, [log_pb2.LOG_STREAM_STDOUT])
    none = await client.search_logs("tst_a", text="line", match_case=True, from_seq=6)
    assert (none.count, none.first_error_seq, none.next_seq) == (5, None, None)


async def test_missing_lines_are_told(client: AsyncAssay, fake: FakeServer) -> None:
    complete = log_pb2.LogsComplete(expected=5, received=3, missing=[log_pb2.SeqRange(first=2, last=3)])
    fake.stories["tst_a"] = Story([passed("tst_a")], [line(1), line(4), line(5)], complete)
    logs = client.logs("tst_a", follow=True)
    assert [entry.seq async for entry in logs] == [1, 4, 5]
    assert logs.complete is not None
    assert not logs.complete.complete
    assert logs.complete.missing == ((2, 3),)


async def test_a_watch_tells_each_state_once_although_the_connection_breaks(
    client: AsyncAssay, fake: FakeServer
) -> None:
    states = [a_test("tst_a", state) for state in ("QUEUED", "BUILDING", "RUNNING")]
    fake.stories["tst_a"] = Story([*states, passed("tst_a")])
    fake.watch_cuts = 2
    updates = [update async for update in client.watch("tst_a")]
    assert [update.test.state for update in updates] == [
        TestState.QUEUED,
        TestState.BUILDING,
        TestState.RUNNING,
        TestState.COMPLETED,
    ]
    assert updates[0].event is WatchEvent.CURRENT


async def test_a_watch_shows_the_place_in_the_queue_as_it_moves(client: AsyncAssay, fake: FakeServer) -> None:
    waiting = [a_test("tst_a", "QUEUED") for _ in range(3)]
    for message, position in zip(waiting, (2, 2, 1), strict=True):
        message.queue_place.position = position
        message.queue_place.estimated_wait.FromSeconds(position * 4)
    fake.stories["tst_a"] = Story([*waiting, passed("tst_a")])
    places = [update.test.queue_place async for update in client.watch("tst_a")]
    assert [place.position if place else None for place in places] == [2, 1, None]


async def test_a_watch_that_is_left_ends_its_stream_on_the_server(client: AsyncAssay, fake: FakeServer) -> None:
    fake.stories["tst_a"] = Story([a_test("tst_a", "RUNNING"), passed("tst_a")], gate=asyncio.Event())
    async with aclosing(client.watch("tst_a")) as updates:
        async for _ in updates:
            break
    await until(lambda: fake.streams_closed == 1)


async def test_wait_gives_up_in_time_and_leaves_the_test_alone(client: AsyncAssay, fake: FakeServer) -> None:
    fake.stories["tst_a"] = Story([a_test("tst_a", "RUNNING"), passed("tst_a")], gate=asyncio.Event())
    with pytest.raises(TimeoutError):
        await client.wait("tst_a", timeout=0.05)
    assert [type(request).__name__ for request in fake.requests] == ["WatchTestRequest"]


async def test_a_stream_of_an_unknown_test_is_not_tried_again(client: AsyncAssay, fake: FakeServer) -> None:
    with pytest.raises(NotFound):
        async for _ in client.logs("tst_nobody", follow=True):
            pass
    assert len(fake.requests) == 1


async def test_a_server_fault_ends_a_stream_with_the_fault(client: AsyncAssay, fake: FakeServer) -> None:
    fake.stories["tst_a"] = ten_lines()
    fake.refusals["StreamLogs"] = [Refusal(grpc.StatusCode.INTERNAL, "something broke")]
    with pytest.raises(ServerError, match="something broke"):
        async for _ in client.logs("tst_a", follow=True):
            pass


async def test_a_stream_gives_up_when_nothing_comes_any_more(client: AsyncAssay, fake: FakeServer) -> None:
    fake.stories["tst_a"] = ten_lines()
    fake.log_cuts = [0] * 100
    with pytest.raises(Unavailable):
        async for _ in client.logs("tst_a", follow=True):
            pass
    assert len(fake.requests) == QUICK.stream_attempts


async def test_a_stream_from_nobody_is_given_up_as_soon_as_a_call() -> None:
    impatient = RetryPolicy(attempts=2, first_pause=0.01, stream_attempts=10_000)
    async with AsyncAssay("127.0.0.1:1", retry=impatient) as client:
        with pytest.raises(Unavailable):
            async for _ in client.logs("tst_a", follow=True):
                pass


async def test_a_silent_stream_outlives_a_server_that_restarts(fake: FakeServer) -> None:
    story = Story([a_test("tst_a", "QUEUED")])
    fake.stories["tst_a"] = story
    fake.silent = {"StreamLogs"}
    patient = RetryPolicy(attempts=1, first_pause=0.02, longest_pause=0.05, stream_attempts=500)
    async with serving(fake) as address:
        port = int(address.rpartition(":")[2])
        client = AsyncAssay(address, KEY, retry=patient)

        async def read() -> list[int]:
            return [entry.seq async for entry in client.logs("tst_a", follow=True)]

        reading = asyncio.create_task(read())
        await until(lambda: fake.requests)
    fake.silent = set()
    story.lines, story.complete = [line(1)], ALL
    async with serving(fake, port):
        assert await asyncio.wait_for(reading, 10) == [1]
        await client.aclose()


async def test_a_watched_queue_outlives_a_lost_connection_and_repeats_nothing(
    client: AsyncAssay, fake: FakeServer
) -> None:
    def status(pending: int, second: int) -> queue_service_pb2.QueueStatus:
        made = queue_service_pb2.QueueStatus(pending=pending)
        made.time.FromSeconds(second)
        return made

    fake.queue_stories = [[status(1, 1), status(2, 2)], [], [status(2, 3), status(3, 4)], [status(3, 5), status(4, 6)]]
    seen = []
    async with aclosing(client.watch_queue()) as changes:
        async for change in changes:
            seen.append(change.pending)
            if change.pending == 4:
                break
    assert seen == [1, 2, 3, 4]
    await until(lambda: fake.streams_closed == 4)


async def test_what_open_lines_say_comes_in_order_with_the_lines_for_who_asks(
    client: AsyncAssay, fake: FakeServer
) -> None:
    fake.stories["tst_a"] = story = Story([passed("tst_a")], [line(1)], live=asyncio.Queue())
    for _ in range(2):
        story.say(partial="so", after=1)
        story.say(line(2, "so far"), partial="and", after=2)
        story.end(2)
    seen: list[str] = []
    async for lines, partials in client.logs("tst_a", follow=True).updates():
        seen += [entry.text for entry in lines] + [f"({said.text} after {said.after_seq})" for said in partials]
    assert seen == ["line 1", "(so after 1)", "so far", "(and after 2)"]
    assert [entry.text async for entry in client.logs("tst_a", follow=True)] == ["line 1", "so far"]
