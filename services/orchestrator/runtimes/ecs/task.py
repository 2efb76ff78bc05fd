"""What is to be known of one task to find it again: the handle's fields, with names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from services.orchestrator.ports import Handle, TaskSpec
from services.orchestrator.runtimes.ecs.options import EcsOptions
from shared.ids import TestId

RUNTIME: Final = "ecs"
CONTAINER: Final = "agent"
STREAM_PREFIX: Final = "assay"
_STARTED_BY: Final = re.compile(r"assay/(tst_[0-9a-f]{32})/([0-9]+)")


class Owner(NamedTuple):
    """Whose task it is."""

    test_id: TestId
    attempt: int


@dataclass(frozen=True, slots=True)
class EcsTask:
    """One launch, and the task it led to."""

    token: str
    test_id: TestId
    attempt: int
    cluster: str
    context_key: str
    result_key: str
    since: datetime
    """When the intent to launch was stored: the task is younger."""
    arn: str = ""
    """Empty where nobody knows whether there is a task."""

    @property
    def started_by(self) -> str:
        """By this it is found where only the launch is known (ListTasks)."""
        return started_by(self.test_id, self.attempt)

    @property
    def handle(self) -> Handle:
        """As it is stored. The same task has the same handle, however often it is launched."""
        return {
            "runtime": RUNTIME,
            "token": self.token,
            "test_id": self.test_id,
            "attempt": self.attempt,
            "cluster": self.cluster,
            "context_key": self.context_key,
            "result_key": self.result_key,
            "since": self.since.isoformat(),
            "arn": self.arn,
        }

    @classmethod
    def of(cls, handle: Handle) -> EcsTask:
        return cls(
            token=str(handle["token"]),
            test_id=TestId(str(handle["test_id"])),
            attempt=int(str(handle["attempt"])),
            cluster=str(handle["cluster"]),
            context_key=str(handle["context_key"]),
            result_key=str(handle["result_key"]),
            since=datetime.fromisoformat(str(handle["since"])),
            arn=str(handle["arn"]),
        )

    @classmethod
    def planned(cls, spec: TaskSpec, options: EcsOptions, now: datetime) -> EcsTask:
        """The task that a launch of `spec` leads to, as far as it is known before."""
        name = f"{spec.test_id}/{spec.attempt}-{spec.launch_token[:16]}.json"
        return cls(
            token=spec.launch_token,
            test_id=spec.test_id,
            attempt=spec.attempt,
            cluster=options.cluster,
            context_key=f"{options.prefix}contexts/{name}",
            result_key=f"{options.prefix}results/{name}",
            since=spec.begun_at or now,
        )


def is_ours(handle: Handle) -> bool:
    """False for a handle of another runtime: the setting was changed while its task ran."""
    return handle.get("runtime") == RUNTIME


def started_by(test_id: TestId, attempt: int) -> str:
    """At most 128 characters (ECS API reference, RunTask)."""
    return f"assay/{test_id}/{attempt}"


def owner_of(text: str) -> Owner | None:
    """What `started_by` wrote; None where it was somebody else."""
    found = _STARTED_BY.fullmatch(text)
    return Owner(TestId(found[1]), int(found[2])) if found else None


def stream_of(arn: str) -> str:
    """The log stream of a task (awslogs: prefix/container/task id)."""
    return f"{STREAM_PREFIX}/{CONTAINER}/{arn.rpartition('/')[2]}"
