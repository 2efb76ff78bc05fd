"""How long a waiting test will wait: a pure decision from its place, the pool and how long slots were held of late."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from shared.store.queue import LATELY, Spell
from shared.store.slots import Pool


def estimated_wait_s(position: int, pool: Pool, holds: Sequence[Spell], now: datetime) -> float | None:
    """Seconds until the test at this place (1 is next) gets its slot; None where nothing can be told.

    A pool of 10 slots, each held for 20 s, frees one every 2 s: the fifth in line waits for about 10 s. That is short
    for who stands behind tests of users who hold as many slots as they may: those are counted and will not go first."""
    lately = [hold.seconds for hold in holds if hold.at > now - LATELY]
    if pool.paused or not pool.capacity or not lately:
        return None
    return position * sum(lately) / len(lately) / pool.capacity
