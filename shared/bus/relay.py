"""Publishes what the store has in its outboxes, and clears it.

A write hands its events over at once, so the usual way is a queue in memory; the sweep finds what a crash left
behind. Publishing twice is harmless: the id of an event is its `Nats-Msg-Id`. Clearing is off the path of the test
and done for many at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from shared.background import background, every
from shared.bus.connect import Bus
from shared.bus.streams import is_kept, stream_of
from shared.clock import Clock
from shared.events.letter import Letter
from shared.telemetry.metrics import EVENTS_PUBLISHED, OUTBOX_SWEPT

log = structlog.get_logger()

CLEAR_WINDOW_S: Final = 0.5
"""Cleared entries of one test within this time leave in one write."""
SWEEP_AGE: Final = timedelta(seconds=3)
"""An entry younger than this is still on its usual way."""
RETRY_S: Final = 1.0
PAGE: Final = 500
"""Documents whose outboxes the sweep empties at a time."""


class Outboxes(Protocol):
    """The store's side: the outboxes of one collection."""

    async def clear(self, sent: Sequence[tuple[str, str]]) -> None:
        """Removes these events from their documents."""
        ...

    async def unsent(self, before: datetime, limit: int) -> Sequence[Letter]:
        """Events that have waited since before `before`."""
        ...


class Relay:
    """From the outboxes of one collection to the bus. A service that writes to two collections has two."""

    def __init__(self, bus: Bus, clock: Clock, *, interval_s: float = 5.0) -> None:
        self._bus = bus
        self._clock = clock
        self._interval_s = interval_s
        self._letters: asyncio.Queue[tuple[Letter, bool]] = asyncio.Queue()
        self._sent: list[tuple[str, str]] = []
        self._some_sent = asyncio.Event()

    def tell(self, letters: Sequence[Letter]) -> None:
        """Publishes `letters` soon. Called right after the write that put them into the outbox."""
        for letter in letters:
            self._letters.put_nowait((letter, True))

    def announce(self, letters: Sequence[Letter]) -> None:
        """Publishes `letters` soon, once, and does not look back: for facts that lie in no outbox because a reader who
        misses one notices (log lines have numbers) and reads the store."""
        for letter in letters:
            self._letters.put_nowait((letter, False))

    @asynccontextmanager
    async def running(self, outboxes: Outboxes) -> AsyncIterator[None]:
        """Publishes, clears and sweeps; at the end sends what is still in memory."""
        try:
            async with background(
                self._publish(),
                self._clear(outboxes),
                every(self._interval_s, "outbox_sweep", lambda: self._sweep(outboxes)),
            ):
                yield
        finally:
            await self._drain(outboxes)

    async def _drain(self, outboxes: Outboxes, within_s: float = 2.0) -> None:
        """Sends what is still in memory at the end of a process;

        what does not go in time stays in the store for the next sweep."""
        try:
            async with asyncio.timeout(within_s):
                while not self._letters.empty():
                    await self._send(self._waiting())
                if self._sent:
                    await outboxes.clear(self._taken())
        except Exception as error:  # noqa: BLE001 - the process ends; the next sweep sends it
            log.warning("outbox_not_drained", waiting=self._letters.qsize(), error=repr(error))

    async def _publish(self) -> None:
        while True:
            letters = [await self._letters.get(), *self._waiting()]
            try:
                await self._send(letters)
            except asyncio.CancelledError:  # at the end: once more, for what was not answered yet; NATS drops the rest
                for letter in letters:
                    self._letters.put_nowait(letter)
                raise

    def _waiting(self) -> list[tuple[Letter, bool]]:
        return [self._letters.get_nowait() for _ in range(self._letters.qsize())]

    async def _send(self, letters: list[tuple[Letter, bool]]) -> int:
        """Publishes these; how many the bus took."""
        answers = await asyncio.gather(*(self._put(letter) for letter, _ in letters), return_exceptions=True)
        for (letter, kept), answer in zip(letters, answers, strict=True):
            if isinstance(answer, BaseException):
                log.warning("event_not_published", subject=letter.subject, error=repr(answer))
                continue  # it stays in the outbox; the sweep sends it when the bus is back
            EVENTS_PUBLISHED.labels(".".join(letter.subject.split(".", 2)[:2])).inc()
            if kept:
                self._sent.append((letter.holder, letter.id))
        if self._sent:
            self._some_sent.set()
        return sum(not isinstance(answer, BaseException) for answer in answers)

    async def _put(self, letter: Letter) -> None:
        if is_kept(letter.subject):
            stream = stream_of(letter.subject).name
            await self._bus.jetstream.publish(letter.subject, letter.body, stream=stream, headers=letter.headers)
        else:
            await self._bus.client.publish(letter.subject, letter.body, headers=letter.headers)

    def _taken(self) -> list[tuple[str, str]]:
        taken, self._sent = self._sent, []
        self._some_sent.clear()
        return taken

    async def _clear(self, outboxes: Outboxes) -> None:
        while True:
            await self._some_sent.wait()
            await asyncio.sleep(CLEAR_WINDOW_S)
            taken = self._taken()
            try:
                await outboxes.clear(taken)
            except Exception as error:  # noqa: BLE001 - the store is away: they are sent once more by the sweep, which is harmless
                log.warning("outbox_not_cleared", events=len(taken), error=repr(error))
                await asyncio.sleep(RETRY_S)

    async def _sweep(self, outboxes: Outboxes) -> None:
        """Sends what lies in the outboxes, one page after the other as long as the bus takes all of a page: after an
        outage of the bus there may be very many."""
        before = self._clock.now() - SWEEP_AGE
        while left := await outboxes.unsent(before, PAGE):
            OUTBOX_SWEPT.inc(len(left))
            log.info("outbox_swept", events=len(left))
            sent = await self._send([(letter, True) for letter in left])
            if sent < len(left) or len(left) < PAGE:
                return
            if taken := self._taken():
                await outboxes.clear(taken)
