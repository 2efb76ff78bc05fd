"""Which claims on slots are void or abandoned: pure decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from shared.domain.lifecycle import ACTIVE
from shared.ids import TestId
from shared.store.documents import Execution, Slot

SETTLING = timedelta(seconds=10)
"""Between taking a slot and moving the test lies a round trip; a slot younger than this is not judged."""


def is_abandoned(test: Execution, now: datetime, *, silence: timedelta) -> bool:
    """Whether an active test has had no word from any orchestrator for longer than `silence`.

    One that no orchestrator has taken up keeps its slot, unless somebody wants it stopped: nothing of it runs, and the
    next orchestrator begins it. Were it given up, an outage of all orchestrators would cost it its attempts."""
    if test.state not in ACTIVE:
        return False
    if test.lease is None and test.cancel is None:
        return False
    heard = test.lease.until if test.lease else test.times.scheduled
    return heard is not None and now - heard > silence


def void_claims(taken: Sequence[Slot], tests: Mapping[TestId, Execution], now: datetime) -> list[Slot]:
    """Slots whose test does not hold them: it ended, waits, is gone, is in another attempt or has another slot."""
    return [
        slot
        for slot in taken
        if slot.test_id is not None
        and (slot.since is None or now - slot.since >= SETTLING)
        and not _holds(tests.get(slot.test_id), slot)
    ]


def _holds(test: Execution | None, slot: Slot) -> bool:
    return test is not None and test.state in ACTIVE and (test.attempt, test.slot) == (slot.attempt, slot.id)
