"""How often ECS is asked: pure functions of what is known. One call answers for a hundred tasks, so the number of calls
a second is the same for one task and for a hundred, and grows by a hundredth of the number of tasks beyond."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

HOT_S: Final = 2.0
"""Between two looks at a task of which news is expected: it starts, was told to stop, or says that it is done."""
CALM_S: Final = 5.0
"""Between two looks at any other."""
FED_S: Final = 15.0
"""Between two looks at any other where EventBridge tells of changes."""
BATCH: Final = 100  # ECS: tasks a call, API reference DescribeTasks
SOON_S: Final = 0.2
"""A task that nobody has looked at yet waits this long for others to share its first look."""


@dataclass(frozen=True, slots=True)
class Looked:
    """When a task was last looked at, and until when news are expected of it."""

    arn: str
    at: float | None
    added: float
    hot_until: float


class Pace(NamedTuple):
    """Seconds between two looks at one task."""

    hot_s: float = HOT_S
    calm_s: float = CALM_S


def due_at(one: Looked, now: float, pace: Pace) -> float:
    """When it is to be looked at next."""
    if one.at is None:
        return one.added + SOON_S
    return one.at + (pace.hot_s if one.hot_until > now else pace.calm_s)


def next_look(tasks: Iterable[Looked], now: float, pace: Pace) -> float | None:
    """When the next call is to be made; None where there is nothing to look at."""
    return min((due_at(one, now, pace) for one in tasks), default=None)


def to_look_at(tasks: Iterable[Looked], now: float, pace: Pace) -> list[str]:
    """Those that are due. What room their calls leave goes to the others, those first that were not seen for longest:
    the next round then has that many less of its own."""
    waiting = sorted(tasks, key=lambda one: due_at(one, now, pace))
    due = sum(1 for one in waiting if due_at(one, now, pace) <= now)
    room = -(-due // BATCH) * BATCH
    return [one.arn for one in waiting[:room]]
