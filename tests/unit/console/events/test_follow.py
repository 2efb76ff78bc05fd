"""One feed, with a scripted gateway that breaks off anywhere: each line comes once, in order, and none is missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import grpc
import grpc.aio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.v1 import log_pb2, queue_service_pb2, test_service_pb2
from services.console.events.feeds import Feed, LogFeed, QueueFeed, TestFeed, TestsFeed
from services.console.events.follow import LONGEST_PAUSE_S, SessionOver, followed, growing
from services.console.events.messages import PIECE_CHARACTERS, PIECE_LINES, Event, events

LOG = LogFeed(id="l", kind="log", testId="tst_1")


def failed(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), code.name.lower(), None)


class Scripted:
    """A call that tells `messages`, and then ends as `ends` says."""

    def __init__(self, messages: Sequence[Any], ends: grpc.StatusCode | None) -> None:
        self._messages = messages
        self._ends = ends
        self.cancelled = False
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[Any]:
        for message in self._messages:
            self.read += 1
            await asyncio.sleep(0)
            yield message
        if self._ends is not None:
            raise failed(self._ends)

    def cancel(self) -> None:
        self.cancelled = True


class Gateway:
    """Ends its calls as scripted, one after the other; the last one goes to the end."""

    def __init__(self, *calls: Scripted) -> None:
        self.calls = list(calls)
        self.asked: list[int] = []

    def __call__(self, feed: Feed, position: int) -> Scripted:
        self.asked.append(position)
        return self.calls[len(self.asked) - 1]


def message(first: int, last: int, *, complete: bool = False, text: str = "x") -> test_service_pb2.StreamLogsResponse:
    lines = [log_pb2.LogLine(seq=seq, text=text) for seq in range(first, last + 1)]
    said = test_service_pb2.StreamLogsResponse(lines=lines)
    if complete:
        said.complete.received = last
    return said


async def told(feed: Feed, gateway: Any, position: int = 0) -> list[Event]:
    async with aclosing(followed(feed, position, gateway, pause=lambda _: 0.0)) as found:
        return [event async for event in found]


def seqs(found: Sequence[Event]) -> list[int]:
    return [int(line["seq"]) for event in found for line in event.data.get("lines", ())]


class Output:
    """The output of a test: 1 to `count` in messages of given sizes, and calls that break off after some messages."""

    def __init__(self, count: int, sizes: Sequence[int], breaks: Sequence[tuple[int, grpc.StatusCode | None]]) -> None:
        self._count = count
        self._sizes = sizes
        self._breaks = list(breaks)

    def __call__(self, feed: Feed, position: int) -> Scripted:
        messages = []
        first, place = position + 1, 0
        while first <= self._count:
            last = min(self._count, first + self._sizes[place % len(self._sizes)] - 1)
            messages.append(message(first, last))
            first, place = last + 1, place + 1
        if self._breaks:
            after, code = self._breaks.pop()
            return Scripted(messages[:after], code)
        messages.append(test_service_pb2.StreamLogsResponse(complete=log_pb2.LogsComplete(received=self._count)))
        return Scripted(messages, None)


CODES = [None, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED]


@given(
    count=st.integers(0, 700),
    sizes=st.lists(st.integers(1, 450), min_size=1, max_size=5),
    breaks=st.lists(st.tuples(st.integers(0, 6), st.sampled_from(CODES)), max_size=6),
    leaves=st.lists(st.integers(1, 5), max_size=4),
)
async def test_every_line_comes_once_whatever_breaks_off_and_whoever_comes_back(
    count: int, sizes: list[int], breaks: list[tuple[int, grpc.StatusCode | None]], leaves: list[int]
) -> None:
    output = Output(count, sizes, breaks)
    found: list[Event] = []
    position = 0
    for stay in [*leaves, 10_000]:  # the tab goes after so many events, and comes back with its position
        async with aclosing(followed(LOG, position, output, pause=lambda _: 0.0)) as stream:
            left = stay
            async for event in stream:
                found.append(event)
                position = event.position
                left -= 1
                if left == 0:
                    break
        if found[-1].kind == "end":
            break
    assert seqs(found) == list(range(1, count + 1))
    assert found[-1].kind == "end"
    assert all(event.retry for event in found if event.kind == "error")


async def test_a_feed_goes_on_after_its_last_line_when_the_gateway_was_away() -> None:
    gateway = Gateway(
        Scripted([message(1, 3)], grpc.StatusCode.UNAVAILABLE),
        Scripted([], grpc.StatusCode.UNAVAILABLE),
        Scripted([message(4, 5, complete=True)], None),
    )
    found = await told(LOG, gateway)
    assert gateway.asked == [0, 3, 3]
    assert [event.kind for event in found] == ["log", "error", "error", "log", "end"]
    assert found[1].data["code"] == "UNAVAILABLE"
    assert all(call.cancelled for call in gateway.calls)


@pytest.mark.parametrize("code", ["NOT_FOUND", "PERMISSION_DENIED", "INVALID_ARGUMENT", "UNIMPLEMENTED"])
async def test_an_error_that_stays_ends_the_feed(code: str) -> None:
    gateway = Gateway(Scripted([], grpc.StatusCode[code]))
    (error,) = await told(LOG, gateway)
    assert (error.kind, error.retry, error.data["code"]) == ("error", False, code)


async def test_a_key_that_is_refused_ends_more_than_the_feed() -> None:
    gateway = Gateway(Scripted([message(1, 1)], grpc.StatusCode.UNAUTHENTICATED))
    with pytest.raises(SessionOver) as over:
        await told(LOG, gateway)
    assert over.value.problem.dead
    assert gateway.calls[0].cancelled


async def test_tests_that_nobody_watched_for_a_while_are_to_be_read_again() -> None:
    quiet, changed = test_service_pb2.WatchTestsResponse(), test_service_pb2.WatchTestsResponse()
    changed.tests.add(id="tst_1")
    gateway = Gateway(
        Scripted([quiet, changed], grpc.StatusCode.UNAVAILABLE), Scripted([quiet, changed], grpc.StatusCode.NOT_FOUND)
    )
    found = [event.data for event in await told(TestsFeed(id="c", kind="tests"), gateway) if event.kind == "tests"]
    assert [data.get("more", False) for data in found] == [False, False, True, False]
    resumed = await told(TestsFeed(id="c", kind="tests"), Gateway(Scripted([quiet], grpc.StatusCode.NOT_FOUND)), 1)
    assert resumed[0].data == {"more": True}


async def test_a_watch_ends_with_its_test_and_the_queue_never() -> None:
    moved = test_service_pb2.WatchTestResponse()
    found = await told(TestFeed(id="t", kind="test", testId="tst_1"), Gateway(Scripted([moved], None)))
    assert [event.kind for event in found] == ["test", "end"]
    queue = queue_service_pb2.WatchQueueResponse()
    gateway = Gateway(Scripted([queue], None), Scripted([queue], grpc.StatusCode.NOT_FOUND))
    found = await told(QueueFeed(id="q", kind="queue"), gateway)
    assert [event.kind for event in found] == ["queue", "error", "queue", "error"]


async def test_the_next_message_is_read_when_the_one_before_was_taken() -> None:
    call = Scripted([message(number, number) for number in range(1, 50)], None)
    stream = followed(LOG, 0, Gateway(call))
    for taken in range(1, 5):
        await anext(stream)
        assert call.read == taken
    await stream.aclose()
    assert call.cancelled


def test_a_large_message_comes_in_pieces_and_its_account_with_the_last() -> None:
    many = list(events("log", message(1, 2 * PIECE_LINES + 1, complete=True), 0, again=False))
    assert [len(event.data["lines"]) for event in many] == [PIECE_LINES, PIECE_LINES, 1]
    assert ["complete" in event.data for event in many] == [False, False, True]
    assert [event.position for event in many] == [PIECE_LINES, 2 * PIECE_LINES, 2 * PIECE_LINES + 1]
    long = list(events("log", message(1, 10, text="x" * 16_384), 0, again=False))
    assert seqs(long) == list(range(1, 11))
    assert max(sum(len(line["text"]) for line in event.data["lines"]) for event in long) <= PIECE_CHARACTERS


def test_pauses_grow_to_a_bound() -> None:
    assert growing(1) <= 0.25
    assert LONGEST_PAUSE_S / 2 <= growing(50) <= LONGEST_PAUSE_S
