"""Contexts and results of tasks, as objects in S3."""

from __future__ import annotations

import json
from typing import Final

import structlog

from services.orchestrator.runtimes.ecs.task import EcsTask
from shared.aws.failures import AwsError
from shared.aws.objects import Objects

log = structlog.get_logger()

LARGEST_RESULT: Final = 8 << 20
"""Bytes; far above what the harness writes. One that is larger is cut, and then cannot be read."""

LARGEST_OUTPUTS: Final = 128 << 20
"""Bytes; above what the settings allow."""


class Results:
    """The objects of tasks."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def fetch(self, task: EcsTask) -> bytes | None:
        """What the harness handed in: a line of JSON; None where there is nothing (yet). Raises AwsError."""
        found = await self._objects.get(task.result_key, limit=LARGEST_RESULT)
        return None if found is None else found.partition(b"\n")[0]

    async def outputs(self, task: EcsTask) -> bytes | None:
        """What stands behind that line: the content of files. Raises AwsError."""
        found = await self._objects.get(task.result_key, limit=LARGEST_RESULT + LARGEST_OUTPUTS)
        return None if found is None else found.partition(b"\n")[2]

    async def remove(self, task: EcsTask) -> None:
        """Deletes both objects. What cannot be deleted now, the lifecycle rule of the bucket deletes in two days."""
        try:
            await self._objects.delete([task.context_key, task.result_key])
        except AwsError as error:
            log.warning("objects_not_deleted", test_id=task.test_id, error=str(error))


def is_answer(result: bytes) -> bool:
    """Whether this says that the agent has answered. What it is worth is for the orchestrator to judge."""
    try:
        return bool(json.loads(result).get("outcome") == "success")
    except (ValueError, AttributeError, RecursionError):
        return False
