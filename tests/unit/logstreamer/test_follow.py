import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from services.logstreamer import follow as follow_module
from services.logstreamer.follow import Follower, LinesLost, numbers_of
from services.logstreamer.sequence import Sequencer
from shared.clock import ManualClock
from shared.domain.lifecycle import State
from shared.domain.logsequence import BLOCK
from shared.events.logs import LogsAppended, LogsCompleted, OutputPartial
from shared.events.tasks import HarnessPhase, TaskPhase
from shared.store.documents import Chunk, StoredLine
from tests.support.fakes.output import ChunksInMemory, FilledFeed, KeptLetters, OneTest
from tests.support.samples import NOW, execution
from tests.support.until import until
from tests.unit.logstreamer.protocol import NONCE, mark, partial, written


def stored(*numbers: int) -> list[StoredLine]:
    return [StoredLine(seq=seq, ts=1.0, stream="stdout", level="info", text="x") for seq in numbers]


class Followed:
    """A follower and everything around it."""

    def __init__(
        self, *, drain_s: float = 0.05, last: int | None = None, received: int = 0, again: bool = False
    ) -> None:
        self.feed = FilledFeed(drain_s=drain_s)
        self.chunks, self.wire, self.test = ChunksInMemory(), KeptLetters(), OneTest()
        self.follower = Follower(
            execution(State.RUNNING, attempt=1),
            self.feed,
            sequencer=Sequencer(nonce=NONCE, first=1, last=last),
            cursor={"line": -1},
            received=received,
            size=0,
            chunks=self.chunks,
            tests=self.test,
            relay=self.wire,
            clock=ManualClock(NOW),
            again=again,
        )

    @property
    def completed(self) -> LogsCompleted:
        (told,) = self.test.told
        assert isinstance(told, LogsCompleted)
        return told

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.follower.run())
            yield task
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_lines_are_stored_before_they_are_told_and_the_account_closes_the_log() -> None:
    followed = Followed()
    followed.feed.put(written(1, "ä"), written(2))
    followed.feed.put(written(3), mark("end", lines=3))
    await followed.follower.run()
    assert followed.chunks.numbers == [1, 2, 3]
    told = [LogsAppended.model_validate_json(letter.body) for letter in followed.wire.letters]
    assert [line.seq for event in told for line in event.lines] == [1, 2, 3]
    assert (followed.completed.expected, followed.completed.received, followed.completed.complete) == (3, 3, True)
    assert followed.test.written["logs.bytes"] == len("ä".encode()) + len("line 2") + len("line 3")
    assert followed.test.written["logs.ended"] is True
    assert followed.feed.closed


async def test_a_lost_line_is_waited_for_until_the_task_has_stopped_and_then_missed_exactly() -> None:
    followed = Followed()
    async with followed.running() as task:
        followed.feed.put(written(1), written(3), mark("end", lines=3))
        await until(lambda: followed.chunks.numbers == [1])
        assert not task.done()
        followed.follower.task_stopped()
        await until(task.done)
    assert followed.chunks.numbers == [1, 3]
    assert [(chunk.first, chunk.last) for chunk in followed.chunks.chunks] == [(1, 1), (3, 3)]
    assert (followed.completed.expected, followed.completed.received, followed.completed.complete) == (3, 2, False)
    assert followed.completed.missing == ((2, 2),)


async def test_lines_that_never_came_behind_the_last_one_are_named_too() -> None:
    followed = Followed()
    async with followed.running() as task:
        followed.feed.put(written(2), mark("end", lines=5))
        followed.follower.task_stopped()
        await until(task.done)
    assert (followed.completed.expected, followed.completed.received) == (5, 1)
    assert followed.completed.missing == ((1, 1), (3, 5))


async def test_where_the_source_never_said_how_many_there_are_only_the_holes_are_known() -> None:
    followed = Followed()
    async with followed.running() as task:
        followed.feed.put(written(1), written(3))
        followed.follower.task_stopped()
        await until(task.done)
    assert (followed.completed.expected, followed.completed.complete) == (None, False)
    assert followed.completed.missing == ((2, 2),)


async def test_what_is_missing_is_looked_for_from_where_the_hole_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_module, "REREAD_S", 0.02)
    followed = Followed()
    async with followed.running():
        followed.feed.put(written(1))
        await until(lambda: followed.chunks.numbers == [1])
        assert followed.feed.rereads == []
        followed.feed.put(written(3))
        await until(lambda: len(followed.feed.rereads) >= 2)
        assert set(map(str, followed.feed.rereads)) == {"{'line': 1}"}
        followed.feed.put(written(2))
        await until(lambda: followed.chunks.numbers == [1, 2, 3])


async def test_the_end_is_looked_for_as_soon_as_the_task_has_stopped() -> None:
    followed = Followed(drain_s=5)
    async with followed.running() as task:
        followed.feed.put(written(1))
        await until(lambda: followed.chunks.numbers == [1])
        followed.follower.task_stopped()
        await until(lambda: followed.feed.rereads == [{"line": 1}], timeout=2)
        followed.feed.put(mark("end", lines=1))
        await until(task.done)
    assert followed.completed.complete


async def test_a_late_line_fills_the_hole() -> None:
    followed = Followed()
    followed.feed.put(written(2), mark("end", lines=2))
    followed.feed.put(written(1))
    await followed.follower.run()
    assert followed.chunks.numbers == [1, 2]
    assert followed.completed.complete


async def test_while_lines_are_kept_back_the_cursor_stays_where_they_can_be_read_again() -> None:
    followed = Followed()
    async with followed.running():
        followed.feed.put(written(1))
        followed.feed.put(written(2), written(4))
        followed.feed.put(written(3))
        await until(lambda: followed.chunks.numbers == [1, 2, 3, 4])
    assert [chunk.cursor for chunk in followed.chunks.chunks] == [{"line": 1}, {"line": 1}, {"line": 4}]


@pytest.mark.parametrize("last_word", [mark("end", lines=2), mark("truncated")], ids=["end", "truncated"])
async def test_the_cursor_stays_before_what_the_lines_do_not_say(last_word: bytes) -> None:
    """Who takes over between the last lines and the seal would never learn how many there should be."""
    followed = Followed()
    async with followed.running():
        followed.feed.put(written(1))
        followed.feed.put(written(2), last_word)
        await until(lambda: followed.chunks.numbers == [1, 2])
    assert [chunk.cursor for chunk in followed.chunks.chunks] == [{"line": 1}, {"line": 1}]


async def test_without_an_end_mark_the_log_ends_unknown_after_the_drain_time() -> None:
    followed = Followed()
    followed.follower.task_stopped()
    followed.feed.put(written(1))
    await followed.follower.run()
    assert (followed.completed.expected, followed.completed.received, followed.completed.complete) == (None, 1, False)
    assert followed.test.written["logs.expected"] is None


async def test_nothing_ends_while_the_task_runs() -> None:
    followed = Followed(drain_s=0.0)
    async with followed.running() as task:
        followed.feed.put(written(1))
        await until(lambda: followed.chunks.numbers == [1])
        await asyncio.wait([task], timeout=0.1)
        assert not task.done()
    assert followed.test.told == []


async def test_who_takes_over_counts_what_was_stored_before() -> None:
    followed = Followed(last=2, received=2)
    await followed.chunks.append(Chunk(test_id=followed.follower.test.id, first=1, last=2, bytes=2, lines=stored(1, 2)))
    followed.feed.put(written(1), written(2), written(3), mark("end", lines=3))
    await followed.follower.run()
    assert followed.chunks.numbers == [1, 2, 3]
    assert (followed.completed.received, followed.completed.complete) == (3, True)


async def test_a_log_whose_stored_lines_were_lost_is_not_sealed_but_read_again() -> None:
    followed = Followed()
    followed.feed.put(written(1), written(2))

    async def crash() -> None:
        await until(lambda: followed.chunks.numbers == [1, 2])
        followed.chunks.chunks.clear()  # these had not reached the database's disk
        followed.feed.put(written(3), mark("end", lines=3))

    with pytest.raises(LinesLost):
        await asyncio.gather(followed.follower.run(), crash())
    assert followed.test.told == []


async def test_who_takes_over_notices_by_the_count_of_the_source_what_was_lost_before() -> None:
    followed = Followed(last=3, received=2)
    await followed.chunks.append(Chunk(test_id=followed.follower.test.id, first=2, last=3, bytes=2, lines=stored(2, 3)))
    followed.feed.put(mark("end", lines=3))
    with pytest.raises(LinesLost):
        await followed.follower.run()


async def test_what_is_missing_when_all_was_read_again_is_missing() -> None:
    followed = Followed(again=True)
    followed.feed.put(written(1), written(2))
    async with followed.running() as task:
        await until(lambda: followed.chunks.numbers == [1, 2])
        followed.chunks.chunks.clear()
        followed.feed.put(written(3), mark("end", lines=3))
        await until(task.done)
    assert (followed.completed.expected, followed.completed.received, followed.completed.complete) == (3, 1, False)


async def test_of_several_phases_in_one_read_only_the_newest_is_told() -> None:
    followed = Followed()
    followed.feed.put(mark("building"), mark("running", ts=9.0))
    followed.feed.put(mark("finished"), mark("end", lines=0))
    await followed.follower.run()
    told = [TaskPhase.model_validate_json(letter.body) for letter in followed.wire.letters]
    assert [event.phase for event in told] == [HarnessPhase.RUNNING, HarnessPhase.FINISHED]
    assert told[0].at.timestamp() == 9.0


async def test_a_phase_is_told_again_where_nobody_heard_of_it() -> None:
    followed = Followed()
    async with followed.running():
        followed.feed.put(mark("building"))
        await until(lambda: followed.wire.subjects == ["task.phase"])
        followed.follower.remind()  # building is where a test is anyway
        followed.feed.put(mark("running", ts=9.0))
        await until(lambda: len(followed.wire.letters) == 2)
        followed.follower.remind()
    assert len({letter.id for letter in followed.wire.letters}) == 2
    assert followed.wire.letters[2] == followed.wire.letters[1]


async def test_a_follower_that_was_let_go_ends_without_a_word() -> None:
    followed = Followed()
    followed.follower.let_go()
    followed.feed.put(written(1), mark("end", lines=1))
    await followed.follower.run()
    assert followed.test.told == []
    assert followed.feed.closed


async def test_a_truncated_log_says_so_and_is_complete() -> None:
    followed = Followed()
    followed.feed.put(written(1), mark("truncated"), mark("end", lines=1))
    await followed.follower.run()
    assert followed.completed.truncated
    assert followed.completed.complete


@pytest.mark.parametrize("text", ["\0" * 16_384, "\U0001f600" * 4_096, '"' * 16_384], ids=["NUL", "emoji", "quotes"])
async def test_no_message_is_larger_than_nats_takes(text: str) -> None:
    followed = Followed()
    followed.feed.put(*(written(seq, text) for seq in range(1, 41)), mark("end", lines=40))
    await followed.follower.run()
    assert followed.completed.complete
    assert max(len(letter.body) for letter in followed.wire.letters) < 1 << 20
    assert len(followed.wire.letters) < 40
    assert json.loads(followed.wire.letters[0].body)["lines"][0]["text"] == text


def test_each_attempt_has_its_own_numbers() -> None:
    assert numbers_of(1) == range(1, BLOCK + 1)
    assert numbers_of(2) == range(BLOCK + 1, 2 * BLOCK + 1)


async def test_lines_that_have_not_ended_are_told_between_the_lines_and_stored_nowhere() -> None:
    followed = Followed()
    now = NOW.timestamp()
    followed.feed.put(written(1), partial(1, "so", ts=now), partial(1, "so far", ts=now + 0.2))
    followed.feed.put(written(2, "so far so good"), mark("end", lines=2))
    await followed.follower.run()
    assert followed.wire.subjects == ["logs.appended", "output.partial", "logs.appended"]
    told = OutputPartial.model_validate_json(followed.wire.letters[1].body)
    assert [(line.text, line.after) for line in told.lines] == [("so far", 1)]
    assert followed.chunks.numbers == [1, 2]
    assert (followed.completed.expected, followed.completed.received, followed.completed.complete) == (2, 2, True)


async def test_what_a_line_said_long_ago_is_no_news() -> None:
    followed = Followed()
    followed.feed.put(partial(0, "old", ts=NOW.timestamp() - 31))
    followed.feed.put(mark("end", lines=0))
    await followed.follower.run()
    assert followed.wire.subjects == []
