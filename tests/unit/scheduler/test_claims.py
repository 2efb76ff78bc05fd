from datetime import timedelta

import pytest

from services.scheduler.claims import SETTLING, is_abandoned, void_claims
from shared.domain.lifecycle import ACTIVE, State
from shared.store.documents import Cancel, Execution, Slot
from tests.support.samples import NOW, execution, lease, taken

SILENCE = timedelta(minutes=15)
LONG_AGO = NOW - SILENCE - timedelta(seconds=1)
JUST_NOW = NOW - SILENCE


@pytest.mark.parametrize("state", State)
def test_only_an_active_test_can_be_abandoned(state: State) -> None:
    test = execution(state, attempt=1, lease=lease(LONG_AGO))
    assert is_abandoned(test, NOW, silence=SILENCE) == (state in ACTIVE)


def test_a_test_is_abandoned_when_its_lease_has_run_out_for_longer_than_the_silence() -> None:
    assert is_abandoned(execution(State.RUNNING, attempt=1, lease=lease(LONG_AGO)), NOW, silence=SILENCE)
    assert not is_abandoned(execution(State.RUNNING, attempt=1, lease=lease(JUST_NOW)), NOW, silence=SILENCE)
    # However long ago the slot was granted:
    kept = execution(State.RUNNING, attempt=1, at=LONG_AGO, lease=lease(NOW + timedelta(seconds=30)))
    assert not is_abandoned(kept, NOW, silence=SILENCE)


def test_a_test_that_no_orchestrator_has_taken_up_waits_for_one_unless_it_was_cancelled() -> None:
    cancel = Cancel(requested_at=NOW, by="bob")
    assert not is_abandoned(execution(State.BUILDING, attempt=1, at=LONG_AGO), NOW, silence=SILENCE)
    assert is_abandoned(execution(State.BUILDING, attempt=1, at=LONG_AGO, cancel=cancel), NOW, silence=SILENCE)
    assert not is_abandoned(execution(State.BUILDING, attempt=1, at=JUST_NOW, cancel=cancel), NOW, silence=SILENCE)


def _void(test: Execution | None, slot: Slot) -> bool:
    return void_claims([slot], {test.id: test} if test else {}, NOW) == [slot]


@pytest.mark.parametrize("state", State)
def test_a_slot_belongs_to_an_active_test_only(state: State) -> None:
    test = execution(state, attempt=1, slot=3)
    assert _void(test, taken(3, test.id)) == (state not in ACTIVE)


def test_a_slot_of_another_attempt_another_number_or_no_test_is_void() -> None:
    test = execution(State.RUNNING, attempt=2, slot=3)
    assert not _void(test, taken(3, test.id, attempt=2))
    assert _void(test, taken(3, test.id, attempt=1))
    assert _void(test, taken(3, test.id, attempt=3))
    assert _void(test, taken(4, test.id, attempt=2))
    assert _void(None, taken(3, test.id))


def test_a_slot_that_was_just_taken_is_not_judged_yet() -> None:
    test = execution(State.QUEUED)
    assert not _void(test, taken(0, test.id, age=SETTLING - timedelta(milliseconds=1)))
    assert _void(test, taken(0, test.id, age=SETTLING))


def test_free_slots_and_claims_that_hold_are_left_alone() -> None:
    holder, gone = execution(State.BUILDING, attempt=1, slot=1), execution(State.FAILED, attempt=1, slot=2)
    slots = [Slot(id=0), taken(1, holder.id), taken(2, gone.id)]
    assert void_claims(slots, {holder.id: holder, gone.id: gone}, NOW) == [slots[2]]
