"""Follows the output of one attempt from its first line to its last: read, order, store, tell."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import structlog

from services.logstreamer.metrics import BYTES, LINES, SEALED, UNREADABLE
from services.logstreamer.ports import Chunks, Cursor, Feed, Tests, Wire
from services.logstreamer.sequence import PhaseMark, Sequencer, Step, runs
from shared.clock import Clock
from shared.domain.logsequence import BLOCK, first_seq
from shared.events.letter import Letter
from shared.events.logs import LogLine, LogsAppended, LogsCompleted, OutputPartial, PartialLine
from shared.events.tasks import HarnessPhase, TaskPhase
from shared.store.documents import Chunk, Execution, StoredLine
from shared.store.logs import MOST_LINES

log = structlog.get_logger()

CHUNK_SIZE: Final = 160 * 1024
"""Characters. A chunk is one message, a NATS message is at most 1 MiB by default, and a control character takes six
bytes in JSON."""
IDLE_S: Final = 1.0
"""Longest wait for output before a look at whether the task has stopped."""
ENDING_S: Final = 0.25
"""The same, once it has."""
REREAD_S: Final = 5.0
"""How long something may be missing before it is looked for where it should be. While the task runs, each further look
takes twice as long to come, up to the longest."""
LONGEST_REREAD_S: Final = 10.0
HOLE_S: Final = 90.0
"""How long the lines behind a hole are kept back. A log driver drops lines when its buffer is full (ADR 17): those will
never come, and who reads along must not wait for them to the end of the test."""
STALE_PARTIAL_S: Final = 30.0
"""What a line said so long ago is not told any more. CloudWatch shows output a few seconds after it was written."""
MOST_HOLES: Final = 20
"""That an event names."""


class LinesLost(Exception):
    """The store has lost lines that it had taken (a crash of the database): read all of them again."""


class Follower:
    """One attempt's output on its way into the store and onto the bus."""

    def __init__(
        self,
        test: Execution,
        feed: Feed,
        *,
        sequencer: Sequencer,
        cursor: Cursor,
        received: int,
        size: int,
        chunks: Chunks,
        tests: Tests,
        relay: Wire,
        clock: Clock,
        again: bool = False,
    ) -> None:
        """`again`: lines were lost and all is read a second time; what is missing then is missing."""
        self.test = test
        self._feed = feed
        self._sequencer = sequencer
        self._cursor = cursor
        self._received = received
        self._relies_on_store = received > 0
        self._size = size
        self._chunks = chunks
        self._tests = tests
        self._relay = relay
        self._clock = clock
        self._again = again
        self._stopped_at: float | None = None
        self._let_go = False
        self._phase: PhaseMark | None = None
        self._newest = cursor
        self._skipped_at: Cursor | None = None
        self._hole_since: float | None = None
        self._reread_at: float | None = None
        self._reread_s = REREAD_S

    def task_stopped(self) -> None:
        """The task has ended: what is not there within the drain time will not come."""
        if self._stopped_at is None:
            self._stopped_at = asyncio.get_running_loop().time()
            self._reread_at = self._stopped_at  # at once: there is no other end of waiting

    @property
    def has_stopped(self) -> bool:
        """Whether we know that the task has ended."""
        return self._stopped_at is not None

    def let_go(self) -> None:
        """Somebody else follows it, or the attempt is over: stop without a word."""
        self._let_go = True

    async def run(self) -> None:
        """Until the end mark, or until the task has stopped and nothing more comes. Raises LinesLost."""
        try:
            while not self._let_go:
                batch = await self._feed.read(wait_s=self._wait_s())
                if batch.lines:
                    await self._pass_on(self._sequencer.feed(batch.lines), batch.cursor)
                if self._sequencer.ended or (not batch.lines and self._drained()):
                    await self._seal()
                    return
                await self._see_to_holes()
        finally:
            self._feed.close()

    def _wait_s(self) -> float:
        return IDLE_S if self._stopped_at is None else ENDING_S

    def _drained(self) -> bool:
        if self._stopped_at is None:
            return False
        return self._feed.gives_up(asyncio.get_running_loop().time() - self._stopped_at)

    async def _see_to_holes(self) -> None:
        now = asyncio.get_running_loop().time()
        self._look_for_what_is_missing(now)
        if not self._sequencer.keeps_back:
            self._hole_since = None
        elif self._hole_since is None:
            self._hole_since = now
        elif now - self._hole_since >= HOLE_S:
            log.warning("hole_is_stepped_over", test_id=self.test.id, after=self._sequencer.last)
            if self._skipped_at is None:
                self._skipped_at = self._cursor
            lines = self._sequencer.release()
            await self._store(lines, self._cursor if self._sequencer.knows_more else self._newest)

    def _look_for_what_is_missing(self, now: float) -> None:
        """What was stored last is where a hole begins, and where the end mark must come after."""
        if not self._sequencer.keeps_back and self._stopped_at is None:
            self._reread_at, self._reread_s = None, REREAD_S
        elif self._reread_at is None:
            self._reread_at = now + self._reread_s
        elif now >= self._reread_at:
            left_behind = self._skipped_at if self._sequencer.has_skipped else None
            self._feed.reread(self._cursor if left_behind is None else left_behind)
            # After the end there is no time to lose, and little of it.
            self._reread_s = REREAD_S if self._stopped_at is not None else min(LONGEST_REREAD_S, 2 * self._reread_s)
            self._reread_at = now + self._reread_s

    async def _pass_on(self, step: Step, cursor: Cursor) -> None:
        if step.unreadable:
            UNREADABLE.inc(step.unreadable)
            log.warning("output_is_not_protocol", test_id=self.test.id, pieces=step.unreadable)
        if step.phases:
            self._phase = step.phases[-1]
            self._tell_phase(self._phase)  # several in one read: only the newest still says something
        self._newest = cursor
        # What is not stored with the lines, whoever reads on after us must read again.
        await self._store(step.lines, self._cursor if self._sequencer.knows_more else cursor)
        self._tell_partials(step.partials)

    async def _store(self, lines: list[LogLine], cursor: Cursor) -> None:
        pieces = runs(lines, max_lines=MOST_LINES, max_size=CHUNK_SIZE)
        for number, piece in enumerate(pieces, start=1):
            if number == len(pieces):  # only with the last piece is everything before the cursor stored
                self._cursor = cursor
            size = sum(len(line.text.encode()) for line in piece)
            await self._chunks.append(
                Chunk(
                    test_id=self.test.id,
                    first=piece[0].seq,
                    last=piece[-1].seq,
                    bytes=size,
                    lines=[_stored(line) for line in piece],
                    cursor=dict(self._cursor),
                )
            )
            self._tell(piece)
            self._received += len(piece)
            self._size += size
            LINES.inc(len(piece))
            BYTES.inc(size)

    def tell_again(self, lines: Sequence[StoredLine]) -> None:
        """Tells the newest lines that another follower stored: it may have died before it told them. Where it did not,
        this is the same fact, and the bus drops it."""
        if lines:
            self._tell([_told(line) for line in lines])

    def _tell(self, lines: Sequence[LogLine]) -> None:
        event = LogsAppended(
            test_id=self.test.id,
            user_id=self.test.user_id,
            attempt=self.test.attempt,
            at=self._clock.now(),
            lines=tuple(lines),
        )
        self._relay.announce([Letter.of(event, self.test.traceparent)])

    def _tell_partials(self, partials: Sequence[PartialLine]) -> None:
        """For who looks on now. What is read late, by whoever takes over, is no news."""
        now = self._clock.now()
        fresh = tuple(partial for partial in partials if now.timestamp() - partial.ts < STALE_PARTIAL_S)
        if not fresh:
            return
        event = OutputPartial(
            test_id=self.test.id, user_id=self.test.user_id, attempt=self.test.attempt, at=now, lines=fresh
        )
        self._relay.announce([Letter.of(event, self.test.traceparent)])

    def remind(self) -> None:
        """Tells the phase once more: the test is not where it says. Nobody keeps it for us while the bus is away."""
        if self._phase is not None and self._phase.phase is not HarnessPhase.BUILDING:
            self._tell_phase(self._phase)

    def _tell_phase(self, mark: PhaseMark) -> None:
        event = TaskPhase(
            test_id=self.test.id,
            user_id=self.test.user_id,
            attempt=self.test.attempt,
            at=datetime.fromtimestamp(mark.ts, UTC),
            phase=mark.phase,
        )
        self._relay.announce([Letter.of(event, self.test.traceparent)])

    async def _seal(self) -> None:
        await self._store(self._sequencer.release(), self._cursor)
        last = self._sequencer.expected_last
        expected = None if last is None else last - self._sequencer.first + 1
        stored = await self._stored()
        if not self._again and stored < self._due(expected):
            raise LinesLost
        complete = expected == stored
        missing = () if complete else await self._missing(last)
        told = LogsCompleted(
            test_id=self.test.id,
            user_id=self.test.user_id,
            attempt=self.test.attempt,
            at=self._clock.now(),
            expected=expected,
            received=stored,
            complete=complete,
            truncated=self._sequencer.truncated,
            missing=missing,
        )
        await self._tests.change(
            self.test.id,
            where={"attempt": self.test.attempt, "logs.ended": False},
            set={
                "logs.lines": stored,
                "logs.bytes": self._size,
                "logs.ended": True,
                "logs.complete": complete,
                "logs.truncated": self._sequencer.truncated,
                "logs.expected": expected,
            },
            unset=("logs.until",),
            telling=[told],
            traceparent=self.test.traceparent,
            brief=True,
        )
        SEALED.labels(str(complete).lower()).inc()
        if not complete:
            log.warning("log_is_incomplete", test_id=self.test.id, expected=expected, received=stored, missing=missing)

    async def _stored(self) -> int:
        if self._received == 0:
            return 0
        return await self._chunks.count(self.test.id, within=numbers_of(self.test.attempt))

    async def _missing(self, last: int | None) -> tuple[tuple[int, int], ...]:
        """The holes in what is stored, up to the number `last` where the source said it."""
        first = self._sequencer.first
        upto = self._sequencer.last if last is None else last
        return tuple(await self._chunks.holes(self.test.id, within=range(first, upto + 1), most=MOST_HOLES))

    def _due(self, expected: int | None) -> int:
        """How many lines the store must have. Who took over does not know what was lost before; the source does."""
        return max(self._received, expected or 0) if self._relies_on_store else self._received


def numbers_of(attempt: int) -> range:
    """The sequence numbers that lines of this attempt can have."""
    return range(first_seq(attempt), first_seq(attempt) + BLOCK)


def _told(line: StoredLine) -> LogLine:
    return LogLine.model_validate(line.model_dump())


def _stored(line: LogLine) -> StoredLine:
    """The line was checked when it was read."""
    return StoredLine.model_construct(
        seq=line.seq, ts=line.ts, stream=line.stream, level=line.level, text=line.text, cont=line.cont
    )
