from datetime import timedelta

import pytest

from services.scheduler.admit import Admission
from services.scheduler.claims import SETTLING
from services.scheduler.dispatch import Dispatch
from services.scheduler.shares import Shares
from services.scheduler.sweep import LIMIT, UNSEEN, Sweep
from services.scheduler.withdraw import Withdrawal
from shared.clock import ManualClock
from shared.domain.failure import FailureCode, Stage
from shared.domain.lifecycle import State
from shared.events.tests import TestFailed, TestRequeued
from shared.store.documents import Cancel, Execution, Slot
from shared.store.executions import Move
from shared.store.limits import UserLimits
from tests.support.fakes.scheduling import LineInMemory, SlotsInMemory, TestsInMemory, UsersInMemory
from tests.support.samples import ALICE, NOW, entry, execution, lease, task

SILENCE = timedelta(seconds=60)
LATE = NOW + SILENCE + timedelta(seconds=1)
CANCEL = Cancel(requested_at=NOW, by="bob", reason="enough")


class Round:
    """A sweep over these tests, some of which hold slots or wait."""

    def __init__(self, *tests: Execution, at: timedelta = timedelta()) -> None:
        self.tests = TestsInMemory(*tests)
        self.line, self.slots, clock = LineInMemory(), SlotsInMemory(4), ManualClock(NOW + at)
        self.users = UsersInMemory()
        self.shares = Shares(self.users, max_running=0)
        dispatch = Dispatch(self.tests, self.line, self.slots, clock, shares=self.shares)
        self.sweep = Sweep(
            self.tests,
            self.line,
            self.slots,
            clock,
            admission=Admission(self.tests, self.line, clock, shares=self.shares, wake=dispatch.wake),
            dispatch=dispatch,
            withdrawal=Withdrawal(self.tests, self.line, clock),
            shares=self.shares,
            silence=SILENCE,
        )

    def hold(self, test: Execution, slot: int = 0) -> None:
        self.slots.slots[slot] = Slot(id=slot, test_id=test.id, user_id=ALICE, attempt=test.attempt, since=NOW)
        test.slot = slot

    @property
    def move(self) -> Move:
        (move,) = self.tests.moves
        return move


async def test_a_submitted_test_that_no_event_told_of_is_queued() -> None:
    seen, unseen = execution(at=NOW), execution(at=NOW - UNSEEN - timedelta(milliseconds=1))
    sweeping = Round(seen, unseen)
    await sweeping.sweep.sweep()
    assert (seen.state, unseen.state) == (State.SUBMITTED, State.QUEUED)
    assert unseen.id in sweeping.line.entries


async def test_a_queued_test_that_is_not_in_the_queue_is_put_back_and_no_other() -> None:
    lost, kept = (execution(State.QUEUED, rank=rank, at=NOW - timedelta(minutes=1)) for rank in (3.0, 4.0))
    sweeping = Round(lost, kept)
    sweeping.line.entries[kept.id] = entry(4.0, id=kept.id, attempt=9)
    await sweeping.sweep.sweep()
    assert sweeping.line.entries[lost.id].rank == 3.0
    assert sweeping.line.entries[kept.id].attempt == 9
    assert sweeping.tests.moves == []


async def test_a_test_that_fell_out_of_the_queue_is_found_behind_any_number_that_have_waited_longer() -> None:
    waiting = [
        execution(State.QUEUED, rank=1.0, at=NOW - timedelta(days=1) + timedelta(milliseconds=n // 3))
        for n in range(3 * LIMIT)
    ]
    lost = execution(State.QUEUED, rank=2.0, at=NOW - timedelta(minutes=1))
    sweeping = Round(lost, *waiting)
    for test in waiting:
        sweeping.line.entries[test.id] = entry(1.0, id=test.id)
    for _ in range(5):
        await sweeping.sweep.sweep()
    assert lost.id in sweeping.line.entries or lost.state is State.BUILDING


@pytest.mark.parametrize("state", [State.SUBMITTED, State.QUEUED])
async def test_a_waiting_test_that_somebody_wants_stopped_is_ended(state: State) -> None:
    test = execution(state, cancel=CANCEL)
    sweeping = Round(test)
    sweeping.line.entries[test.id] = entry(1.0, id=test.id)
    await sweeping.sweep.sweep()
    assert test.state is State.FAILED
    assert sweeping.line.entries == {}
    (told,) = sweeping.move.telling
    assert isinstance(told, TestFailed)
    assert (told.code, told.stage) == (FailureCode.CANCELLED, Stage.QUEUE)
    assert told.message == "Cancelled by bob while it waited: enough"


async def test_a_slot_whose_test_has_ended_is_freed() -> None:
    ended, active = execution(State.FAILED, attempt=1), execution(State.RUNNING, attempt=1, lease=lease(LATE))
    sweeping = Round(ended, active, at=SETTLING)
    sweeping.hold(ended, 0)
    sweeping.hold(active, 1)
    await sweeping.sweep.sweep()
    assert [slot.id for slot in await sweeping.slots.taken()] == [1]


@pytest.mark.parametrize("state", [State.BUILDING, State.RUNNING])
@pytest.mark.parametrize("attempt", [1, 2])
async def test_an_abandoned_claim_is_queued_again_and_its_task_left_to_the_next_attempt(
    state: State, attempt: int
) -> None:
    test = execution(state, attempt=attempt, lease=lease(NOW))
    test.task = task(test.id, attempt)
    sweeping = Round(test, at=LATE - NOW)
    sweeping.hold(test)
    await sweeping.sweep.sweep()
    assert (test.state, test.attempt) == (State.QUEUED, attempt)
    (told,) = sweeping.move.telling
    assert isinstance(told, TestRequeued)
    assert told.code is FailureCode.TASK_LOST
    assert sweeping.move.set["task.abandoned"] == {"number": 1}
    assert set(sweeping.move.unset) == {"lease", "task.handle", "task.log_source", "logs.until", "times.started"}
    assert "failure" not in sweeping.move.set
    assert sweeping.move.guard == {"lease.until": NOW}


async def test_the_third_attempt_that_is_abandoned_ends_the_test() -> None:
    test = execution(State.RUNNING, attempt=3, lease=lease(NOW))
    sweeping = Round(test, at=LATE - NOW)
    sweeping.hold(test)
    await sweeping.sweep.sweep()
    assert test.state is State.FAILED
    assert sweeping.move.set["failure"]["code"] == FailureCode.TASK_LOST
    assert sweeping.move.set["logs.ended"] is True  # it never began to write


async def test_an_abandoned_test_that_somebody_wants_stopped_was_cancelled() -> None:
    test = execution(State.RUNNING, attempt=1, lease=lease(NOW), cancel=CANCEL)
    test.task = task(test.id)
    sweeping = Round(test, at=LATE - NOW)
    sweeping.hold(test)
    await sweeping.sweep.sweep()
    assert test.state is State.FAILED
    assert sweeping.move.set["failure"]["code"] == FailureCode.CANCELLED
    assert "logs.ended" not in sweeping.move.set  # what it wrote is still read to its end


async def test_a_claim_that_was_never_taken_up_outlasts_an_outage_of_all_orchestrators() -> None:
    test = execution(State.BUILDING, attempt=1)
    sweeping = Round(test, at=100 * SILENCE)
    sweeping.hold(test)
    await sweeping.sweep.sweep()
    assert (test.state, test.attempt) == (State.BUILDING, 1)
    assert [slot.test_id for slot in await sweeping.slots.taken()] == [test.id]


async def test_a_claim_that_was_never_taken_up_and_is_unwanted_ends_after_the_silence() -> None:
    test = execution(State.BUILDING, attempt=1, cancel=CANCEL)
    sweeping = Round(test, at=LATE - NOW)
    sweeping.hold(test)
    await sweeping.sweep.sweep()
    assert test.state is State.FAILED
    assert sweeping.move.guard == {"lease": None}


async def test_slots_and_limits_are_made_what_the_store_says() -> None:
    sweeping = Round()
    sweeping.users.users.append(UserLimits(id=ALICE, max_running=3, weight=2.0))
    await sweeping.sweep.sweep()
    assert sweeping.slots.agreed == 1
    assert (sweeping.shares.max_running(ALICE), sweeping.shares.weight(ALICE)) == (3, 2.0)
