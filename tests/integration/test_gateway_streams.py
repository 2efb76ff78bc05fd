"""Live streams of the gateway: nothing twice, nothing missing, in order, whatever gets lost and whoever is slow."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio

from assay.v1 import log_pb2, test_pb2
from assay.v1 import test_service_pb2 as pb
from services.gateway.metrics import DROPPED_BACK
from services.gateway.streams import follower
from tests.support.gateway import Client, Stage, collected, line, lines, staged
from tests.support.until import until

Code = grpc.StatusCode
CURRENT, MOVED, QUEUE, CANCEL = (
    pb.WATCH_EVENT_CURRENT,
    pb.WATCH_EVENT_STATE_CHANGED,
    pb.WATCH_EVENT_QUEUE_MOVED,
    pb.WATCH_EVENT_CANCEL_REQUESTED,
)


@pytest_asyncio.fixture
async def stage(nats_url: str, mongo_url: str, mongo_database: str) -> AsyncIterator[Stage]:
    # Looks are rare here, so that what arrives came by an event; the tests of lost events set them close together.
    async with staged(nats_url, mongo_url, mongo_database, gateway_look_s=60.0) as stage:
        yield stage


@pytest_asyncio.fixture
async def watchful(nats_url: str, mongo_url: str, mongo_database: str) -> AsyncIterator[Stage]:
    async with staged(nats_url, mongo_url, mongo_database, gateway_look_s=0.2) as stage:
        yield stage


class Reading:
    """A stream of logs that is read in the background."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.seqs: list[int] = []
        self.complete: log_pb2.LogsComplete | None = None
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.stream:
            self.seqs += [one.seq for one in message.lines]
            if message.HasField("complete"):
                self.complete = message.complete

    async def to(self, last: int) -> None:
        await until(lambda: self.seqs and self.seqs[-1] >= last, what=f"line {last}")

    async def end(self) -> None:
        async with asyncio.timeout(15):
            await self.task


def read_logs(client: Client, test_id: str, **fields: Any) -> Reading:
    return Reading(client.stream("StreamLogs", pb.StreamLogsRequest(test_id=test_id, **{"follow": True, **fields})))


async def running_test(stage: Stage, client: Client) -> str:
    test = await client.submit()
    await stage.others.started(test.id)
    return test.id


async def end(stage: Stage, test_id: str, count: int, **more: Any) -> None:
    await stage.others.completed(test_id)
    await stage.others.ended_output(test_id, count, **more)


# -- watching


async def test_a_watch_tells_where_it_stands_then_every_move_then_ends(stage: Stage) -> None:
    alice = await stage.client()
    test = await alice.submit()
    watching = asyncio.create_task(collected(alice.stream("WatchTest", pb.WatchTestRequest(test_id=test.id))))
    await until(lambda: stage.live.followed)
    for move in (stage.others.queued, stage.others.scheduled, stage.others.runs, stage.others.completed):
        await move(test.id)
        await asyncio.sleep(0.1)  # moves that follow quickly share a message; here each is to be seen
    seen = await watching
    assert seen[0].event == CURRENT
    assert [message.event for message in seen[1:] if message.event != QUEUE] == [MOVED] * 4
    states = [message.test.state for message in seen if message.event != QUEUE]
    assert states == [1, 2, 3, 4, 5]
    assert seen[-1].test.result.response_json == '"done"'
    assert len(seen[-1].test.history) == 5
    assert stage.live.followed == 0


async def test_a_watch_of_a_test_that_ended_is_one_message(stage: Stage) -> None:
    alice = await stage.client()
    test_id = await running_test(stage, alice)
    await stage.others.completed(test_id)
    stream = alice.stream("WatchTest", pb.WatchTestRequest(test_id=test_id, view=test_pb2.TEST_VIEW_FULL))
    (message,) = await collected(stream)
    assert message.event == CURRENT
    assert message.test.state == test_pb2.TEST_STATE_COMPLETED
    assert message.test.spec.agent_code


async def test_a_watch_tells_the_place_in_the_queue_and_that_it_moved(stage: Stage) -> None:
    alice = await stage.client()
    ahead, test = await alice.submit(), await alice.submit()
    await stage.others.queued(ahead.id, rank=1)
    await stage.others.queued(test.id, rank=2)
    stream = alice.stream("WatchTest", pb.WatchTestRequest(test_id=test.id))
    first = await stream.read()
    assert (first.event, first.test.queue_place.position) == (CURRENT, 2)
    await stage.others.scheduled(ahead.id)
    second = await stream.read()
    assert (second.event, second.test.queue_place.position) == (QUEUE, 1)
    stream.cancel()


async def test_a_watch_tells_that_somebody_wants_it_stopped(stage: Stage) -> None:
    alice = await stage.client()
    test_id = await running_test(stage, alice)
    stream = alice.stream("WatchTest", pb.WatchTestRequest(test_id=test_id))
    assert (await stream.read()).event == CURRENT
    await alice.call("CancelTest", pb.CancelTestRequest(test_id=test_id, reason="why"))
    message = await stream.read()
    assert message.event == CANCEL
    assert message.test.cancellation.reason == "why"
    stream.cancel()


async def test_a_move_whose_event_got_lost_is_seen_at_the_next_look(watchful: Stage) -> None:
    alice = await watchful.client()
    test_id = await running_test(watchful, alice)
    watching = asyncio.create_task(collected(alice.stream("WatchTest", pb.WatchTestRequest(test_id=test_id))))
    await until(lambda: watchful.live.followed)
    entry = {"state": "COMPLETED", "at": (await watchful.others.execution(test_id)).times.submitted, "by": "x"}
    await watchful.others.database["executions"].update_one(
        {"_id": test_id}, {"$set": {"state": "COMPLETED"}, "$push": {"history": entry}}
    )
    assert (await watching)[-1].test.state == test_pb2.TEST_STATE_COMPLETED


async def test_another_users_test_cannot_be_watched_or_read(stage: Stage) -> None:
    alice, bob = await stage.client("alice"), await stage.client("bob")
    test = await alice.submit()
    for method, request in (
        ("WatchTest", pb.WatchTestRequest(test_id=test.id)),
        ("StreamLogs", pb.StreamLogsRequest(test_id=test.id, follow=True)),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await collected(bob.stream(method, request))
        assert refused.value.code() is Code.NOT_FOUND
    assert stage.live.followed == 0
    root = await stage.client("root", role="admin")
    stream = root.stream("WatchTest", pb.WatchTestRequest(test_id=test.id))
    assert (await stream.read()).test.user_id == "alice"
    await stage.others.queued(test.id)
    assert (await stream.read()).test.state == test_pb2.TEST_STATE_QUEUED  # events of the owner's subject
    stream.cancel()


# -- logs


async def test_stored_lines_come_first_then_live_ones_then_the_account(stage: Stage) -> None:
    alice = await stage.client()
    test_id = await running_test(stage, alice)
    await stage.others.wrote(test_id, lines(1, 3))
    reading = read_logs(alice, test_id)
    await reading.to(3)
    await stage.others.wrote(test_id, [line(4)])
    await reading.to(4)
    await stage.others.wrote(test_id, lines(5, 9))
    await end(stage, test_id, 9)
    await reading.end()
    assert reading.seqs == list(range(1, 10))
    assert reading.complete == log_pb2.LogsComplete(expected=9, received=9, complete=True)
    assert stage.live.followed == 0


async def test_a_stream_goes_on_from_any_number(stage: Stage) -> None:
    alice = await stage.client()
    test_id = await running_test(stage, alice)
    await stage.others.wrote(test_id, lines(1, 6))
    middle, later = read_logs(alice, test_id, from_seq=5), read_logs(alice, test_id, from_seq=8)
    await middle.to(6)
    await until(lambda: stage.live.followed == 1)
    await stage.others.wrote(test_id, lines(7, 9))
    await end(stage, test_id, 9)
    await asyncio.gather(middle.end(), later.end())
    assert middle.seqs == [5, 6, 7, 8, 9]
    assert later.seqs == [8, 9]


async def test_without_follow_the_stream_ends_with_what_is_stored(stage: Stage) -> None:
    alice = await stage.client()
    test_id = await running_test(stage, alice)
    await stage.others.wrote(test_id, lines(1, 3))
    reading = read_logs(alice, test_id, follow=False)
    await reading.end()
    assert reading.seqs == [1, 2, 3]
    assert reading.complete is None
    await end(stage, test_id, 3)
    reading = read_logs(alice, test_id, follow=False)
    await reading.end()
    assert reading.complete is not None


async def test_filters_hide_lines_and_leave_no_hole_that_is_looked_for(stage: Stage) -> None:
    alice = await stage.client()
    test_id = await running_test(stage, alice)
    errors = read_logs(alice, test_id, min_level=log_pb2.LOG_LEVEL_ERROR)
    stderr = read_logs(alice, test_id, streams=[log_pb2.LOG_STREAM_STDERR])
    await until(lambda: stage.live.followed == 1)
    await asyncio.sleep(0.1)
    for seq in range(1, 31):
        level, stream = ("error", "stderr") if seq % 10 == 0 else ("warning" if seq % 5 == 0 else "info", "stdout")
        await stage.others.wrote(test_id, [line(seq, level=level, stream=stream)])
    await end(stage, test_id, 30)
    await asyncio.gather(errors.end(), stderr.end())
    assert errors.seqs == stderr.seqs == [10, 20, 30]


async def test_lines_whose_event_got_lost_come_with_the_next_event(stage: Stage) -> None:
    alice = await stage.client()
    test_id = await running_test(stage, alice)
    reading = read_logs(alice, test_id)
    await until(lambda: stage.live.followed)
    await stage.others.wrote(test_id, lines(1, 3))
    await reading.to(3)
    await stage.others.wrote(test_id, lines(4, 6), tell=False)
    await stage.others.wrote(test_id, lines(7, 8))
    await reading.to(8)
    assert reading.seqs == list(range(1, 9))
    await end(stage, test_id, 8)
    await reading.end()


async def test_the_last_event_may_be_lost_and_a_look_at_the_store_finds_the_lines_and_the_end(watchful: Stage) -> None:
    alice = await watchful.client()
    test_id = await running_test(watchful, alice)
    reading = read_logs(alice, test_id)
    await watchful.others.wrote(test_id, lines(1, 3))
    await reading.to(3)
    await watchful.others.wrote(test_id, lines(4, 6), tell=False)
    await reading.to(6)
    await watchful.others.completed(test_id)
    await watchful.others.ended_output(test_id, 6, tell=False)
    await reading.end()
    assert reading.seqs == list(range(1, 7))


async def test_events_that_come_twice_or_late_change_nothing(stage: Stage) -> None:
    alice = await stage.client()
    test_id = await running_test(stage, alice)
    reading = read_logs(alice, test_id)
    await until(lambda: stage.live.followed)
    await stage.others.stored(test_id, lines(1, 9))
    for first, last in ((1, 4), (1, 4), (3, 6), (2, 3), (7, 9), (5, 8)):
        await stage.others.wrote(test_id, lines(first, last))
    await end(stage, test_id, 9)
    await reading.end()
    assert reading.seqs == list(range(1, 10))


async def test_a_hole_in_the_store_is_waited_for_until_it_is_filled(stage: Stage) -> None:
    alice = await stage.client()
    test_id = await running_test(stage, alice)
    await stage.others.stored(test_id, lines(1, 3))
    await stage.others.stored(test_id, lines(6, 8))
    reading = read_logs(alice, test_id)
    await reading.to(3)
    await stage.others.stored(test_id, lines(4, 5))
    await reading.to(8)
    assert reading.seqs == list(range(1, 9))
    await end(stage, test_id, 8)
    await reading.end()


async def test_lines_that_never_come_are_stepped_over_and_named_at_the_end(stage: Stage) -> None:
    alice = await stage.client()
    test_id = await running_test(stage, alice)
    await stage.others.stored(test_id, lines(1, 3))
    await stage.others.stored(test_id, lines(6, 8))
    reading = read_logs(alice, test_id)
    await reading.to(8)
    await end(stage, test_id, 6, expected=10)
    await reading.end()
    assert reading.seqs == [1, 2, 3, 6, 7, 8]
    assert reading.complete is not None
    assert not reading.complete.complete
    assert [(gap.first, gap.last) for gap in reading.complete.missing] == [(4, 5), (9, 10)]


async def test_the_lines_of_a_second_attempt_follow_those_of_the_first(stage: Stage) -> None:
    alice = await stage.client()
    test_id = await running_test(stage, alice)
    reading = read_logs(alice, test_id)
    await stage.others.wrote(test_id, lines(1, 3))
    await reading.to(3)
    await stage.others.wrote(test_id, lines(4, 5), tell=False)
    await stage.others.wrote(test_id, lines(1_000_001, 1_000_002))
    await reading.to(1_000_002)
    await end(stage, test_id, 7)
    await reading.end()
    assert reading.seqs == [1, 2, 3, 4, 5, 1_000_001, 1_000_002]


async def test_a_test_that_never_ran_has_a_log_that_ends_at_once(stage: Stage) -> None:
    alice = await stage.client()
    test = await alice.submit()
    reading = read_logs(alice, test.id)
    await until(lambda: stage.live.followed)
    await stage.others.failed(test.id, {"code": "CANCELLED", "stage": "queue", "message": "m", "hint": "h"})
    await reading.end()
    assert reading.complete is not None
    assert reading.complete.complete


async def test_large_lines_come_in_messages_that_a_client_takes(stage: Stage) -> None:
    alice = await stage.client()
    test_id = await running_test(stage, alice)
    for first in range(1, 501, 50):
        await stage.others.stored(test_id, lines(first, first + 49, "x" * 16_384))
    await end(stage, test_id, 500)
    reading = read_logs(alice, test_id)
    await reading.end()
    assert reading.seqs == list(range(1, 501))


# -- many, slow and gone


def subscriptions(stage: Stage) -> int:
    """How many tests the gateway's own connection listens to."""
    assert stage.live._feed is not None
    client = stage.live._feed._bus.client
    return sum(1 for one in client._subs.values() if one.subject.startswith("*.*."))


async def test_two_hundred_followers_of_one_test_are_one_subscription(stage: Stage) -> None:
    clients = [await stage.client("alice") for _ in range(4)]
    test_id = await running_test(stage, clients[0])
    readings = [read_logs(clients[number % 4], test_id) for number in range(150)]
    watches = [
        asyncio.create_task(collected(clients[number % 4].stream("WatchTest", pb.WatchTestRequest(test_id=test_id))))
        for number in range(50)
    ]
    await until(lambda: sum(len(channel.followers) for channel in stage.live._channels.values()) == 200)
    assert stage.live.followed == 1
    assert subscriptions(stage) == 1
    for first in range(1, 101, 10):
        await stage.others.wrote(test_id, lines(first, first + 9))
    await end(stage, test_id, 100)
    await asyncio.gather(*(reading.end() for reading in readings))
    assert all(reading.seqs == list(range(1, 101)) for reading in readings)
    assert all(messages[-1].test.state == test_pb2.TEST_STATE_COMPLETED for messages in await asyncio.gather(*watches))
    assert stage.live.followed == 0
    await until(lambda: not subscriptions(stage))


async def test_a_slow_client_slows_nobody_and_gets_every_line_in_the_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "MOST_BATCHES", 4)
    quick = await stage.client()
    # A small window, so that the connection does not take megabytes for a client who reads nothing.
    slow = await stage.client("alice", options=[("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0)])
    test_id = await running_test(stage, quick)
    lazy = slow.stream("StreamLogs", pb.StreamLogsRequest(test_id=test_id, follow=True))
    reading = read_logs(quick, test_id)
    await stage.others.wrote(test_id, [line(1)])
    messages = aiter(lazy)
    assert [one.seq for one in (await anext(messages)).lines] == [1]
    await reading.to(1)
    dropped = DROPPED_BACK._value.get()
    for seq in range(2, 202):
        await stage.others.wrote(test_id, [line(seq, "x" * 16_000)])
    await reading.to(201)  # while the other one does not read at all
    assert reading.seqs == list(range(1, 202))
    assert DROPPED_BACK._value.get() > dropped
    await end(stage, test_id, 201)
    await reading.end()
    seqs = [one.seq async for message in messages for one in message.lines]
    assert seqs == list(range(2, 202))


@pytest.mark.parametrize("how", ["cancelled", "deadline", "connection closed"])
async def test_a_client_who_goes_leaves_nothing_behind(stage: Stage, how: str) -> None:
    alice = await stage.client()
    test_id = await running_test(stage, alice)
    timeout = {"timeout": 0.5} if how == "deadline" else {}
    streams = [
        alice.stream("StreamLogs", pb.StreamLogsRequest(test_id=test_id, follow=True), **timeout),
        alice.stream("WatchTest", pb.WatchTestRequest(test_id=test_id), **timeout),
    ]
    readings = [asyncio.create_task(collected(stream)) for stream in streams]
    await until(lambda: sum(len(channel.followers) for channel in stage.live._channels.values()) == 2)
    if how == "cancelled":
        for stream in streams:
            stream.cancel()
    elif how == "connection closed":
        await alice.channel.close(None)
    await asyncio.gather(*readings, return_exceptions=True)
    await until(lambda: stage.live.followed == 0)
    await until(lambda: not subscriptions(stage))


async def test_many_come_and_go_and_nothing_is_left(stage: Stage) -> None:
    alice = await stage.client()
    ids = [await running_test(stage, alice) for _ in range(5)]

    async def visit(number: int) -> None:
        stream = alice.stream("StreamLogs", pb.StreamLogsRequest(test_id=ids[number % 5], follow=True))
        reading = asyncio.create_task(collected(stream))
        await asyncio.sleep(0.001 * (number % 17))
        stream.cancel()
        await asyncio.gather(reading, return_exceptions=True)

    await asyncio.gather(*(visit(number) for number in range(200)))
    await until(lambda: stage.live.followed == 0)
    await until(lambda: not subscriptions(stage))
    reading = read_logs(alice, ids[0])
    await stage.others.wrote(ids[0], lines(1, 2))
    await reading.to(2)
    reading.stream.cancel()
    await asyncio.gather(reading.task, return_exceptions=True)


async def test_a_negative_number_is_refused(stage: Stage) -> None:
    alice = await stage.client()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await collected(alice.stream("StreamLogs", pb.StreamLogsRequest(test_id="x", from_seq=-1)))
    assert refused.value.code() is Code.INVALID_ARGUMENT


# -- lines that have not ended


class Watching(Reading):
    """A stream of logs with the lines that have not ended: all of it in order."""

    def __init__(self, stream: Any) -> None:
        self.seen: list[str] = []
        self.gone: list[tuple[int, int]] = []
        super().__init__(stream)

    async def _read(self) -> None:
        async for message in self.stream:
            self.seqs += [one.seq for one in message.lines]
            self.seen += [one.text for one in message.lines]
            self.seen += [f"({one.text})" for one in message.partial_lines if not one.gone]
            self.gone += [(one.stream, one.after_seq) for one in message.partial_lines if one.gone]
            if message.HasField("complete"):
                self.complete = message.complete


def look_on(client: Client, test_id: str, **fields: Any) -> Watching:
    request = pb.StreamLogsRequest(test_id=test_id, **{"follow": True, "partial_lines": True, **fields})
    return Watching(client.stream("StreamLogs", request))


async def test_who_asked_for_it_sees_what_a_line_says_before_it_ends_and_then_the_line(stage: Stage) -> None:
    alice = await stage.client()
    test_id = await running_test(stage, alice)
    watching, reading = look_on(alice, test_id), read_logs(alice, test_id)
    warned = look_on(alice, test_id, min_level=log_pb2.LOG_LEVEL_WARNING)
    other = look_on(alice, test_id, streams=[log_pb2.LOG_STREAM_STDERR])
    await until(lambda: stage.live.followed == 1 and stage.listening(test_id) == 4)
    await stage.others.wrote(test_id, lines(1, 1))
    await watching.to(1)
    await stage.others.says(test_id, "so", after=1)
    await until(lambda: watching.seen[-1:] == ["(so)"])
    await stage.others.says(test_id, "so far", after=1)
    await until(lambda: watching.seen[-1:] == ["(so far)"])
    await stage.others.wrote(test_id, lines(2, 2, "so far so good"))
    await stage.others.says(test_id, "so far", after=1)  # late: the line was told
    await end(stage, test_id, 2)
    for one in (watching, reading, warned, other):
        await one.end()
    assert watching.seen == ["line 1", "(so)", "(so far)", "so far so good"]
    assert reading.seqs == [1, 2]
    assert warned.seen == other.seen == []
    assert watching.complete is not None
    assert watching.complete.complete


async def test_what_a_line_says_waits_for_the_lines_before_it(watchful: Stage) -> None:
    alice = await watchful.client()
    test_id = await running_test(watchful, alice)
    watching = look_on(alice, test_id)
    await until(lambda: watchful.listening(test_id) == 1)
    await watchful.others.says(test_id, "ahead", after=2)
    await watchful.others.wrote(test_id, lines(1, 2), tell=False)  # the news of these was lost
    await until(lambda: watching.seen[-1:] == ["(ahead)"])
    await watchful.others.says(test_id, "of the second attempt", after=1_000_000)
    await until(lambda: watching.seen[-1:] == ["(of the second attempt)"])
    await end(watchful, test_id, 2)
    await watching.end()
    assert watching.seen == ["line 1", "line 2", "(ahead)", "(of the second attempt)"]


STDOUT, STDERR = log_pb2.LOG_STREAM_STDOUT, log_pb2.LOG_STREAM_STDERR


@pytest.mark.parametrize("told", [True, False], ids=["live", "from the store"])
async def test_a_line_that_was_shown_is_taken_away_when_the_filter_leaves_out_what_becomes_of_it(
    watchful: Stage, *, told: bool
) -> None:
    alice = await watchful.client()
    test_id = await running_test(watchful, alice)
    watching = look_on(alice, test_id, text="so far", streams=[STDOUT, STDERR])
    everything = look_on(alice, test_id)
    await until(lambda: watchful.listening(test_id) == 2)
    await watchful.others.says(test_id, "so far", after=0)
    await until(lambda: watching.seen == ["(so far)"])
    await watchful.others.wrote(test_id, lines(1, 1, "over"), tell=told)
    await until(lambda: watching.gone == [(STDOUT, 0)])
    await watchful.others.says(test_id, "so far again", after=1)  # and what is written over
    await until(lambda: watching.seen[1:] == ["(so far again)"])
    await watchful.others.says(test_id, "something else", after=1)
    await until(lambda: watching.gone[1:] == [(STDOUT, 1)])
    await watchful.others.says(test_id, "so far", after=1)
    await until(lambda: watching.seen[2:] == ["(so far)"])
    await watchful.others.wrote(test_id, lines(2, 2, "so far so good"), tell=told)
    await end(watchful, test_id, 2)
    await watching.end()
    await everything.end()
    assert watching.seen[3:] == ["so far so good"]
    assert (watching.gone[2:], everything.gone) == ([], [])


async def test_who_comes_back_hears_of_a_line_that_went_meanwhile(stage: Stage) -> None:
    alice = await stage.client()
    test_id = await running_test(stage, alice)
    await stage.others.wrote(test_id, lines(1, 3, "over"))
    again = look_on(alice, test_id, text="so far")
    await until(lambda: again.gone == [(STDOUT, 2)])  # one shown behind line 3 may stand
    await stage.others.says(test_id, "so far", after=3)
    await until(lambda: again.seen == ["(so far)"])
    plain = look_on(alice, test_id, text="so far", partial_lines=False)
    await end(stage, test_id, 3)
    await again.end()
    await plain.end()
    assert (again.gone, plain.gone) == ([(STDOUT, 2)], [])
