"""Start-time fair queueing: the rank of a waiting test is fixed once, when it enters the queue.

Each test of a user is placed one step of 1/weight behind that user's previous one, but never before the rank that is
being served now. So a user who hands in 500 tests lines up with himself, and another user's single test comes next.
(Goyal, Vin and Cheng, "Start-time Fair Queueing", SIGCOMM 1996, with every test of length 1.)
"""

from __future__ import annotations

from collections.abc import Sequence


def ranks(*, virtual_now: float, last_rank: float | None, count: int, weight: float = 1.0) -> list[float]:
    """The ranks of `count` tests that one user hands in now.

    `virtual_now` is the rank of the test granted last; `last_rank` the user's highest rank so far, None for a user
    never seen. Raises ValueError where the weight is not positive."""
    if weight <= 0:
        raise ValueError(f"a weight must be above 0, not {weight}")
    start = virtual_now if last_rank is None else max(virtual_now, last_rank)
    return [start + (place + 1) / weight for place in range(count)]


def served_order(entries: Sequence[tuple[int, float]]) -> list[int]:
    """The indexes of (priority, rank) pairs in the order they are served: high priority first, then low rank."""
    return sorted(range(len(entries)), key=lambda index: (-entries[index][0], entries[index][1]))
