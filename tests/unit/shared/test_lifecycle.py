from itertools import product

import pytest

from shared.domain.lifecycle import ACTIVE, ENDED, MEANING, MOVES, WAITING, IllegalMove, State, check_move
from shared.events.tests import TestRunning
from shared.ids import TestId, UserId
from shared.store.executions import Move
from tests.support.samples import NOW

# DESIGN.md, section 3, written down a second time on purpose: a slip in one of the two shows.
LEGAL = {
    ("SUBMITTED", "QUEUED"),
    ("SUBMITTED", "FAILED"),
    ("QUEUED", "BUILDING"),
    ("QUEUED", "FAILED"),
    ("BUILDING", "RUNNING"),
    ("BUILDING", "QUEUED"),
    ("BUILDING", "FAILED"),
    ("BUILDING", "TIMED_OUT"),
    ("RUNNING", "COMPLETED"),
    ("RUNNING", "QUEUED"),
    ("RUNNING", "FAILED"),
    ("RUNNING", "TIMED_OUT"),
    ("COMPLETED", "ARCHIVED"),
    ("FAILED", "ARCHIVED"),
    ("TIMED_OUT", "ARCHIVED"),
}


@pytest.mark.parametrize(("source", "to"), list(product(State, State)), ids=str)
def test_a_move_is_legal_exactly_where_the_design_says_so(source: State, to: State) -> None:
    if (source, to) in LEGAL:
        check_move(source, to)
    else:
        with pytest.raises(IllegalMove, match=f"{source} cannot become {to}; it may become "):
            check_move(source, to)


def test_every_state_waits_is_active_or_has_ended_and_has_a_meaning() -> None:
    assert set(State) == WAITING | ACTIVE | ENDED
    assert len(WAITING) + len(ACTIVE) + len(ENDED) == len(State)
    assert set(MEANING) == set(MOVES) == set(State)


def test_every_state_is_reached_from_submitted_and_leads_to_archived() -> None:
    reached = {State.SUBMITTED}
    while more := {to for state in reached for to in MOVES[state]} - reached:
        reached |= more
    assert reached == set(State)
    assert [state for state in State if not MOVES[state]] == [State.ARCHIVED]


def _move(source: State, to: State, via: State | None) -> Move:
    telling = TestRunning(test_id=TestId("t"), user_id=UserId("u"), attempt=1, at=NOW)
    return Move(
        test_id=TestId("t"), source=source, attempt=1, to=to, via=via, at=NOW, by="somebody", telling=(telling,)
    )


def test_an_illegal_move_cannot_even_be_written_down() -> None:
    with pytest.raises(IllegalMove):
        _move(State.BUILDING, State.COMPLETED, None)
    with pytest.raises(IllegalMove):
        _move(State.QUEUED, State.COMPLETED, State.RUNNING)


def test_a_move_may_pass_a_state_on_the_way() -> None:
    assert _move(State.BUILDING, State.COMPLETED, State.RUNNING).to is State.COMPLETED
