"""Calls without a valid key: how fast one address may go on making them.

A key has 256 random bits, so this is not against guessing. It is against floods: each such call costs a look into the
store, an answer and a line in the log. Who shows a valid key never comes here, whatever comes from the same address.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from services.gateway.budgets import Budget
from services.gateway.errors import TooManyWrongKeys, Unauthenticated
from services.gateway.metrics import TURNED_AWAY

log = structlog.get_logger()

HOLD_S: Final = 1.0
"""So long an answer is held back."""
HELD: Final = 1_000
HELD_OF_PEER: Final = 20
"""Answers that are held back at once. Further calls are refused at once, and told when to come back."""
MINUTE_S: Final = 60.0
MOST_PEERS: Final = 10_000
"""Addresses that are remembered; the ones that were not heard of for longest are forgotten first."""


@dataclass(slots=True)
class _Record:
    """What an address has left of its allowance, when that was, and what was not logged of it since."""

    left: float
    at: float
    unsaid: int = 0
    said_at: float = 0.0


class WrongKeys:
    """The allowance of each address: `per_minute` refusals, after which each further answer waits for HOLD_S."""

    def __init__(
        self, per_minute: int, *, hold_s: float = HOLD_S, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_minute = per_minute
        self._hold_s = hold_s
        self._monotonic = monotonic
        self._peers: OrderedDict[str, _Record] = OrderedDict()
        self._held = Budget(HELD, HELD_OF_PEER, self._refusal)

    def __len__(self) -> int:
        return len(self._peers)

    async def slow_down(self, peer: str, refusal: Unauthenticated) -> bool:
        """Returns when the peer may have its refusal; whether this one need not be logged by itself.

        Raises TooManyWrongKeys where as many answers are held back as may be."""
        record = self._record(peer)
        if record.left >= 1:
            record.left -= 1
            return False
        self._say_now_and_then(peer, record, refusal)
        with self._held.place(peer):
            await asyncio.sleep(self._hold_s)
        return True

    def _record(self, peer: str) -> _Record:
        now = self._monotonic()
        record = self._peers.pop(peer, None)
        if record is None:
            record = _Record(self._per_minute, now, said_at=now - MINUTE_S)
            while len(self._peers) >= MOST_PEERS:
                self._peers.popitem(last=False)
        else:
            regained = (now - record.at) * self._per_minute / MINUTE_S
            record.left, record.at = min(self._per_minute, record.left + regained), now
        self._peers[peer] = record
        return record

    def _say_now_and_then(self, peer: str, record: _Record, refusal: Unauthenticated) -> None:
        """One line a minute for each address: a flood must not fill the log."""
        record.unsaid += 1
        if record.at - record.said_at >= MINUTE_S:
            log.warning("wrong_keys_slowed_down", peer=peer, calls=record.unsaid, last=str(refusal))
            record.said_at, record.unsaid = record.at, 0

    def _refusal(self, peer: str, _: int) -> TooManyWrongKeys:
        TURNED_AWAY.labels(TooManyWrongKeys.limit).inc()
        return TooManyWrongKeys(peer, timedelta(seconds=self._hold_s))
