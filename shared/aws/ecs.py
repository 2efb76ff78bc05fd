"""The operations of ECS that Assay needs, of one cluster: thin, typed, and with the limits of the API in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from shared.aws.connect import Aws
from shared.aws.failures import AwsError, Kind
from shared.aws.rates import Api

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import TaskTypeDef

MOST_DESCRIBED: Final = 100  # ECS: tasks a call, API reference DescribeTasks
_PARTS_WITH_CLUSTER: Final = 3
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

    async def look(self, arns: Sequence[str]) -> Looked:
        """These tasks, of one cluster and at most MOST_DESCRIBED (see `batches`)."""
        cluster = cluster_of(arns[0], self.cluster)
        answer = await self._aws.call(Api.DESCRIBE_TASKS, self._aws.ecs.describe_tasks, cluster=cluster, tasks=arns)
        return Looked(
            answer["tasks"],
            [failure.get("arn", "") for failure in answer.get("failures", []) if failure.get("reason") == "MISSING"],
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
                Api.STOP_TASK,
                self._aws.ecs.stop_task,
                cluster=cluster_of(arn, self.cluster),
                task=arn,
                reason=reason[:MOST_REASON],
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


def cluster_of(arn: str, default: str) -> str:
    """The cluster of a task: arn:aws:ecs:region:account:task/cluster/id. Settings may name another one by now."""
    parts = arn.rpartition(":")[2].split("/")
    return parts[1] if len(parts) == _PARTS_WITH_CLUSTER else default


def batches(arns: Sequence[str], default: str) -> list[list[str]]:
    """Parts of at most MOST_DESCRIBED, each of one cluster."""
    by_cluster: dict[str, list[str]] = {}
    for arn in arns:
        by_cluster.setdefault(cluster_of(arn, default), []).append(arn)
    return [
        some[start : start + MOST_DESCRIBED]
        for some in by_cluster.values()
        for start in range(0, len(some), MOST_DESCRIBED)
    ]
