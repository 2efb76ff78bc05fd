"""Facts about deployment packages."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from shared.events.base import Event


class PackageRequested(Event):
    """Somebody asked for the deployment package of a completed test."""

    type: ClassVar[str] = "package.requested"
    told_by: ClassVar[str] = "gateway"
    package_id: str = Field(description="pkg_...")

    def facets(self) -> tuple[object, ...]:
        return (self.package_id,)


class PackageReady(Event):
    """The package can be downloaded."""

    type: ClassVar[str] = "package.ready"
    told_by: ClassVar[str] = "packager"
    package_id: str = Field(description="pkg_...")

    def facets(self) -> tuple[object, ...]:
        return (self.package_id,)


class PackageFailed(Event):
    """The package could not be made."""

    type: ClassVar[str] = "package.failed"
    told_by: ClassVar[str] = "packager"
    package_id: str = Field(description="pkg_...")

    def facets(self) -> tuple[object, ...]:
        return (self.package_id,)

    message: str = Field(description="why, for people")


class PackageExpired(Event):
    """The package was removed after its time."""

    type: ClassVar[str] = "package.expired"
    told_by: ClassVar[str] = "packager"
    package_id: str = Field(description="pkg_...")

    def facets(self) -> tuple[object, ...]:
        return (self.package_id,)
