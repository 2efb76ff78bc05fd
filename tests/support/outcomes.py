"""What must be true of every test that has ended, whatever happened on the way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise

from assay import Test, TestState
from shared.domain.lifecycle import ACTIVE, ENDED, MOVES, WAITING, State

LINES = 5
TALKER = f"""
import time

def run(query):
    for number in range({LINES}):
        print(query, number)
        time.sleep(PAUSE_S)
    return query
"""


def talker(pause_s: float = 0.0) -> str:
    """An agent that says its query so often with a number, and answers with it."""
    return TALKER.replace("PAUSE_S", str(pause_s))


def spoken(query: str) -> list[str]:
    """Its lines."""
    return [f"{query} {number}" for number in range(LINES)]


def lived_once(test: Test) -> None:
    """Every move was a legal one, in order, and exactly one of them was the end."""
    states = [State(move.state.value) for move in test.history]
    assert states[0] is State.SUBMITTED, _story(test)
    for before, after in pairwise(states):
        assert after in MOVES[before], _story(test)
    assert [state in ENDED for state in states] == [False] * (len(states) - 1) + [True], _story(test)
    attempts = [move.attempt for move in test.history]
    assert attempts == sorted(attempts), _story(test)
    assert states.count(State.BUILDING) == test.attempt, _story(test)
    times = [move.time for move in test.history if move.time]
    assert times == sorted(times), _story(test)


def passed_with_all_its_lines(test: Test, *, attempts: int = 1) -> None:
    """A `talker` that did what it does, in so many attempts at most."""
    lived_once(test)
    assert test.state is TestState.COMPLETED, _story(test)
    assert test.attempt <= attempts, _story(test)
    assert test.response == test.spec.query
    assert test.logs.ended, test.id
    assert test.logs.complete, (test.id, test.logs)


def most_at_once(tests: Iterable[Test]) -> int:
    """How many held a slot at the same time, by their histories."""
    changes: list[tuple[datetime, int]] = []
    for test in tests:
        for before, after in pairwise(test.history):
            state, following = State(before.state.value), State(after.state.value)
            if state in WAITING and following in ACTIVE:
                assert after.time
                changes.append((after.time, 1))
            if state in ACTIVE and following not in ACTIVE:
                assert after.time
                changes.append((after.time, -1))
    most = held = 0
    for _, change in sorted(changes):  # at one moment, what is freed comes before what is taken
        held += change
        most = max(most, held)
    assert held == 0
    return most


def granted_in_order(tests: Sequence[Test]) -> list[str]:
    """The users of these tests in the order in which they got their slots."""
    scheduled = [(test.times.scheduled, test.user_id) for test in tests if test.times.scheduled]
    return [user for _, user in sorted(scheduled)]


def _story(test: Test) -> str:
    moves = [f"{move.state} #{move.attempt} by {move.moved_by} {move.reason}".strip() for move in test.history]
    return f"{test.id} {test.failure.code if test.failure else ''}: {'; '.join(moves)}"
