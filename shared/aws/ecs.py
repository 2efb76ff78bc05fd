"""The operations of ECS that Assay needs, of one cluster: thin, typed, and with the limits of the API in one place."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from shared.aws.connect import Aws
from shared.aws.failures import AwsError, Kind
from shared.aws.rates import Api

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import TaskTypeDef

MOST_DESCRIBED: Final = 100  # ECS: tasks a call, API reference DescribeTasks
MOST_LISTED: Final = 100  # ECS: ARNs a page, API reference ListTasks
MOST_REASON: Final = 255  # ECS: characters of a stop reason that the console shows


class Started(NamedTuple):
    """What RunTask answers: the task, or why there is none."""

    task: TaskTypeDef | None
    refusals: Sequence[str]


class Looked(NamedTuple):
    """What DescribeTasks answers."""

    tasks: Sequence[TaskTypeDef]
    missing: Sequence[str]
    """ARNs that ECS does not know: not yet, not any more, or never."""


class Page(NamedTuple):
    """Some ARNs, and where the next ones are."""

    arns: Sequence[str]
    next_token: str


class Ecs:
    """One cluster. All methods raise AwsError."""

    def __init__(self, aws: Aws, cluster: str) -> None:
        self._aws = aws
        self.cluster = cluster

    async def check(self) -> None:
        """Raises AwsError where there is no such cluster that takes tasks."""
        answer = await self._aws.call(Api.DESCRIBE_CLUSTERS, self._aws.ecs.describe_clusters, clusters=[self.cluster])
        found = answer.get("clusters", [])
        if not found or found[0].get("status") != "ACTIVE":
            state = found[0].get("status", "unknown") if found else "missing"
            raise AwsError(
                Kind.NOT_FOUND,
                Api.DESCRIBE_CLUSTERS.operation,
                "ClusterNotFoundException",
                f"the cluster {self.cluster} is {state} in {self._aws.region}",
            )

    async def run(self, **order: Any) -> Started:
        """Starts one task. Harmless when repeated with the same token and parameters."""
        answer = await self._aws.call(Api.RUN_TASK, self._aws.ecs.run_task, cluster=self.cluster, count=1, **order)
        tasks = answer.get("tasks", [])
        refusals = [
            ": ".join(filter(None, (failure.get("reason"), failure.get("detail"))))
            for failure in answer.get("failures", [])
        ]
        return Started(tasks[0] if tasks else None, refusals)

    async def look(self, arns: Sequence[str], *, tags: bool = False) -> Looked:
        """These tasks, in one call for each hundred of them, all at once."""
        include: list[Literal["TAGS"]] = ["TAGS"] if tags else []
        answers = await asyncio.gather(
            *(
                self._aws.call(
                    Api.DESCRIBE_TASKS,
                    self._aws.ecs.describe_tasks,
                    cluster=self.cluster,
                    tasks=arns[start : start + MOST_DESCRIBED],
                    include=include,
                )
                for start in range(0, len(arns), MOST_DESCRIBED)
            )
        )
        return Looked(
            [task for answer in answers for task in answer["tasks"]],
            [
                failure.get("arn", "")
                for answer in answers
                for failure in answer.get("failures", [])
                if failure.get("reason") == "MISSING"
            ],
        )

    async def started_by(self, who: str) -> Sequence[str]:
        """The tasks that were started by `who` and are not to stop. (ECS: no other filter may stand beside it.)"""
        answer = await self._aws.call(Api.LIST_TASKS, self._aws.ecs.list_tasks, cluster=self.cluster, startedBy=who)
        return answer["taskArns"]

    async def stopped_of_family(self, family: str, page: str = "") -> Page:
        """Tasks of a task definition that have stopped, or are to; ECS remembers them for about an hour."""
        more: dict[str, Any] = {"nextToken": page} if page else {}
        answer = await self._aws.call(
            Api.LIST_TASKS,
            self._aws.ecs.list_tasks,
            cluster=self.cluster,
            family=family,
            desiredStatus="STOPPED",
            maxResults=MOST_LISTED,
            **more,
        )
        return Page(answer["taskArns"], answer.get("nextToken", ""))

    async def running(self, page: str = "") -> Page:
        """All tasks of the cluster that are not to stop, whoever started them."""
        more: dict[str, Any] = {"nextToken": page} if page else {}
        answer = await self._aws.call(
            Api.LIST_TASKS, self._aws.ecs.list_tasks, cluster=self.cluster, maxResults=MOST_LISTED, **more
        )
        return Page(answer["taskArns"], answer.get("nextToken", ""))

    async def stop(self, arn: str, *, reason: str) -> bool:
        """Tells a task to stop; False where ECS knows no such task (any more)."""
        try:
            await self._aws.call(
                Api.STOP_TASK, self._aws.ecs.stop_task, cluster=self.cluster, task=arn, reason=reason[:MOST_REASON]
            )
        except AwsError as error:
            if "task was not found" in error.message.lower():
                return False
            raise
        return True

    async def has_definition(self, family: str) -> bool:
        """Whether a task definition of this family can be run."""
        try:
            answer = await self._aws.call(
                Api.DESCRIBE_TASK_DEFINITION, self._aws.ecs.describe_task_definition, taskDefinition=family
            )
        except AwsError as error:
            if error.kind in {Kind.INVALID, Kind.NOT_FOUND} and "unable to describe" in error.message.lower():
                return False
            raise
        return answer["taskDefinition"].get("status", "ACTIVE") == "ACTIVE"

    async def register(self, definition: Mapping[str, Any]) -> None:
        """Registers a task definition: one more revision of its family."""
        await self._aws.call(Api.REGISTER_TASK_DEFINITION, self._aws.ecs.register_task_definition, **definition)
