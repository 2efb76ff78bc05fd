"""Facts about deployment packages."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from shared.events.base import Event
from shared.ids import PackageId


class PackageEvent(Event):
    """A fact about one package of a test."""

    package_id: PackageId = Field(description="pkg_...")
    generation: int = Field(
        default=1, ge=1, description="counted from 1: one that expired or failed is made again when it is asked for"
    )

    def facets(self) -> tuple[object, ...]:
        return (self.package_id, self.generation)


class PackageRequested(PackageEvent):
    """Somebody asked for the deployment package of a completed test."""

    type: ClassVar[str] = "package.requested"
    told_by: ClassVar[str] = "gateway"


class PackageReady(PackageEvent):
    """The package can be downloaded."""

    type: ClassVar[str] = "package.ready"
    told_by: ClassVar[str] = "packager"
    size_bytes: int = Field(default=0, description="of the ZIP")
    sha256: str = Field(default="", description="of the ZIP")


class PackageFailed(PackageEvent):
    """The package could not be made."""

    type: ClassVar[str] = "package.failed"
    told_by: ClassVar[str] = "packager"
    message: str = Field(description="why, for people")


class PackageExpired(PackageEvent):
    """The package was removed after its time."""

    type: ClassVar[str] = "package.expired"
    told_by: ClassVar[str] = "packager"
