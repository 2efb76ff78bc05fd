"""What the gateway needs of the store and the bus, as small as it needs it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from assay.v1 import admin_service_pb2, queue_service_pb2
from shared.bus import dead
from shared.domain.files import Listed
from shared.domain.lifecycle import State
from shared.domain.limits import Limits
from shared.domain.packages import PackageState
from shared.domain.usage import Kind
from shared.events.base import Event
from shared.ids import PackageId, TestId, UserId
from shared.store.admissions import RateWindow
from shared.store.audit import Audited, AuditEntry, AuditOutcome
from shared.store.counters import AgentPlace, AgentSums, Costs, Counter, Grouping
from shared.store.documents import (
    ApiKey,
    ArchiveRef,
    Chunk,
    Execution,
    QueueEntry,
    Slot,
    StoredLine,
)
from shared.store.executions import Brief, Move, Submitted
from shared.store.history import Found
from shared.store.keys import Revoked
from shared.store.limits import UserLimits
from shared.store.listing import Order, Place, Wanted
from shared.store.logs import RawLine
from shared.store.package_documents import Package, PackageClaim
from shared.store.packages import Kept, Requested
from shared.store.queue import Figures, Spell, Standing
from shared.store.runs import Run
from shared.store.slots import Pool


class Tests(Protocol):
    """The tests (shared.store.executions.Executions)."""

    async def submit(self, execution: Execution, telling: Event) -> Submitted: ...

    async def move(self, move: Move) -> bool: ...

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

    async def get_many(self, tests: Iterable[TestId], *, whole: bool = False) -> dict[TestId, Execution]: ...

    async def briefs(self, tests: Iterable[TestId]) -> dict[TestId, Brief]: ...

    async def of_request(self, user: UserId, request_key: str) -> Execution | None: ...

    async def last_retry(self, original: TestId) -> int: ...

    async def chain(self, original: TestId, *, whole: bool = False) -> list[Execution]: ...


class StoredFiles(Protocol):
    """The files that were handed in (shared.store.projects.Projects)."""

    async def put(
        self, user: UserId, digest: str, files: Sequence[Listed], data: bytes, *, now: datetime, expires_at: datetime
    ) -> None: ...

    async def use(self, user: UserId, digest: str, expires_at: datetime) -> ArchiveRef | None: ...

    async def listed(self, user: UserId, digest: str) -> ArchiveRef | None: ...

    async def read(self, user: UserId, digest: str) -> bytes | None: ...

    async def used(self, user: UserId) -> int: ...


class LeftFiles(Protocol):
    """What agents left (shared.store.artifacts.Artifacts)."""

    def read(self, test: TestId, attempt: int, within: range) -> AsyncIterator[bytes]: ...


class Past(Protocol):
    """The tests as they are looked for (shared.store.history.History)."""

    async def page(
        self, wanted: Wanted, order: Order, after: Place | None, limit: int, *, whole: bool = False
    ) -> Found: ...

    async def count(self, wanted: Wanted, limit: int | None = None) -> int: ...


class Sums(Protocol):
    """The counters of usage and cost (shared.store.counters.Counters)."""

    async def steps(self, kind: Kind, user: str, since: datetime, before: datetime) -> list[Counter]: ...

    async def costs(
        self, by: Grouping, user: str | None, since: datetime, before: datetime, *, label: str = "", most: int
    ) -> Costs: ...

    async def agent(self, user: str, agent_id: str, test: TestId | None = None) -> AgentSums: ...

    async def agents(self, user: UserId | None, after: AgentPlace | None, limit: int) -> list[Counter]: ...

    async def totals(self, user: UserId | None) -> dict[State, int]: ...


class AgentRuns(Protocol):
    """How the tests of agents ended (shared.store.runs.Runs)."""

    async def newest(self, user: UserId, agent_id: str, limit: int) -> list[Run]: ...

    async def last_failure(self, user: UserId, agent_id: str) -> Run | None: ...


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


class StoredPackages(Protocol):
    """How much the packages are (shared.store.packages.Packages)."""

    async def kept(self) -> Kept: ...


class Lines(Protocol):
    """The stored output (shared.store.logs.LogChunks)."""

    async def last(self, test: TestId, *, within: range) -> Chunk | None: ...

    async def read(self, test: TestId, *, from_seq: int, limit: int) -> list[StoredLine]: ...

    async def holes(self, test: TestId, *, within: range, most: int) -> list[tuple[int, int]]: ...

    def scan(self, test: TestId, *, from_seq: int) -> AsyncGenerator[list[RawLine]]: ...


class Keys(Protocol):
    """The API keys (shared.store.keys.ApiKeys)."""

    async def find(self, secret: str) -> ApiKey | None: ...

    async def used(self, key: ApiKey, at: datetime) -> None: ...


class KeyRing(Protocol):
    """The API keys (shared.store.keys.ApiKeys), for who makes and ends them."""

    async def get(self, key_id: str) -> ApiKey | None: ...

    async def add(
        self, secret: str, *, user: UserId, role: str, now: datetime, expires_at: datetime | None, name: str
    ) -> ApiKey: ...

    async def page(
        self, *, user: UserId | None, ended: bool, now: datetime, before: str | None, limit: int
    ) -> list[ApiKey]: ...

    async def revoke(self, key_id: str, now: datetime) -> Revoked | None: ...

    async def revoke_all(self, user: UserId, now: datetime) -> Revoked | None: ...


class AuditStore(Protocol):
    """The audit log (shared.store.audit.AuditLog)."""

    async def attempt(self, entry: AuditEntry, telling: Event, traceparent: str = "") -> None: ...

    async def conclude(
        self, entry: AuditEntry, outcome: AuditOutcome, telling: Event, traceparent: str = ""
    ) -> None: ...

    async def page(
        self,
        *,
        user: UserId | None = None,
        owner: UserId | None = None,
        action: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        before: str | None = None,
        limit: int,
    ) -> list[Audited]: ...


class Line(Protocol):
    """The queue (shared.store.queue.Queue)."""

    async def head(self, limit: int) -> list[QueueEntry]: ...

    async def figures(self, now: datetime) -> Figures: ...

    async def recent_holds(self) -> list[Spell]: ...

    async def pending_of(self, user: UserId) -> int: ...


class QueueOrder(Protocol):
    """The queue (shared.store.queue.Queue), test by test."""

    async def behind(self, place: Standing | None, limit: int) -> list[QueueEntry]: ...

    async def ahead(self, place: Standing) -> int: ...

    async def recent_holds(self) -> list[Spell]: ...


class SlotPool(Protocol):
    """How many slots there are meant to be (shared.store.slots.Slots)."""

    async def pool(self) -> Pool: ...


class HeldSlots(SlotPool, Protocol):
    """The slots that are in use (shared.store.slots.Slots)."""

    async def held_by(self, user: UserId) -> int: ...

    async def held_longest(self, limit: int) -> list[Slot]: ...


class Capacity(SlotPool, Protocol):
    """The slots (shared.store.slots.Slots)."""

    async def holders(self) -> Mapping[UserId, int]: ...

    async def resize(self, capacity: int) -> None: ...

    async def pause(self, at: datetime, by: str, reason: str) -> None: ...

    async def resume(self) -> None: ...


class Users(Protocol):
    """The users with limits of their own (shared.store.limits.UserLimitsStore)."""

    async def get(self, user: UserId) -> UserLimits: ...

    async def change(self, user: UserId, changes: Mapping[str, Any]) -> UserLimits: ...

    async def default_max_running(self) -> int: ...


class Windows(Protocol):
    """What users have handed in lately (shared.store.admissions.Admissions)."""

    async def enter(self, user: UserId, test: TestId, now: datetime, limits: Limits) -> RateWindow | None: ...

    async def window(self, user: UserId) -> RateWindow: ...

    async def leave(self, user: UserId, test: TestId) -> None: ...

    async def recall(self, user: UserId, now: datetime) -> None: ...


class Message(Protocol):
    """What was published: an event's subject and its body."""

    @property
    def subject(self) -> str: ...

    @property
    def data(self) -> bytes: ...


class Subscription(Protocol):
    """Something that is listened to until it is let go."""

    async def unsubscribe(self) -> None: ...


class Letters(Protocol):
    """The dead letters (shared.bus.dead.DeadLetters)."""

    async def count(self) -> int: ...

    async def page(self, below: int | None, limit: int, *, service: str = "") -> dead.Page: ...

    async def one(self, sequence: int) -> dead.DeadLetter | None: ...

    async def replay(self, letter: dead.DeadLetter) -> None: ...

    async def replay_all(self) -> dead.Replayed: ...

    async def when_replayed(self, count: Callable[[], None]) -> None: ...


class Cloud(Protocol):
    """AWS, as far as it is looked at (health.reach.OpeningCloud). Its calls raise AwsError."""

    @property
    def used(self) -> bool:
        """Whether there is an AWS to look at."""
        ...

    @property
    def log_group(self) -> str:
        """Name of the log group that tasks may write to."""
        ...

    async def check(self) -> None: ...

    async def log_group_bytes(self) -> int | None:
        """How much lies in the log group; None where there is no such group."""
        ...


class QueueStatuses(Protocol):
    """How the queue stands (queue.status.QueueStatus)."""

    async def status(self, user: UserId) -> queue_service_pb2.QueueStatus: ...


class RecentUsage(Protocol):
    """What happened lately (admin.usage.UsageReport)."""

    async def last_hour(self) -> admin_service_pb2.UsageFigures: ...


class Feed(Protocol):
    """Live events, without a promise (feed.BusFeed)."""

    async def follow(self, subject: str, heard: Callable[[Message], Awaitable[None]]) -> Subscription:
        """Hears what is published on `subject` from the moment this returns."""
        ...

    def when_reconnected(self, told: Callable[[], None]) -> None:
        """Calls `told` whenever the connection is there again: what was published meanwhile was not heard."""
        ...


Now = Callable[[], datetime]
