"""What the gateway needs of the store and the bus, as small as it needs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from shared.domain.lifecycle import State
from shared.domain.packages import PackageState
from shared.events.base import Event
from shared.ids import PackageId, TestId, UserId
from shared.store.documents import (
    ApiKey,
    Chunk,
    Execution,
    Package,
    PackageClaim,
    QueueEntry,
    Slot,
    StoredLine,
)
from shared.store.executions import Submitted
from shared.store.packages import Requested
from shared.store.queue import Figures
from shared.store.slots import Occupancy


class Tests(Protocol):
    """The tests (shared.store.executions.Executions)."""

    async def submit(self, execution: Execution, telling: Event) -> Submitted: ...

    async def change(
        self,
        test_id: TestId,
        *,
        where: Mapping[str, Any],
        set: Mapping[str, Any],  # noqa: A002 - the name of the operator
        unset: Sequence[str] = (),
        telling: Sequence[Event] = (),
        traceparent: str = "",
    ) -> Execution | None: ...

    async def get(self, test_id: TestId) -> Execution | None: ...

    async def last_retry(self, original: TestId) -> int: ...

    async def chain(self, original: TestId, *, whole: bool = False) -> list[Execution]: ...

    async def page(
        self,
        *,
        user_id: UserId | None,
        states: Sequence[State],
        before: TestId | None,
        limit: int,
        whole: bool = False,
    ) -> list[Execution]: ...


class Packages(Protocol):
    """The packages (shared.store.packages.Packages)."""

    async def request(self, package: Package, telling: Event) -> Requested: ...

    async def of_request(self, user: UserId, request_key: str) -> Package | None: ...

    async def remember(self, package: PackageId, request_key: str) -> bool: ...

    async def renew(
        self, package: Package, *, at: datetime, claim: PackageClaim, telling: Sequence[Event], traceparent: str
    ) -> Package | None: ...

    async def count_download(self, package: PackageId) -> int | None: ...

    async def get(self, package: PackageId) -> Package | None: ...

    async def still_made(self, packages: Iterable[PackageId]) -> set[PackageId]: ...

    async def page(
        self,
        *,
        user_id: UserId | None,
        test_id: TestId | None,
        agent_id: str,
        states: frozenset[PackageState],
        now: datetime,
        before: PackageId | None,
        limit: int,
    ) -> list[Package]: ...


class Lines(Protocol):
    """The stored output (shared.store.logs.LogChunks)."""

    async def last(self, test: TestId, *, within: range) -> Chunk | None: ...

    async def read(self, test: TestId, *, from_seq: int, limit: int) -> list[StoredLine]: ...


class Keys(Protocol):
    """The API keys (shared.store.keys.ApiKeys)."""

    async def find(self, secret: str) -> ApiKey | None: ...


class Line(Protocol):
    """The queue (shared.store.queue.Queue)."""

    async def head(self, limit: int) -> list[QueueEntry]: ...

    async def figures(self) -> Figures: ...

    async def pending_of(self, user: UserId) -> int: ...


class Capacity(Protocol):
    """The slots (shared.store.slots.Slots)."""

    async def occupancy(self) -> Occupancy: ...

    async def taken(self) -> list[Slot]: ...


class Message(Protocol):
    """What was published: an event's subject and its body."""

    @property
    def subject(self) -> str: ...

    @property
    def data(self) -> bytes: ...


class Subscription(Protocol):
    """Something that is listened to until it is let go."""

    async def unsubscribe(self) -> None: ...


class Feed(Protocol):
    """Live events, without a promise (feed.BusFeed)."""

    async def follow(self, subject: str, heard: Callable[[Message], Awaitable[None]]) -> Subscription:
        """Hears what is published on `subject` from the moment this returns."""
        ...


class SyntaxCheck(Protocol):
    """Looks whether code is valid Python (syntax.SyntaxChecker)."""

    async def problem(self, code: str) -> str | None:
        """What is wrong with `code`; None where nothing is, or where that could not be told in time."""
        ...


Now = Callable[[], datetime]
