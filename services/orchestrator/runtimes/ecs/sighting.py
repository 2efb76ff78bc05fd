"""What DescribeTasks (or a task state event, which has the same shape) says of a task, in our words: pure functions;
their test is a table of real cases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from services.orchestrator.ports import Phase, Sighting
from services.orchestrator.runtimes.ecs.task import CONTAINER
from shared.domain.failure import FailureCode

OURS: Final = "Assay: "
"""How the reasons begin that we give to StopTask."""
NOT_STARTED: Final = f"{OURS}the task did not start in time"
UNWANTED: Final = f"{OURS}the test was cancelled or is over"
NO_LOG_GROUP: Final = "log group does not exist"

_BEFORE: Final = frozenset({"PROVISIONING", "PENDING", "ACTIVATING"})
_AFTER: Final = frozenset({"DEACTIVATING", "STOPPING", "DEPROVISIONING"})
_OVER: Final = frozenset({"STOPPED", "DELETED"})

_WORDLESS: Final = frozenset({"", "essential container in task exited", "task failed to start"})
# A pull or a call that did not get through, and would the next time: the network, not the name.
_PASSING: Final = (
    "i/o timeout",
    "context deadline exceeded",
    "tls handshake timeout",
    "connection reset",
    "connection refused",
    "request canceled",
    "requestcanceled",
    "no such host",
    "toomanyrequests",
    "too many requests",
    "rate exceeded",
    "throttling",
    "service unavailable",
    "internal server error",
    "unexpected eof",
)
# Words of stoppedReason and of the container's reason -> what it was. The first that fits counts.
_WORDS: Final = (
    ("outofmemory", FailureCode.OUT_OF_MEMORY),
    ("spot task was interrupted", FailureCode.SPOT_INTERRUPTED),
    ("capacity is unavailable", FailureCode.CAPACITY_UNAVAILABLE),
    ("insufficientfreeaddresses", FailureCode.CAPACITY_UNAVAILABLE),
    ("networkinterfacelimitexceeded", FailureCode.CAPACITY_UNAVAILABLE),
    ("timeout waiting for network interface", FailureCode.TASK_START_FAILED),
    ("ephemeralstorage provisioning", FailureCode.TASK_START_FAILED),
    (NO_LOG_GROUP, FailureCode.TASK_START_FAILED),
    ("failed to validate logger args", FailureCode.TASK_START_FAILED),
    ("unable to assume", FailureCode.CREDENTIALS_INVALID),
    ("unable to retrieve secret", FailureCode.CREDENTIALS_INVALID),
    ("did not contain json key", FailureCode.CREDENTIALS_INVALID),
    ("unable to pull secrets or registry auth", FailureCode.IMAGE_PULL_FAILED),
    ("cannotpull", FailureCode.IMAGE_PULL_FAILED),
    ("unable to get image", FailureCode.IMAGE_PULL_FAILED),
    ("no such image", FailureCode.IMAGE_PULL_FAILED),
    ("pull access denied", FailureCode.IMAGE_PULL_FAILED),
    ("manifest unknown", FailureCode.IMAGE_PULL_FAILED),
    ("manifest for", FailureCode.IMAGE_PULL_FAILED),
    ("resourceinitializationerror", FailureCode.TASK_START_FAILED),
    ("cannotstartcontainer", FailureCode.TASK_START_FAILED),
    ("cannotcreatecontainer", FailureCode.TASK_START_FAILED),
    ("containerruntimeerror", FailureCode.TASK_START_FAILED),
    ("containerruntimetimeout", FailureCode.TASK_START_FAILED),
)
_STOP_CODES: Final = {
    "TaskFailedToStart": FailureCode.TASK_START_FAILED,
    "SpotInterruption": FailureCode.SPOT_INTERRUPTED,
    "TerminationNotice": FailureCode.TASK_LOST,
    "InfrastructureHealth": FailureCode.TASK_LOST,
    "ServiceSchedulerInitiated": FailureCode.TASK_LOST,
}
_MAY_PASS: Final = frozenset({FailureCode.IMAGE_PULL_FAILED, FailureCode.CREDENTIALS_INVALID})


def seen(task: Mapping[str, Any]) -> Sighting:
    """The sighting of a task.

    A task whose container has exited is over: that its network interface is still being taken down, which takes ECS
    some ten seconds more, is nobody's business here."""
    status = str(task.get("lastStatus", ""))
    container = _container(task)
    exit_code = container.get("exitCode")
    if status in _BEFORE:
        return Sighting(Phase.PENDING)
    if status not in _OVER and not (status in _AFTER and exit_code is not None):
        return Sighting(Phase.RUNNING if status == "RUNNING" or task.get("startedAt") else Phase.PENDING)
    stop_code = str(task.get("stopCode") or "")
    stopped = str(task.get("stoppedReason") or "")
    said = str(container.get("reason") or "")
    cause = cause_of(stop_code, stopped, said)
    return Sighting(
        Phase.STOPPED,
        exit_code=int(exit_code) if exit_code is not None else None,
        stop_code=stop_code or None,
        stop_reason=_reason(stopped, said, exit_code),
        out_of_memory=cause is FailureCode.OUT_OF_MEMORY,
        cause=cause,
    )


def cause_of(stop_code: str, stopped: str, said: str) -> FailureCode | None:
    """What ended a task: by its stopCode, its stoppedReason and the reason of its container. None where that says no
    more than that the container exited, or that we stopped it."""
    text = f"{stopped} {said}".lower()
    if stopped.startswith(NOT_STARTED):
        return FailureCode.TASK_START_TIMEOUT
    for words, code in _WORDS:
        if words in text:
            passing = code in _MAY_PASS and any(one in text for one in _PASSING)
            return FailureCode.TASK_START_FAILED if passing else code
    if stop_code == "UserInitiated":
        return None if stopped.startswith(OURS) else FailureCode.TASK_LOST
    return _STOP_CODES.get(stop_code)


def _container(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Ours; a task that failed to start may have none."""
    containers: list[Mapping[str, Any]] = task.get("containers") or []
    for container in containers:
        if container.get("name") == CONTAINER:
            return container
    return {}


def _reason(stopped: str, said: str, exit_code: int | None) -> str:
    """Everything that says something."""
    words = [said, stopped] if stopped.lower().rstrip(".") not in _WORDLESS else [said]
    text = "; ".join(dict.fromkeys(word for word in words if word))
    return text or (stopped if exit_code is None else f"exit code {exit_code}")
