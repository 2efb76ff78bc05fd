"""The scheduler's ports in memory: tests that move by compare-and-set, a line in order, slots taken once each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from services.scheduler.shares import Shares
from services.scheduler.sweep import EVER
from shared.domain.fairness import ranks
from shared.domain.lifecycle import WAITING, State
from shared.ids import TestId, UserId
from shared.store.documents import Execution, QueueEntry, Slot
from shared.store.executions import Move
from shared.store.limits import UserLimits
from shared.store.queue import Spell


class TestsInMemory:
    """Moves like the store: fenced by state and attempt. `before_move` lets a test put something in between."""

    def __init__(self, *tests: Execution) -> None:
        self.tests = {test.id: test for test in tests}
        self.moves: list[Move] = []
        self.error: Exception | None = None

    async def move(self, move: Move) -> bool:
        if self.error is not None:
            raise self.error
        test = self.tests.get(move.test_id)
        if test is None or (test.state, test.attempt) != (move.source, move.attempt):
            return False
        if "lease.until" in move.guard and (test.lease and test.lease.until) != move.guard["lease.until"]:
            return False
        test.state = move.to
        test.attempt = move.attempt if move.new_attempt is None else move.new_attempt
        if "slot" in move.set:
            test.slot = move.set["slot"]
        if "times.scheduled" in move.set:
            test.times.scheduled = move.set["times.scheduled"]
        self.moves.append(move)
        return True

    async def get(self, test_id: TestId) -> Execution | None:
        return self.tests.get(test_id)

    async def get_many(self, tests: Iterable[TestId]) -> dict[TestId, Execution]:
        return {test_id: self.tests[test_id] for test_id in tests if test_id in self.tests}

    async def stale(self, state: State, before: datetime, limit: int, *, since: datetime = EVER) -> list[Execution]:
        found = [test for test in self.tests.values() if test.state is state and since <= test.times.submitted < before]
        return sorted(found, key=lambda test: test.times.submitted)[:limit]

    async def waiting_but_unwanted(self, limit: int) -> list[TestId]:
        return [test.id for test in self.tests.values() if test.state in WAITING and test.cancel][:limit]


class LineInMemory:
    """The queue, in the order of service."""

    def __init__(self, *entries: QueueEntry) -> None:
        self.entries = {entry.id: entry for entry in entries}
        self.served: dict[int, float] = {}
        self.waits: list[float] = []
        self.holds: list[Spell] = []
        self.reserved: list[tuple[UserId, int, int]] = []
        self._last: dict[tuple[UserId, int], float] = {}

    async def reserve(self, user: UserId, priority: int, count: int, *, weight: float = 1.0) -> list[float]:
        self.reserved.append((user, priority, count))
        own = ranks(
            virtual_now=self.served.get(priority, 0.0),
            last_rank=self._last.get((user, priority)),
            count=count,
            weight=weight,
        )
        self._last[user, priority] = own[-1]
        return own

    async def add(self, entry: QueueEntry) -> None:
        self.entries.setdefault(entry.id, entry)

    async def remove(self, test: TestId) -> None:
        self.entries.pop(test, None)

    async def head(self, limit: int, *, without: Collection[UserId] = ()) -> list[QueueEntry]:
        found = [entry for entry in self.entries.values() if entry.user_id not in without]
        return sorted(found, key=lambda entry: (-entry.priority, entry.rank, entry.id))[:limit]

    async def granted(self, ranks: Mapping[int, float], waits: Sequence[Spell]) -> None:
        self.served |= ranks
        self.waits += [wait.seconds for wait in waits]

    async def released(self, holds: Sequence[Spell]) -> None:
        self.holds += holds

    async def missing(self, tests: Iterable[TestId]) -> set[TestId]:
        return set(tests) - self.entries.keys()


class SlotsInMemory:
    """So many slots. Counts how often it was asked, because remembering is part of the dispatch."""

    def __init__(self, capacity: int) -> None:
        self.slots = {number: Slot(id=number) for number in range(capacity)}
        self.looks = 0
        self.paused = False
        self.agreed = 0

    async def free(self) -> int | None:
        self.looks += 1
        return None if self.paused else sum(1 for slot in self.slots.values() if slot.test_id is None)

    async def take(self, *, test: TestId, user: UserId, attempt: int, now: datetime) -> int | None:
        for number, slot in self.slots.items():
            if slot.test_id is None and not self.paused:
                self.slots[number] = Slot(id=number, test_id=test, user_id=user, attempt=attempt, since=now)
                return number
        return None

    async def release_all(self, holders: Sequence[tuple[TestId, int]]) -> int:
        held = [
            number
            for number, slot in self.slots.items()
            if any(slot.test_id == test and slot.attempt <= attempt for test, attempt in holders)
        ]
        for number in held:
            self.slots[number] = Slot(id=number)
        return len(held)

    async def give_back(self, slots: Sequence[Slot]) -> int:
        held = [slot.id for slot in slots if self._holder(slot.id) == (slot.test_id, slot.attempt)]
        for number in held:
            self.slots[number] = Slot(id=number)
        return len(held)

    async def taken(self) -> list[Slot]:
        return [slot for slot in self.slots.values() if slot.test_id is not None]

    async def holders(self) -> Counter[UserId]:
        return Counter(slot.user_id for slot in self.slots.values() if slot.user_id is not None)

    async def held_by(self, user: UserId) -> int:
        return (await self.holders())[user]

    async def agree(self) -> None:
        self.agreed += 1

    def _holder(self, number: int) -> tuple[TestId | None, int]:
        return self.slots[number].test_id, self.slots[number].attempt


class UsersInMemory:
    """The users with limits of their own."""

    def __init__(self, *users: UserLimits) -> None:
        self.users = list(users)
        self.default_max_running: int | None = None

    async def all(self) -> list[UserLimits]:
        return self.users

    async def tell_max_running(self, default: int) -> None:
        self.default_max_running = default


async def shares(*users: UserLimits, max_running: int = 0) -> Shares:
    """What these users may take, looked up."""
    found = Shares(UsersInMemory(*users), max_running=max_running)
    await found.begin()
    return found


def usual() -> Shares:
    """Nobody has a maximum, and everybody the same weight."""
    return Shares(UsersInMemory(), max_running=0)
