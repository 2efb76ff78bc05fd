"""The packages' bucket, opened when it is first needed; its rule is set then."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from services.packager.expire import ensure_rule
from services.packager.ports import Objects
from shared.aws.kinds import AwsError, Kind
from shared.aws.opening import Opening


class Bucket:
    """Opens once; where that fails, whoever asks next tries again."""

    def __init__(self, opening: Opening, *, folder: str, ttl: timedelta) -> None:
        self._opening = opening
        self._folder = folder
        self._ttl = ttl
        self._lock = asyncio.Lock()
        self._objects: Objects | None = None

    async def open(self) -> Objects:
        """Raises AwsError."""
        async with self._lock:
            if self._objects is None:
                objects = await self._opening.objects()
                if not objects.bucket:
                    raise AwsError(Kind.INVALID, "configuration", "", "there is no bucket (ASSAY_AWS_BUCKET)")
                await ensure_rule(objects, self._folder, self._ttl)
                self._objects = objects
            return self._objects
