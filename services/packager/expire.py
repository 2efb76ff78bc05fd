"""Removes packages after their time and tells it. A lifecycle rule of the bucket removes what this has not."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Final

import structlog

from services.packager.metrics import EXPIRED
from services.packager.ports import Objects, OpenObjects, Packages
from shared.aws.kinds import AwsError
from shared.clock import Clock
from shared.events.packages import PackageExpired

log = structlog.get_logger()

PAGE: Final = 500
RULE: Final = "assay-packages"


class Expiry:
    """The end of packages."""

    def __init__(self, packages: Packages, objects: OpenObjects, clock: Clock) -> None:
        self._packages = packages
        self._objects = objects
        self._clock = clock

    async def sweep(self) -> None:
        """Removes every package whose time is over. Raises AwsError where the object store is away; then the packages
        wait for the next round, and count as expired already."""
        while over := await self._packages.over(self._clock.now(), PAGE):
            await self._remove([package.key for package in over if package.key])
            for package in over:
                # The object first: told before, a package that is made anew could lose its new object.
                event = PackageExpired(
                    test_id=package.test_id,
                    user_id=package.user_id,
                    at=self._clock.now(),
                    package_id=package.id,
                    generation=package.generation,
                )
                if await self._packages.expire(package, event):
                    EXPIRED.inc()
                    log.info("package_expired", package_id=package.id, test_id=package.test_id)
            if len(over) < PAGE:
                return

    async def _remove(self, keys: list[str]) -> None:
        try:
            await (await self._objects()).delete(keys)
        except AwsError as error:
            if error.kind.temporary:
                raise
            log.warning("packages_not_removed", objects=len(keys), error=str(error))  # the rule of the bucket does


async def ensure_rule(objects: Objects, folder: str, ttl: timedelta) -> None:
    """Lets S3 remove what lies below `folder` after the packages' time, in whole days. What may not be changed stays:
    then the operator's own rules hold."""
    try:
        changed = await objects.expire({folder: math.ceil(ttl / timedelta(days=1))}, name=RULE)
    except AwsError as error:
        log.warning("bucket_rule_not_set", folder=folder, error=str(error))
    else:
        log.info("bucket_rule_set" if changed else "bucket_rule_is_there", folder=folder)
