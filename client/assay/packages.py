"""A deployment package as the SDK gives it: frozen values, made from the API's messages by package_messages.py."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypedDict

from assay.outcome import Failure
from assay.plain import plain


class PackageState(StrEnum):
    """Where a package stands."""

    UNKNOWN = "UNKNOWN"  # a state that this version of the SDK does not know
    GENERATING = "GENERATING"
    READY = "READY"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


class GenerateOptions(TypedDict, total=False):
    """What may be said about a package. All of it has a default on the server.

    service_name: `[a-z][a-z0-9-]{0,62}`; else made from the agent's name.
    port: on which the container answers queries. load_balancer: put one in front of the service.
    vpc_id: deploy into this VPC instead of a new one.
    request_id: one package per id; saying the same twice is harmless without one, too.
    """

    service_name: str
    port: int
    load_balancer: bool
    vpc_id: str
    request_id: str


class PackageListOptions(TypedDict, total=False):
    """Which packages. Conditions are joined by "and". Without `states`: all but the expired ones."""

    test_id: str
    agent_id: str
    states: Iterable[PackageState | str]
    page_size: int
    page_token: str


@dataclass(frozen=True, slots=True)
class PackageSettings:
    """What a package was made with."""

    service_name: str
    port: int
    load_balancer: bool
    vpc_id: str


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A file in the ZIP. `size` in bytes, unpacked."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class DownloadLink:
    """Whoever has the address can download until `expires`."""

    url: str
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class Package:
    """A deployment package. `size` and `sha256` are those of the ZIP; `link` is there when it is READY and was asked
    for by itself (not in a list)."""

    id: str
    test_id: str
    agent_id: str
    user_id: str
    state: PackageState
    options: PackageSettings
    size: int
    sha256: str
    files: tuple[PackageFile, ...]
    created: datetime | None
    ready: datetime | None
    expires: datetime | None
    downloads: int
    failure: Failure | None
    link: DownloadLink | None = None

    @property
    def filename(self) -> str:
        """What the ZIP is called where it is saved."""
        return f"{self.options.service_name or 'package'}-{self.id[-8:]}.zip"

    def raise_for_failure(self) -> Package:
        """The package itself, unless it could not be made. Raises PackageFailed."""
        if self.state is PackageState.FAILED:
            from assay.errors import PackageFailed

            raise PackageFailed(self)
        return self

    def to_dict(self) -> dict[str, Any]:
        """For JSON: times as ISO 8601 in UTC."""
        value: dict[str, Any] = plain(self)
        return value


@dataclass(frozen=True, slots=True)
class PackagePage:
    """One page of a list. `next_page_token` is empty on the last one."""

    packages: tuple[Package, ...]
    next_page_token: str
