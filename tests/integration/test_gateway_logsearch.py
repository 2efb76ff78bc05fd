"""Output that is searched: a search, pages and streams find the same lines, whatever the log is like."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio

from assay.v1 import log_pb2
from assay.v1 import test_service_pb2 as pb
from tests.support.gateway import Client, Stage, collected, line, lines, refused, staged, violations_of

Code = grpc.StatusCode
SECOND = 1_000_000  # before the lines of the second attempt


@pytest_asyncio.fixture(name="stage")
async def the_stage(nats_url: str, mongo_url: str, mongo_database: str) -> AsyncIterator[Stage]:
    async with staged(nats_url, mongo_url, mongo_database) as stage:
        yield stage


@pytest_asyncio.fixture(name="alice")
async def alices(stage: Stage) -> Client:
    return await stage.client("alice")


@pytest_asyncio.fixture(name="test_id")
async def a_running_test(stage: Stage, alice: Client) -> str:
    test = await alice.submit()
    await stage.others.started(test.id)
    return test.id


async def search(client: Client, test_id: str, **fields: Any) -> pb.SearchLogsResponse:
    answer: pb.SearchLogsResponse = await client.call("SearchLogs", pb.SearchLogsRequest(test_id=test_id, **fields))
    return answer


async def ends(stage: Stage, test_id: str, count: int, **more: Any) -> None:
    await stage.others.completed(test_id)
    await stage.others.ended_output(test_id, count, **more)


async def second_attempt(stage: Stage, test_id: str) -> None:
    await stage.others.database["executions"].update_one({"_id": test_id}, {"$set": {"attempt": 2}})


async def test_a_search_counts_and_marks_every_so_many_lines(stage: Stage, alice: Client, test_id: str) -> None:
    for first in range(1, 1001, 100):
        await stage.others.stored(test_id, lines(first, first + 99))
    found = await search(alice, test_id, text="LINE 1", step=50)  # 1, 10-19, 100-199, 1000
    numbers = [1, *range(10, 20), *range(100, 200), 1000]
    assert found == pb.SearchLogsResponse(count=112, marks=numbers[::50], last_seq=1000)
    every = await search(alice, test_id, text="line 1", match_case=True, step=1)
    assert list(every.marks) == numbers
    assert (await search(alice, test_id, text="LINE 1", match_case=True)).count == 0
    later = await search(alice, test_id, text="line 1", from_seq=150)
    assert (later.count, list(later.marks)) == (51, [150])
    assert (await search(alice, test_id)).marks == [1, 501]
    assert await search(alice, test_id, from_seq=1001) == pb.SearchLogsResponse()


async def test_a_page_opens_at_every_mark_of_a_search(stage: Stage, alice: Client, test_id: str) -> None:
    text = "a \x1b[31mneedle\x1b[0m of steel"
    await stage.others.stored(test_id, [line(seq, text if seq % 7 == 0 else None) for seq in range(1, 701)])
    wanted: dict[str, Any] = {"text": "Needle of", "min_level": log_pb2.LOG_LEVEL_INFO}
    found = await search(alice, test_id, step=20, **wanted)
    assert (found.count, len(found.marks)) == (100, 5)
    seen: list[int] = []
    for mark in found.marks:
        page = await alice.call("GetLogs", pb.GetLogsRequest(test_id=test_id, from_seq=mark, page_size=20, **wanted))
        seen += [one.seq for one in page.lines]
        assert page.lines[0].text == text
    assert seen == list(range(7, 701, 7))
    streamed = await collected(alice.stream("StreamLogs", pb.StreamLogsRequest(test_id=test_id, **wanted)))
    assert [one.seq for message in streamed for one in message.lines] == seen


async def test_the_first_error_is_among_the_lines_of_the_filter(stage: Stage, alice: Client, test_id: str) -> None:
    levels = {5: "warning", 8: "error", 12: "critical"}
    written = [
        line(seq, level=levels.get(seq, "info"), stream="stderr" if seq > 10 else "stdout") for seq in range(1, 21)
    ]
    await stage.others.stored(test_id, written)
    assert (await search(alice, test_id)).first_error_seq == 8
    assert (await search(alice, test_id, streams=[log_pb2.LOG_STREAM_STDERR])).first_error_seq == 12
    assert (await search(alice, test_id, from_seq=13)).first_error_seq == 0
    warnings = await search(alice, test_id, min_level=log_pb2.LOG_LEVEL_WARNING, step=1)
    assert list(warnings.marks) == [5, 8, 12]


async def test_a_search_passes_through_attempts_holes_and_chunks_that_overlap(
    stage: Stage, alice: Client, test_id: str
) -> None:
    for first, last in ((1, 4), (3, 6), (9, 10), (SECOND + 1, SECOND + 3)):
        await stage.others.stored(test_id, lines(first, last))
    await second_attempt(stage, test_id)
    found = await search(alice, test_id, step=1)
    assert list(found.marks) == [1, 2, 3, 4, 5, 6, 9, 10, SECOND + 1, SECOND + 2, SECOND + 3]
    assert (found.last_seq, found.HasField("complete")) == (SECOND + 3, False)
    assert list((await search(alice, test_id, step=1, from_seq=4)).marks) == list(found.marks)[3:]
    await ends(stage, test_id, 3, expected=5)
    ended = await search(alice, test_id, text="line 9")
    assert list(ended.marks) == [9]
    assert [(gap.first, gap.last) for gap in ended.complete.missing] == [(SECOND + 4, SECOND + 5)]


async def test_a_search_of_a_log_that_grows_waits_for_a_hole_and_goes_on_where_it_was(
    stage: Stage, alice: Client, test_id: str
) -> None:
    await stage.others.stored(test_id, lines(1, 3))
    await stage.others.stored(test_id, lines(6, 8))
    searching = asyncio.create_task(search(alice, test_id, step=1))
    await asyncio.sleep(0.2)
    assert not searching.done()
    await stage.others.stored(test_id, lines(4, 5))
    found = await searching
    assert (found.count, found.last_seq) == (8, 8)
    await stage.others.stored(test_id, lines(9, 11))
    more = await search(alice, test_id, step=1, from_seq=found.last_seq + 1)
    assert list(more.marks) == [9, 10, 11]
    await stage.others.stored(test_id, lines(14, 15))  # what lies before is lost
    lossy = await search(alice, test_id, step=1, from_seq=9)
    assert list(lossy.marks) == [9, 10, 11, 14, 15]
    await ends(stage, test_id, 13, expected=15)
    ended = await search(alice, test_id, text="line 15")
    assert (ended.count, ended.complete.complete, len(ended.complete.missing)) == (1, False, 1)


async def test_a_search_whose_marks_do_not_suffice_says_where_to_go_on(
    stage: Stage, alice: Client, test_id: str
) -> None:
    for first in range(1, 10_501, 1_500):
        await stage.others.stored(test_id, lines(first, first + 1_499))
    found = await search(alice, test_id, step=1)
    assert (found.count, len(found.marks), found.last_seq, found.next_seq) == (10_000, 10_000, 10_000, 10_001)
    rest = await search(alice, test_id, step=1, from_seq=found.next_seq)
    assert (list(rest.marks), rest.last_seq, rest.next_seq) == (list(range(10_001, 10_501)), 10_500, 0)


async def test_a_text_that_is_rare_is_found_page_by_page(stage: Stage, alice: Client, test_id: str) -> None:
    await stage.others.stored(test_id, [line(1, "needle"), *lines(2, 1000)])
    await stage.others.stored(test_id, [*lines(1001, 1999), line(2000, "Needle")])
    page = await alice.call("GetLogs", pb.GetLogsRequest(test_id=test_id, text="needle", page_size=1))
    assert ([one.seq for one in page.lines], page.next_seq) == ([1], 2000)
    page = await alice.call("GetLogs", pb.GetLogsRequest(test_id=test_id, text="needle", from_seq=2000))
    assert ([one.seq for one in page.lines], page.next_seq) == ([2000], 0)
    page = await alice.call("GetLogs", pb.GetLogsRequest(test_id=test_id, text="needle", match_case=True))
    assert [one.seq for one in page.lines] == [1]


async def test_a_followed_stream_has_the_lines_with_the_text_stored_or_live_and_what_has_not_ended(
    stage: Stage, alice: Client, test_id: str
) -> None:
    await stage.others.wrote(test_id, [line(1, "a Needle"), line(2, "hay")])
    request = pb.StreamLogsRequest(test_id=test_id, follow=True, text="needle", partial_lines=True)
    stream = alice.stream("StreamLogs", request)
    assert [one.seq for one in (await stream.read()).lines] == [1]
    other = alice.stream(
        "StreamLogs", pb.StreamLogsRequest(test_id=test_id, follow=True, text="needle", match_case=True)
    )
    # What a client shows that comes back is not known: line 2 is none of those with the text, so nothing open is left.
    assert [one.gone for one in (await stream.read()).partial_lines] == [True]
    await stage.others.wrote(test_id, [line(3, "hay"), line(4, "\x1b[1mneed\x1b[0mle")])
    assert [one.seq for one in (await stream.read()).lines] == [4]
    assert [one.seq for one in (await other.read()).lines] == [4]
    await stage.others.says(test_id, "hay, so far", after=4)
    await stage.others.says(test_id, "a needle, so far", after=4)
    assert [one.text for one in (await stream.read()).partial_lines] == ["a needle, so far"]
    await ends(stage, test_id, 4)
    assert (await stream.read()).complete.complete
    assert (await other.read()).complete.complete


async def test_behind_the_last_number_there_is_nothing(stage: Stage, alice: Client, test_id: str) -> None:
    await stage.others.stored(test_id, lines(1, 3))
    largest = 2**63 - 1
    assert await search(alice, test_id, from_seq=largest) == pb.SearchLogsResponse()
    page = await alice.call("GetLogs", pb.GetLogsRequest(test_id=test_id, from_seq=largest))
    assert page == pb.GetLogsResponse()
    assert not await collected(alice.stream("StreamLogs", pb.StreamLogsRequest(test_id=test_id, from_seq=largest)))


async def test_searches_that_are_left_or_come_together_end_as_if_they_were_alone(
    stage: Stage, alice: Client, test_id: str
) -> None:
    for first in range(1, 20_001, 1_000):
        await stage.others.stored(test_id, lines(first, first + 999))
    left = [asyncio.create_task(search(alice, test_id, text="line")) for _ in range(10)]
    await asyncio.sleep(0.02)
    for one in left:
        one.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    found = await asyncio.gather(*(search(alice, test_id, text=f"line {n}", step=10) for n in range(1, 11)))
    assert [answer.marks[0] for answer in found] == list(range(1, 11))
    assert {answer.last_seq for answer in found} == {20_000}


async def test_another_users_output_cannot_be_searched(stage: Stage, test_id: str) -> None:
    bob, root = await stage.client("bob"), await stage.client("root", role="admin")
    assert (await refused(search(bob, test_id))).code() is Code.NOT_FOUND
    await stage.others.stored(test_id, lines(1, 2))
    assert (await search(root, test_id)).count == 2


@pytest.mark.parametrize(
    ("method", "request_", "fields"),
    [
        ("SearchLogs", pb.SearchLogsRequest(from_seq=-1, step=-1, text="x" * 201), {"from_seq", "step", "text"}),
        ("SearchLogs", pb.SearchLogsRequest(step=10_001), {"step"}),
        ("GetLogs", pb.GetLogsRequest(text="x" * 201), {"text"}),
        ("GetLogs", pb.GetLogsRequest(text="x", tail=5), {"text"}),
        ("StreamLogs", pb.StreamLogsRequest(from_seq=-1, text="x" * 201), {"from_seq", "text"}),
    ],
)
async def test_bad_searches_are_refused_with_every_field(
    alice: Client, test_id: str, method: str, request_: Any, fields: set[str]
) -> None:
    request_.test_id = test_id
    call = collected(alice.stream(method, request_)) if method == "StreamLogs" else alice.call(method, request_)
    error = await refused(call)
    assert error.code() is Code.INVALID_ARGUMENT
    assert set(violations_of(error)) == fields
