"""The closed list of events, by type. What is not here is not told. `docs/events.md` is generated from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shared.events.audit import AuditAttempted, AuditConcluded
from shared.events.base import Event
from shared.events.logs import LogsAppended, LogsCompleted, OutputPartial
from shared.events.packages import PackageExpired, PackageFailed, PackageReady, PackageRequested
from shared.events.tasks import TaskPhase, TaskStarted, TaskStopped
from shared.events.tests import (
    TestArchived,
    TestBuilding,
    TestCancelRequested,
    TestCompleted,
    TestFailed,
    TestFilesStored,
    TestQueued,
    TestRequeued,
    TestRunning,
    TestScheduled,
    TestSubmitted,
    TestTimedOut,
)

ALL: Final[tuple[type[Event], ...]] = (
    TestSubmitted,
    TestCancelRequested,
    TestQueued,
    TestScheduled,
    TestBuilding,
    TestRunning,
    TestFilesStored,
    TestCompleted,
    TestFailed,
    TestTimedOut,
    TestRequeued,
    TestArchived,
    TaskStarted,
    TaskPhase,
    TaskStopped,
    LogsAppended,
    OutputPartial,
    LogsCompleted,
    PackageRequested,
    PackageReady,
    PackageFailed,
    PackageExpired,
    AuditAttempted,
    AuditConcluded,
)

BY_TYPE: Final[Mapping[str, type[Event]]] = {event.type: event for event in ALL}


def of_subject(subject: str) -> type[Event] | None:
    """The event that is told on this subject; None for a subject that is not ours."""
    return BY_TYPE.get(".".join(subject.split(".", 2)[:2]))
