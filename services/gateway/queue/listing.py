"""ListQueue: what holds a slot, and what waits in the order in which it will be granted one.

Others' tests have no names here, but for admins. A page costs its entries and a count of index keys before it.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping, Sequence
from typing import Final

from assay.v1 import queue_service_pb2 as pb
from services.gateway.caller import Caller
from services.gateway.errors import Violations
from services.gateway.paging import ENTRIES, foreign, sealed, unsealed
from services.gateway.ports import HeldSlots, QueueOrder, Tests
from services.gateway.queue.estimate import estimated_wait_s
from services.gateway.translate import STATES, duration, timestamp
from shared.clock import Clock
from shared.domain.lifecycle import ENDED, State
from shared.ids import TestId, UserId
from shared.store.documents import QueueEntry, Slot
from shared.store.executions import Brief
from shared.store.queue import Standing

MOST_RUNNING: Final = 100
_STANDING: Final = struct.Struct(">qd16s")
_SEAL: Final = b"queue"


class QueueListing:
    """The queue, test by test."""

    def __init__(self, line: QueueOrder, slots: HeldSlots, tests: Tests, clock: Clock) -> None:
        self._line = line
        self._slots = slots
        self._tests = tests
        self._clock = clock

    async def page(self, request: pb.ListQueueRequest, caller: Caller) -> pb.ListQueueResponse:
        """Raises InvalidRequest."""
        violations = Violations()
        ENTRIES.check(request.page_size, violations)
        violations.raise_if_any()
        after = _standing(unsealed(request.page_token, _SEAL))
        size = ENTRIES.of(request.page_size)
        found, pool, holds, held = await asyncio.gather(
            self._line.behind(after, size + 1),
            self._slots.pool(),
            self._line.recent_holds(),
            self._held(wanted=after is None),
        )
        waiting, now = found[:size], self._clock.now()
        shown = [entry.id for entry in waiting if _is_shown(entry.user_id, caller)]
        briefs, ahead = await asyncio.gather(
            self._tests.briefs([*shown, *(slot.test_id for slot in held if slot.test_id)]),
            self._line.ahead(Standing.of(waiting[0])) if after and waiting else _nothing(),
        )
        places = enumerate(waiting, ahead + 1)
        return pb.ListQueueResponse(
            running=[entry for slot in held if (entry := _running(slot, briefs, caller))],
            waiting=[
                _waiting(entry, position, estimated_wait_s(position, pool, holds, now), briefs, caller)
                for position, entry in places
            ],
            next_page_token=sealed(_SEAL, _noted(waiting[-1])) if len(found) > size else "",
        )

    async def _held(self, *, wanted: bool) -> Sequence[Slot]:
        return await self._slots.held_longest(MOST_RUNNING) if wanted else []


async def _nothing() -> int:
    return 0


def _is_shown(user: UserId, caller: Caller) -> bool:
    return caller.scope in {None, user}


def _waiting(
    entry: QueueEntry, position: int, wait_s: float | None, briefs: Mapping[TestId, Brief], caller: Caller
) -> pb.QueueEntry:
    message = pb.QueueEntry(
        position=position,
        state=STATES[State.QUEUED],
        priority=entry.priority,
        since_time=timestamp(entry.enqueued_at),
        estimated_wait=None if wait_s is None else duration(round(wait_s, 1)),
    )
    brief = briefs.get(entry.id)
    return _named(message, entry.id, entry.user_id, brief.name if brief else "", caller)


def _running(slot: Slot, briefs: Mapping[TestId, Brief], caller: Caller) -> pb.QueueEntry | None:
    """None where the slot has become free, or its test has ended and is about to let go of it."""
    brief = briefs.get(slot.test_id) if slot.test_id else None
    if brief is None or slot.test_id is None or slot.user_id is None or brief.state in ENDED:
        return None
    message = pb.QueueEntry(
        # A slot is taken just before its test moves.
        state=STATES[State.RUNNING if brief.state is State.RUNNING else State.BUILDING],
        priority=brief.priority,
        since_time=timestamp(slot.since),
    )
    return _named(message, slot.test_id, slot.user_id, brief.name, caller)


def _named(message: pb.QueueEntry, test: TestId, user: UserId, name: str, caller: Caller) -> pb.QueueEntry:
    message.own = user == caller.user_id
    if _is_shown(user, caller):
        message.test_id, message.user_id, message.name = test, user, name
    return message


def _noted(entry: QueueEntry) -> bytes:
    return _STANDING.pack(entry.priority, entry.rank, bytes.fromhex(entry.id.partition("_")[2]))


def _standing(noted: bytes | None) -> Standing | None:
    if noted is None:
        return None
    if len(noted) != _STANDING.size:
        raise foreign()
    priority, rank, name = _STANDING.unpack(noted)
    return Standing(priority, rank, TestId("tst_" + name.hex()))
