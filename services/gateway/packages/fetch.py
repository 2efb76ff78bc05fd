"""Finds a package for a caller. Another user's package is as good as none."""

from __future__ import annotations

from services.gateway.caller import Caller, touch
from services.gateway.errors import InvalidRequest, NoSuchPackage, Violation
from services.gateway.ports import Packages
from shared.ids import PACKAGE_ID, PackageId
from shared.store.package_documents import Package


async def fetch_package(packages: Packages, caller: Caller, package_id: str) -> Package:
    """The package. Raises InvalidRequest for an empty id, NoSuchPackage for one that names none of the caller's."""
    if not package_id:
        raise InvalidRequest([Violation("package_id", "is empty")])
    package = await packages.get(PackageId(package_id)) if PACKAGE_ID.fullmatch(package_id) else None
    if package is None or caller.scope not in {None, package.user_id}:
        raise NoSuchPackage(package_id)
    await touch("package", package.id, package.user_id)
    return package
