"""How much may be under way at once: in all, and of each holder, be it a user or an address.

Who finds no place in a `Budget` is refused; who finds no free one of their `Lanes` waits for one; who comes to `Waits`
takes the place of who has waited there for longest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

from shared.errors import AssayError


class Budget:
    """Places, of which `most` can be taken at once, and `most_each` by one holder. Who finds none is refused.

    `refusal` makes the error from the holder and from how many places there are for it (all of them, where it is the
    others who took them)."""

    def __init__(self, most: int, most_each: int, refusal: Callable[[str, int], AssayError]) -> None:
        self._most = most
        self._most_each = most_each
        self._refusal = refusal
        self._taken = 0
        self._by: dict[str, int] = {}

    @property
    def taken(self) -> int:
        """Places that are taken now."""
        return self._taken

    def of(self, holder: str) -> int:
        """Places that this holder has now."""
        return self._by.get(holder, 0)

    def place(self, holder: str) -> Place:
        """A place for the time of a `with`. Entering it raises the refusal where there is none."""
        return Place(self, holder)

    def take(self, holder: str) -> None:
        held = self._by.get(holder, 0)
        if held >= self._most_each:
            raise self._refusal(holder, self._most_each)
        if self._taken >= self._most:
            raise self._refusal(holder, self._most)
        self._by[holder] = held + 1
        self._taken += 1

    def give_back(self, holder: str) -> None:
        self._taken -= 1
        left = self._by[holder] - 1
        if left:
            self._by[holder] = left
        else:
            del self._by[holder]


class Place:
    """One place of a budget."""

    __slots__ = ("_budget", "_holder")

    def __init__(self, budget: Budget, holder: str) -> None:
        self._budget = budget
        self._holder = holder

    def __enter__(self) -> None:
        self._budget.take(self._holder)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._budget.give_back(self._holder)


class Waits:
    """Calls that wait for their clients: `most` of them at once, and `most_each` of one holder. Nobody is refused; who
    has waited for longest is ended for the newest, of the same holder, or else of the one who has the most."""

    def __init__(self, most: int, most_each: int) -> None:
        self._most = most
        self._most_each = most_each
        self._count = 0
        self._of: dict[str, dict[Wait, None]] = {}

    def __len__(self) -> int:
        return self._count

    def place(self, holder: str, limit: asyncio.Timeout) -> Wait:
        """For a `with` inside of `limit`, which runs out at once where it is ended."""
        return Wait(self, holder, limit)

    def add(self, wait: Wait) -> None:
        own = self._of.setdefault(wait.holder, {})
        own[wait] = None
        self._count += 1
        if len(own) > self._most_each:
            self._end_oldest(own)
        elif self._count > self._most:
            self._end_oldest(max(self._of.values(), key=len))

    def remove(self, wait: Wait) -> None:
        own = self._of.get(wait.holder, {})
        if wait not in own:  # it was ended for another one
            return
        del own[wait]
        self._count -= 1
        if not own:
            del self._of[wait.holder]

    def _end_oldest(self, own: dict[Wait, None]) -> None:
        oldest = next(iter(own))  # a dictionary keeps its order
        self.remove(oldest)
        oldest.end()


class Wait:
    """One call that waits."""

    __slots__ = ("_limit", "_waits", "ended", "holder")

    def __init__(self, waits: Waits, holder: str, limit: asyncio.Timeout) -> None:
        self._waits = waits
        self._limit = limit
        self.holder = holder
        self.ended = False
        """Whether it had to go for a newer one."""

    def end(self) -> None:
        self.ended = True
        if not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time())

    def __enter__(self) -> None:
        self._waits.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waits.remove(self)


class Lanes:
    """Each holder does so much at once. The rest of it waits, and nobody else does."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._of: dict[str, _Lane] = {}

    def __len__(self) -> int:
        return len(self._of)

    def of(self, holder: str) -> _Lane:
        """For an `async with`."""
        lane = self._of.get(holder)
        if lane is None:
            lane = self._of[holder] = _Lane(self._of, holder, self._each)
        return lane


class _Lane:
    """What one holder has. Forgotten when nothing of it is left."""

    __slots__ = ("_free", "_inside", "_lanes", "_name")

    def __init__(self, lanes: dict[str, _Lane], name: str, size: int) -> None:
        self._lanes = lanes
        self._name = name
        self._free = asyncio.Semaphore(size)
        self._inside = 0

    async def __aenter__(self) -> None:
        self._inside += 1
        try:
            await self._free.acquire()
        except BaseException:
            self._leave()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._free.release()
        self._leave()

    def _leave(self) -> None:
        self._inside -= 1
        if not self._inside:
            self._lanes.pop(self._name, None)
