"""Why ECS did not start a task, as a failure of the launch: pure functions; their test is a table of real answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.orchestrator.ports import LaunchFailed, LaunchUnsettled
from shared.aws.failures import AwsError, Kind
from shared.domain.failure import FailureCode

# What the answer says -> code, whether to wait and ask again, what the operator should do.
_WORDS: Final = (
    (
        "capacity is unavailable",
        FailureCode.CAPACITY_UNAVAILABLE,
        True,
        "Fargate has no room just now; more subnets in more availability zones (ASSAY_ECS_SUBNETS) help.",
    ),
    (
        "limit on the number of",
        FailureCode.CAPACITY_UNAVAILABLE,
        True,
        "The account's Fargate quota is used up: ask AWS for a higher one, or lower the capacity of the queue.",
    ),
    (
        "freeaddresses",
        FailureCode.CAPACITY_UNAVAILABLE,
        True,
        "A subnet has no free addresses: add larger ones to ASSAY_ECS_SUBNETS.",
    ),
    ("resource:", FailureCode.CAPACITY_UNAVAILABLE, True, "The cluster has no room for the task."),
    ("no container instances were found", FailureCode.CAPACITY_UNAVAILABLE, True, "The cluster has no room."),
    ("network interface", FailureCode.TASK_START_FAILED, True, "No network interface could be made for the task."),
    (
        "subnet",
        FailureCode.TASK_START_FAILED,
        False,
        "The operator should check ASSAY_ECS_SUBNETS: they must exist in the region, in one VPC.",
    ),
    (
        "security group",
        FailureCode.TASK_START_FAILED,
        False,
        "The operator should check ASSAY_ECS_SECURITY_GROUPS: they must be in the VPC of the subnets.",
    ),
    (
        "assume the role",
        FailureCode.CREDENTIALS_INVALID,
        False,
        "ecs-tasks.amazonaws.com must be allowed to assume ASSAY_ECS_EXECUTION_ROLE_ARN and ASSAY_ECS_TASK_ROLE_ARN.",
    ),
    (
        "role is not valid",
        FailureCode.CREDENTIALS_INVALID,
        False,
        "The operator should check ASSAY_ECS_EXECUTION_ROLE_ARN and ASSAY_ECS_TASK_ROLE_ARN.",
    ),
    (
        "capacity provider",
        FailureCode.TASK_START_FAILED,
        False,
        "The operator should add the capacity provider to the cluster, or set ASSAY_ECS_CAPACITY_PROVIDER=FARGATE.",
    ),
)
_KINDS: Final = {
    Kind.THROTTLED: (FailureCode.THROTTLED, True, "AWS takes no more calls just now."),
    Kind.UNAVAILABLE: (FailureCode.TASK_START_FAILED, True, "AWS did not answer."),
    Kind.CAPACITY: (FailureCode.CAPACITY_UNAVAILABLE, True, "AWS has no room just now."),
    Kind.CREDENTIALS: (
        FailureCode.CREDENTIALS_INVALID,
        False,
        "The operator should renew the AWS credentials of the orchestrator.",
    ),
    Kind.DENIED: (
        FailureCode.CREDENTIALS_INVALID,
        False,
        "The operator should allow this to the role of the orchestrator (docs/howto/run-on-ecs.md).",
    ),
    Kind.NOT_FOUND: (
        FailureCode.TASK_START_FAILED,
        False,
        "The operator should check ASSAY_ECS_CLUSTER, ASSAY_AWS_BUCKET and ASSAY_AWS_REGION.",
    ),
    Kind.CONFLICT: (FailureCode.TASK_START_FAILED, True, "Another launch has this token."),
    Kind.INVALID: (FailureCode.TASK_START_FAILED, False, "The operator should check the ecs settings."),
}

Refusal = LaunchFailed | LaunchUnsettled


def of_error(error: AwsError) -> Refusal:
    """What an error of a call on the way to the task means."""
    if error.kind in {Kind.INVALID, Kind.CAPACITY}:
        found = _by_words(error.message, str(error))
        if found is not None:
            return found
    code, again, advice = _KINDS[error.kind]
    return _refusal(code, again=again, message=f"{advice} AWS says: {error}")


def of_refusals(reasons: Sequence[str]) -> Refusal:
    """What `failures` of RunTask mean, where there is no task and no error."""
    said = "; ".join(reasons) or "no task and no reason"
    return _by_words(said, f"RunTask: {said}") or LaunchFailed(
        FailureCode.TASK_START_FAILED, f"ECS did not start the task. AWS says: {said}"
    )


def _by_words(text: str, said: str) -> Refusal | None:
    lowered = text.lower()
    for words, code, again, advice in _WORDS:
        if words in lowered:
            return _refusal(code, again=again, message=f"{advice} AWS says: {said}")
    return None


def _refusal(code: FailureCode, *, again: bool, message: str) -> Refusal:
    return LaunchUnsettled(code, message) if again else LaunchFailed(code, message)
