"""What the packager needs of the store and of the object store, as small as it needs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar

from shared.events.base import Event
from shared.ids import PackageId, TestId, UserId
from shared.store.documents import Document, Execution
from shared.store.package_documents import Package, PackageClaim, PackageFile
from shared.store.packages import Made

Answer = TypeVar("Answer")


class Packages(Protocol):
    """The packages (shared.store.packages.Packages)."""

    async def claim(
        self, package: PackageId, claim: PackageClaim, now: datetime, *, died: bool = True
    ) -> Package | None: ...

    async def prolong(self, packages: Iterable[PackageId], owner: str, until: datetime) -> None: ...

    async def postpone(self, package: Package, until: datetime) -> None: ...

    async def ready(self, package: Package, made: Made, telling: Event) -> bool: ...

    async def failed(self, package: Package, failure: Document, telling: Event) -> bool: ...

    async def unmade(self, now: datetime, limit: int) -> list[PackageId]: ...

    async def claimed_by(self, owner: str, limit: int) -> list[PackageId]: ...

    async def over(self, now: datetime, limit: int) -> list[Package]: ...

    async def expire(self, package: Package, telling: Event) -> bool: ...


class Tests(Protocol):
    """The tests (shared.store.executions.Executions)."""

    async def get(self, test_id: TestId) -> Execution | None: ...

    async def change(
        self,
        test_id: TestId,
        *,
        where: Mapping[str, Any],
        set: Mapping[str, Any],  # noqa: A002 - the name of the operator
        brief: bool = False,
        durable: bool = True,
    ) -> Execution | None: ...


class StoredFiles(Protocol):
    """The files that users handed in (shared.store.projects.Projects)."""

    async def read(self, user: UserId, digest: str) -> bytes | None: ...


class Sink(Protocol):
    """What a ZIP is written to."""

    def write(self, data: bytes, /) -> object: ...


class Objects(Protocol):
    """The bucket (shared.aws.objects.Objects)."""

    @property
    def bucket(self) -> str: ...

    async def upload(self, key: str, write: Callable[[Sink], Answer], *, content_type: str) -> Answer: ...

    async def delete(self, keys: Sequence[str]) -> None: ...

    async def expire(self, days_of_prefix: Mapping[str, int], *, name: str) -> bool: ...


OpenObjects = Callable[[], Awaitable[Objects]]
"""The bucket, opened when it is first needed. Raises AwsError."""


@dataclass(frozen=True, slots=True)
class Pressed:
    """What came of writing a package."""

    size: int
    sha256: str
    content_hash: str
    service_name: str
    files: Sequence[PackageFile]


class HandedIn(NamedTuple):
    """The files that were handed in with a test, by path."""

    project: Mapping[str, bytes] = {}
    inputs: Mapping[str, bytes] = {}


Press = Callable[[Execution, Package, Sink, HandedIn], Pressed]
"""Writes a test's package. Called in a thread; the same test and options give the same bytes."""
