"""How ECS says that a task ended, in the words it uses, and what that means."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from services.orchestrator.ports import Phase
from services.orchestrator.runtimes.ecs.sighting import NOT_STARTED, UNWANTED, seen


class Case(NamedTuple):
    name: str
    code: str
    reason: str
    cause: str | None
    container: dict[str, Any] | None = None


ESSENTIAL = "Essential container in task exited"
RETRIED = "service call has been retried 3 time(s)"
ECR = "ref pull has been retried 1 time(s): failed to copy: httpReadSeeker: failed open: failed to do request: Get"
CASES = [
    # -- the container ended
    Case("exit-0", "EssentialContainerExited", ESSENTIAL, None, {"exitCode": 0}),
    Case("exit-1", "EssentialContainerExited", ESSENTIAL, None, {"exitCode": 1}),
    Case("killed-137", "EssentialContainerExited", ESSENTIAL, None, {"exitCode": 137}),
    Case("terminated-143", "EssentialContainerExited", ESSENTIAL, None, {"exitCode": 143}),
    Case("segfault-139", "EssentialContainerExited", ESSENTIAL, None, {"exitCode": 139}),
    Case(
        "out-of-memory",
        "EssentialContainerExited",
        ESSENTIAL,
        "OUT_OF_MEMORY",
        {"exitCode": 137, "reason": "OutOfMemoryError: Container killed due to memory usage"},
    ),
    Case(
        "out-of-memory-short",
        "EssentialContainerExited",
        "OutOfMemory: Container killed due to memory usage",
        "OUT_OF_MEMORY",
        {"exitCode": 137},
    ),
    # -- somebody stopped it
    Case("stopped-by-us", "UserInitiated", UNWANTED, None, {"exitCode": 143}),
    Case("stopped-by-us-as-it-did-not-start", "UserInitiated", f"{NOT_STARTED}: 600 s", "TASK_START_TIMEOUT"),
    Case("stopped-in-the-console", "UserInitiated", "Task stopped by user", "TASK_LOST", {"exitCode": 143}),
    Case("stopped-without-a-word", "UserInitiated", "", "TASK_LOST", {"exitCode": 143}),
    Case(
        "stopped-by-a-deployment",
        "ServiceSchedulerInitiated",
        "Scaling activity initiated by (deployment ecs-svc/0123456789012345678)",
        "TASK_LOST",
        {"exitCode": 143},
    ),
    # -- the machine went away
    Case("spot", "SpotInterruption", "Your Spot Task was interrupted.", "SPOT_INTERRUPTED", {"exitCode": 143}),
    Case("spot-without-code", "", "Your Spot Task was interrupted.", "SPOT_INTERRUPTED", {"exitCode": 137}),
    Case("spot-notice", "TerminationNotice", "", "TASK_LOST"),
    Case(
        "host-retirement",
        "InfrastructureHealth",
        "ECS is performing maintenance on the underlying infrastructure hosting the task.",
        "TASK_LOST",
        {"exitCode": 143},
    ),
    # -- no room
    Case(
        "no-capacity",
        "TaskFailedToStart",
        "Capacity is unavailable at this time. Please try again later or in a different availability zone",
        "CAPACITY_UNAVAILABLE",
    ),
    Case(
        "no-addresses",
        "TaskFailedToStart",
        "Unexpected EC2 error while attempting to Create Network Interface with public IP assignment enabled in "
        "subnet 'subnet-1': InsufficientFreeAddressesInSubnet",
        "CAPACITY_UNAVAILABLE",
    ),
    # -- the network or the disk was not there in time
    Case(
        "network-interface",
        "TaskFailedToStart",
        "Timeout waiting for network interface provisioning to complete.",
        "TASK_START_FAILED",
    ),
    Case(
        "ephemeral-storage",
        "TaskFailedToStart",
        "Timeout waiting for EphemeralStorage provisioning to complete.",
        "TASK_START_FAILED",
    ),
    Case("failed-and-says-nothing", "TaskFailedToStart", "Task failed to start", "TASK_START_FAILED"),
    # -- the image
    Case(
        "image-not-found",
        "TaskFailedToStart",
        "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref "
        "123456789012.dkr.ecr.eu-central-1.amazonaws.com/assay:no: not found",
        "IMAGE_PULL_FAILED",
    ),
    Case(
        "image-denied",
        "TaskFailedToStart",
        "CannotPullContainerError: Error response from daemon: pull access denied for assay, repository does not exist "
        "or may require 'docker login'",
        "IMAGE_PULL_FAILED",
    ),
    Case(
        "image-without-manifest",
        "TaskFailedToStart",
        "ResourceInitializationError: failed to pull image: manifest unknown: manifest unknown",
        "IMAGE_PULL_FAILED",
    ),
    Case(
        "image-without-that-tag",
        "TaskFailedToStart",
        "ResourceInitializationError: manifest for assay-runner:no not found: manifest unknown",
        "IMAGE_PULL_FAILED",
    ),
    Case(
        "image-by-the-container",
        "TaskFailedToStart",
        "Task failed to start",
        "IMAGE_PULL_FAILED",
        {"reason": "CannotPullImageManifestError: Error response from daemon: manifest unknown"},
    ),
    Case(
        "image-timeout",
        "TaskFailedToStart",
        f"CannotPullContainerError: {ECR} https://prod-eu-starport.s3.amazonaws.com/: i/o timeout",
        "TASK_START_FAILED",
    ),
    Case(
        "image-too-many-requests",
        "TaskFailedToStart",
        "CannotPullContainerError: inspect image has been retried 1 time(s): failed to resolve ref: unexpected status "
        "code 429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit.",
        "TASK_START_FAILED",
    ),
    Case(
        "registry-not-reached",
        "TaskFailedToStart",
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
        f"unable to retrieve ecr registry auth: {RETRIED}: RequestError: send request failed caused by: Post "
        '"https://api.ecr.eu-central-1.amazonaws.com/": dial tcp 52.1.1.1:443: i/o timeout',
        "TASK_START_FAILED",
    ),
    Case(
        "registry-denied",
        "TaskFailedToStart",
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
        f"unable to retrieve ecr registry auth: {RETRIED}: AccessDeniedException: User is not authorized to perform: "
        "ecr:GetAuthorizationToken",
        "IMAGE_PULL_FAILED",
    ),
    # -- secrets and roles
    Case(
        "secret-not-found",
        "TaskFailedToStart",
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
        f"unable to retrieve secret from asm: {RETRIED}: failed to fetch secret from secrets manager: "
        "ResourceNotFoundException: Secrets Manager can't find the specified secret.",
        "CREDENTIALS_INVALID",
    ),
    Case(
        "secret-denied",
        "TaskFailedToStart",
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
        f"unable to retrieve secrets from ssm: {RETRIED}: AccessDeniedException: not authorized: ssm:GetParameters",
        "CREDENTIALS_INVALID",
    ),
    Case(
        "secret-without-the-key",
        "TaskFailedToStart",
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
        "retrieved secret from Secrets Manager did not contain json key api_key",
        "CREDENTIALS_INVALID",
    ),
    Case(
        "secret-not-reached",
        "TaskFailedToStart",
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
        f"unable to retrieve secret from asm: {RETRIED}: RequestCanceled: request context canceled caused by: context "
        "deadline exceeded",
        "TASK_START_FAILED",
    ),
    Case(
        "role-not-assumed",
        "TaskFailedToStart",
        "ECS was unable to assume the role 'arn:aws:iam::123456789012:role/x' that was provided for this task.",
        "CREDENTIALS_INVALID",
    ),
    # -- the rest of the start
    Case(
        "log-group-deleted",
        "TaskFailedToStart",
        "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed "
        "to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist.",
        "TASK_START_FAILED",
    ),
    Case(
        "wrong-architecture",
        "EssentialContainerExited",
        ESSENTIAL,
        "TASK_START_FAILED",
        {"exitCode": 255, "reason": "CannotStartContainerError: failed to create task: exec format error"},
    ),
]


def task(case: Case) -> dict[str, Any]:
    containers = [] if case.container is None else [{"name": "agent", **case.container}]
    return {
        "taskArn": "arn",
        "lastStatus": "STOPPED",
        "stopCode": case.code,
        "stoppedReason": case.reason,
        "containers": containers,
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_an_end_is_understood(case: Case) -> None:
    sighting = seen(task(case))
    assert sighting.phase is Phase.STOPPED
    assert sighting.cause == case.cause
    assert sighting.out_of_memory is (case.cause == "OUT_OF_MEMORY")
    assert sighting.exit_code == (case.container or {}).get("exitCode")
    assert sighting.stop_reason or not case.reason


@pytest.mark.parametrize(
    ("status", "more", "phase"),
    [
        ("PROVISIONING", {}, Phase.PENDING),
        ("PENDING", {}, Phase.PENDING),
        ("ACTIVATING", {}, Phase.PENDING),
        ("RUNNING", {}, Phase.RUNNING),
        ("DEACTIVATING", {"startedAt": 1}, Phase.RUNNING),
        ("STOPPING", {"startedAt": 1, "stopCode": "UserInitiated"}, Phase.RUNNING),
        ("STOPPING", {"stopCode": "TaskFailedToStart"}, Phase.PENDING),
        ("DEPROVISIONING", {"containers": [{"name": "agent", "exitCode": 0}]}, Phase.STOPPED),
        ("DEPROVISIONING", {"containers": [{"name": "other", "exitCode": 0}], "startedAt": 1}, Phase.RUNNING),
        ("STOPPED", {}, Phase.STOPPED),
        ("DELETED", {}, Phase.STOPPED),
        ("SOMETHING_NEW", {"startedAt": 1}, Phase.RUNNING),
    ],
)
def test_a_task_is_over_when_its_container_has_exited(status: str, more: dict[str, Any], phase: Phase) -> None:
    assert seen({"taskArn": "arn", "lastStatus": status, **more}).phase is phase


def test_a_reason_says_what_there_is_to_say_once() -> None:
    oom = "OutOfMemoryError: Container killed due to memory usage"
    both = {"lastStatus": "STOPPED", "containers": [{"name": "agent", "exitCode": 137, "reason": oom}]}
    assert seen({**both, "stoppedReason": ESSENTIAL}).stop_reason == oom
    assert seen({**both, "stoppedReason": oom}).stop_reason == oom
    assert seen({**both, "stoppedReason": "Host gone"}).stop_reason == f"{oom}; Host gone"
    quiet = {"lastStatus": "STOPPED", "stoppedReason": ESSENTIAL, "containers": [{"name": "agent", "exitCode": 3}]}
    assert seen(quiet).stop_reason == "exit code 3"
