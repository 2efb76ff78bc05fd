"""Which claims on slots are void or abandoned: pure decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from shared.domain.lifecycle import ACTIVE, ENDED
from shared.ids import TestId
from shared.store.documents import Execution, Slot

SETTLING = timedelta(seconds=10)
"""Between taking a slot and moving the test lies a round trip; a slot younger than this is not judged."""


def is_abandoned(test: Execution, now: datetime, *, silence: timedelta) -> bool:
    """Whether an active test has had no word from any orchestrator for longer than `silence`."""
    if test.state not in ACTIVE:
        return False
    heard = test.lease.until if test.lease else test.times.scheduled
    return heard is not None and now - heard > silence


def void_claims(taken: Sequence[Slot], tests: Mapping[TestId, Execution], now: datetime) -> list[tuple[TestId, int]]:
    """Slots whose test does not hold them: it ended, waits, is gone or is in another attempt."""
    void = []
    for slot in taken:
        if slot.test_id is None or (slot.since is not None and now - slot.since < SETTLING):
            continue
        test = tests.get(slot.test_id)
        if test is None or test.state in ENDED or test.state not in ACTIVE or test.attempt != slot.attempt:
            void.append((slot.test_id, slot.attempt))
    return void
