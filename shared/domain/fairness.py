"""Start-time fair queueing: the rank of a waiting test is fixed once, when it enters the queue.

Each test of a user is placed one step of 1/weight behind that user's previous one, but never before the rank that is
being served now. So a user who hands in 500 tests lines up with himself, and another user's single test comes next.
(Goyal, Vin and Cheng, "Start-time Fair Queueing", SIGCOMM 1996, with every test of length 1.)
"""

from __future__ import annotations

from collections.abc import Iterable


def ranks(*, virtual_now: float, last_rank: float | None, count: int, weight: float = 1.0) -> list[float]:
    """The ranks of `count` tests that one user hands in now.

    `virtual_now` is the rank of the test granted last; `last_rank` the user's highest rank so far, None for a user
    never seen. Raises ValueError where the weight is not positive."""
    if weight <= 0:
        raise ValueError(f"a weight must be above 0, not {weight}")
    start = virtual_now if last_rank is None else max(virtual_now, last_rank)
    return [start + (place + 1) / weight for place in range(count)]


def furthest_ranks(granted: Iterable[tuple[int, float]]) -> dict[int, float]:
    """How far the virtual time of each priority has come after these (priority, rank) pairs were granted."""
    furthest: dict[int, float] = {}
    for priority, rank in granted:
        furthest[priority] = max(rank, furthest.get(priority, rank))
    return furthest
