"""The states of a test and the one table that says what may follow what. `docs/states.md` is generated from it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from shared.errors import AssayError

MAX_ATTEMPTS: Final = 3  # DESIGN: an infrastructure failure is retried until the third attempt has failed


class State(StrEnum):
    """Where a test stands."""

    SUBMITTED = "SUBMITTED"
    QUEUED = "QUEUED"
    BUILDING = "BUILDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ARCHIVED = "ARCHIVED"


MEANING: Final[dict[State, str]] = {
    State.SUBMITTED: "accepted and stored; the scheduler has not seen it yet",
    State.QUEUED: "waits for a free slot; its place in the queue is fixed",
    State.BUILDING: "has a slot; its container starts and its requirements are installed",
    State.RUNNING: "the agent's own code runs",
    State.COMPLETED: "the agent answered; the answer is stored",
    State.FAILED: "ended without an answer; `failure` says why",
    State.TIMED_OUT: "the agent did not answer within its time limit",
    State.ARCHIVED: "put away: hidden from lists unless asked for",
}

MOVES: Final[dict[State, frozenset[State]]] = {
    State.SUBMITTED: frozenset({State.QUEUED, State.FAILED}),
    State.QUEUED: frozenset({State.BUILDING, State.FAILED}),
    State.BUILDING: frozenset({State.RUNNING, State.QUEUED, State.FAILED, State.TIMED_OUT}),
    State.RUNNING: frozenset({State.COMPLETED, State.QUEUED, State.FAILED, State.TIMED_OUT}),
    State.COMPLETED: frozenset({State.ARCHIVED}),
    State.FAILED: frozenset({State.ARCHIVED}),
    State.TIMED_OUT: frozenset({State.ARCHIVED}),
    State.ARCHIVED: frozenset(),
}

WAITING: Final = frozenset({State.SUBMITTED, State.QUEUED})
ACTIVE: Final = frozenset({State.BUILDING, State.RUNNING})
ENDED: Final = frozenset({State.COMPLETED, State.FAILED, State.TIMED_OUT, State.ARCHIVED})


class IllegalMove(AssayError):
    """The lifecycle does not allow this move."""


def check_move(source: State, to: State) -> None:
    """Raises IllegalMove where `to` may not follow `source`."""
    if to not in MOVES[source]:
        allowed = ", ".join(sorted(MOVES[source])) or "nothing"
        raise IllegalMove(f"{source} cannot become {to}; it may become {allowed}")
