"""The tasks that this orchestrator looks after, in memory. What must outlive the process is in the store."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from services.orchestrator.diagnosis import StopCause
from services.orchestrator.metrics import RUNNING
from services.orchestrator.ports import Handle
from shared.ids import TestId
from shared.store.documents import Execution

REMEMBERED: Final = 64
"""A short test has ended before its phases have been told."""


@dataclass(slots=True)
class Charge:
    """One task under our care."""

    test: Execution
    """The test as we last saw it, without its code: nobody else moves it while the lease is ours."""
    handle: Handle
    deadline: datetime
    told_to_stop: StopCause | None = None
    stop_by: datetime | None = None
    """When a task that was told to stop is ended without further asking."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by whoever moves the test: a phase and an end that arrive together do not race."""

    @property
    def test_id(self) -> TestId:
        return self.test.id

    @property
    def attempt(self) -> int:
        return self.test.attempt

    @property
    def nonce(self) -> str:
        return self.test.task.nonce if self.test.task else ""


class Charges:
    """All of them, by test and by handle."""

    def __init__(self) -> None:
        self._by_test: dict[TestId, Charge] = {}
        self._by_handle: dict[str, Charge] = {}
        self._ended: deque[tuple[TestId, int]] = deque(maxlen=REMEMBERED)

    def __iter__(self) -> Iterator[Charge]:
        return iter(list(self._by_test.values()))

    def __len__(self) -> int:
        return len(self._by_test)

    def take(self, charge: Charge) -> None:
        self._by_test[charge.test_id] = charge
        self._by_handle[_key(charge.handle)] = charge
        RUNNING.set(len(self._by_test))

    def drop(self, charge: Charge) -> None:
        if self._by_test.get(charge.test_id) is charge:
            del self._by_test[charge.test_id]
        self._by_handle.pop(_key(charge.handle), None)
        RUNNING.set(len(self._by_test))

    def end(self, charge: Charge) -> None:
        """Drops it because its attempt is over."""
        self.drop(charge)
        self._ended.append((charge.test_id, charge.attempt))

    def has_ended(self, test_id: TestId, attempt: int) -> bool:
        """Whether this attempt was under our care a moment ago, and is over."""
        return (test_id, attempt) in self._ended

    def of_test(self, test_id: TestId, attempt: int | None = None) -> Charge | None:
        charge = self._by_test.get(test_id)
        return charge if charge and attempt in {None, charge.attempt} else None

    def of_handle(self, handle: Handle) -> Charge | None:
        return self._by_handle.get(_key(handle))


def _key(handle: Handle) -> str:
    return json.dumps(handle, sort_keys=True)
