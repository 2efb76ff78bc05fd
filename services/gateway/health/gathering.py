"""GetSystemHealth: everything is asked at once, and what does not answer in time is left out.

Owns the time that an answer takes; what follows from the reports is judgement.py's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

import structlog

from assay.v1 import admin_service_pb2 as pb
from services.gateway.health.cloud import CloudSight
from services.gateway.health.judgement import dependency, overall, replicas
from services.gateway.health.roster import Roster
from services.gateway.ports import QueueStatuses, RecentUsage, StoredPackages
from services.gateway.translate import timestamp
from shared.clock import Clock
from shared.errors import Unavailable
from shared.ids import UserId
from shared.telemetry.health import Check, Looked, look
from shared.telemetry.notes import told

log = structlog.get_logger()
Answer = TypeVar("Answer")

LIMIT_S: Final = 0.7
"""How long each part may take: the whole answers within 1 s."""
ASKED: Final = pb.HealthCheck(name="aws", detail="is being asked for the first time")
"""Of AWS as long as nothing is known."""


class SystemHealth:
    """GetSystemHealth."""

    def __init__(
        self,
        roster: Roster,
        clock: Clock,
        *,
        ask: Callable[[], Awaitable[None]],
        dependencies: Mapping[str, Check],
        cloud: CloudSight,
        queue: QueueStatuses,
        letters: Callable[[], Awaitable[int]],
        packages: StoredPackages,
        usage: RecentUsage,
        bucket: str,
    ) -> None:
        self._roster = roster
        self._clock = clock
        self._ask = ask
        self._dependencies = dependencies
        self._cloud = cloud
        self._queue = queue
        self._letters = letters
        self._packages = packages
        self._usage = usage
        self._bucket = bucket

    async def gather(self, user: UserId) -> pb.GetSystemHealthResponse:
        """How everything is. Raises nothing on account of what is down."""
        _, checks, queue, letters, storage, usage = await asyncio.gather(
            self._hear(),
            self._look(),
            _in_time("queue", self._queue.status(user)),
            _in_time("dead_letters", self._letters()),
            _in_time("storage", self._storage()),
            _in_time("last_hour", self._usage.last_hour()),
        )
        now = self._clock.now()
        services = replicas(self._roster.everybody(), now)
        return pb.GetSystemHealthResponse(
            state=overall(services, checks),
            services=services,
            queue=queue,
            dead_letter_count=letters,
            dependencies=checks,
            storage=storage,
            last_hour=usage,
            time=timestamp(now),
        )

    async def _hear(self) -> None:
        """Replicas that have not reported just now are asked to, and have a moment to answer."""
        if self._roster.complete():
            return
        try:
            async with asyncio.timeout(LIMIT_S):
                await self._ask()
                await self._roster.when_complete()
        except (TimeoutError, Unavailable):
            return  # who did not answer is judged by what was heard before; where NATS is away, its check says so

    async def _look(self) -> list[pb.HealthCheck]:
        looks = asyncio.gather(*(look(name, check, LIMIT_S) for name, check in self._dependencies.items()))
        if not self._cloud.used:
            return [_dependency(one) for one in await looks]
        found, cloud = await asyncio.gather(looks, self._cloud.look(LIMIT_S))
        return [*(_dependency(one) for one in found), _dependency(cloud) if cloud else ASKED]

    async def _storage(self) -> pb.StorageUse:
        kept = await self._packages.kept()
        group = self._cloud.group
        return pb.StorageUse(
            bucket=self._bucket,
            package_count=kept.packages,
            package_bytes=kept.size,
            log_group=group.name,
            log_group_bytes=group.size,
        )


def _dependency(looked: Looked) -> pb.HealthCheck:
    return dependency(looked._replace(problem=told(looked.problem)))


async def _in_time(part: str, work: Awaitable[Answer]) -> Answer | None:
    """What `work` gives; None where it does not within LIMIT_S."""
    try:
        async with asyncio.timeout(LIMIT_S):
            return await work
    except Exception as error:  # noqa: BLE001 - health is asked for when things are down: the rest is told all the same
        log.info("health_not_whole", part=part, error=told(repr(error)))
        return None
