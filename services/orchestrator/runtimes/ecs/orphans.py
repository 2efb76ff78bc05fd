"""Tasks of ours that no test owns any more: found by what they were started by, judged by the store, stopped.

A task is an orphan only where the store knows its test and says that this attempt of it is not under way, in two
sweeps one after the other. So a task that was just launched is none (its intent is stored before), and neither is one
of another installation in the same cluster (its tests are not in our store).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import structlog

from services.orchestrator.ports import Alive
from services.orchestrator.runtimes.ecs.options import EcsOptions
from services.orchestrator.runtimes.ecs.sighting import OURS
from services.orchestrator.runtimes.ecs.stops import Stops
from services.orchestrator.runtimes.ecs.task import EcsTask, Owner, owner_of
from shared.aws.ecs import Ecs, batches
from shared.clock import Clock
from shared.ids import TestId

log = structlog.get_logger()

MIN_AGE: Final = timedelta(seconds=60)
PAGES: Final = 10
"""Of ListTasks in one sweep: a thousand tasks; the next sweep goes on behind them."""
ORPHANED: Final = f"{OURS}no test owns the task"


class Found(NamedTuple):
    """A task of this installation."""

    arn: str
    owner: Owner
    created: datetime


class Orphans:
    """Sweeps one cluster."""

    def __init__(self, ecs: Ecs, stops: Stops, options: EcsOptions, clock: Clock) -> None:
        self._ecs = ecs
        self._stops = stops
        self._options = options
        self._clock = clock
        self._page = ""
        self._ours: dict[str, Found] = {}
        self._foreign: set[str] = set()
        self._suspects: set[str] = set()

    async def sweep(self, alive: Alive) -> list[str]:
        """One sweep; the tasks that are to stop. A task is described once in its life: one call for each hundred tasks
        in the cluster, and one for each hundred new ones. Raises AwsError."""
        arns, whole = await self._list()
        new = [arn for arn in arns if arn not in self._ours and arn not in self._foreign]
        for part in batches(new, self._ecs.cluster):
            for task in (await self._ecs.look(part)).tasks:
                found = of_ours(task, self._options.group)
                if found is not None:
                    self._ours[found.arn] = found
                else:
                    self._foreign.add(task.get("taskArn", ""))
        here = [self._ours[arn] for arn in arns if arn in self._ours]
        under_way = await alive({found.owner.test_id for found in here}) if here else {}
        suspects = {found.arn for found in orphans(here, under_way, self._clock.now())}
        certain = suspects & self._suspects
        for arn in certain:
            owner = self._ours[arn].owner
            log.warning("orphan_found", test_id=owner.test_id, attempt=owner.attempt, task=arn)
            self._stops.add(self._task(self._ours[arn]), ORPHANED)
        if whole:
            self._suspects = suspects
            self._ours = {arn: self._ours[arn] for arn in arns if arn in self._ours}
            self._foreign &= set(arns)
        else:
            self._suspects |= suspects
        return sorted(certain)

    async def _list(self) -> tuple[list[str], bool]:
        """Running tasks, and whether these are all."""
        arns: list[str] = []
        from_start = not self._page
        for _ in range(PAGES):
            page = await self._ecs.running(self._page)
            arns += page.arns
            self._page = page.next_token
            if not self._page:
                return arns, from_start
        return arns, False

    def _task(self, found: Found) -> EcsTask:
        return EcsTask(
            token="",
            test_id=found.owner.test_id,
            attempt=found.owner.attempt,
            cluster=self._options.cluster,
            context_key="",
            result_key="",
            since=found.created,
            arn=found.arn,
        )


def of_ours(task: Mapping[str, Any], group: str) -> Found | None:
    """The task as one of this installation; None where it is somebody else's."""
    owner = owner_of(str(task.get("startedBy", "")))
    created = task.get("createdAt")
    if owner is None or task.get("group") != group or created is None:
        return None
    return Found(str(task["taskArn"]), owner, created)


def orphans(found: Sequence[Found], under_way: Mapping[TestId, int], now: datetime) -> list[Found]:
    """Those whose test the store knows, and in which another attempt is under way, or none (0); but no young ones."""
    return [
        one
        for one in found
        if one.owner.test_id in under_way
        and under_way[one.owner.test_id] != one.owner.attempt
        and now - one.created >= MIN_AGE
    ]
