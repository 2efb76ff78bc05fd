"""What this orchestrator knows of its tasks: kept in memory, so that a look costs nothing, and corrected by each answer
of ECS. Decides what an answer means for a task; calls nobody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from services.orchestrator.ports import Phase, Sighting
from services.orchestrator.runtimes.ecs.pace import Looked
from services.orchestrator.runtimes.ecs.sighting import NOT_STARTED, seen
from services.orchestrator.runtimes.ecs.task import EcsTask
from shared.domain.failure import FailureCode

STARTING_S: Final = 120.0
"""A task that takes longer than this to start is not looked at more often for it."""
STOPPING_S: Final = 90.0
DONE_S: Final = 60.0
FORGOTTEN_S: Final = 120.0
"""Nobody has asked for a task for so long: another orchestrator looks after it."""
MISSING_LOOKS: Final = 3
MISSING_FOR_S: Final = 30.0
YOUNG: Final = timedelta(seconds=120)
"""ECS is eventually consistent: a task that was just started may be MISSING in the answers for a while."""
LINGER_S: Final = 20.0
"""A task whose answer we have may take so long to write its last lines and to end by itself."""
STUCK_S: Final = 600.0
"""A task that ECS has agreed to stop, and that it does not report as stopped for so long, is taken as stopped."""


@dataclass(slots=True)
class Known:
    """One task."""

    task: EcsTask
    added: float
    asked: float
    sighting: Sighting = field(default_factory=lambda: Sighting(Phase.PENDING))
    looked: float | None = None
    hot_until: float = 0.0
    version: int = 0
    misses: int = 0
    missing_since: float = 0.0
    told: float | None = None
    """When ECS agreed to stop it."""
    why_told: str = ""
    result: bytes | None = None
    """The answer, where it was there before the task had stopped."""

    @property
    def over(self) -> bool:
        return self.sighting.phase in {Phase.STOPPED, Phase.MISSING}


@dataclass(slots=True)
class Leaving:
    """A task that nobody asks for any more, and that may still be on its way out."""

    task: EcsTask
    since: float
    looked: float


class Picture:
    """All of them, by ARN. Times are those of the event loop, but for `wall`."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._leaving: dict[str, Leaving] = {}

    def __iter__(self) -> Iterator[Known]:
        return iter(list(self._known.values()))

    def get(self, arn: str) -> Known | None:
        return self._known.get(arn)

    def ask(self, task: EcsTask, now: float) -> Known:
        """What is known of a task; from now on it is looked at."""
        known = self._known.get(task.arn)
        if known is None:
            known = self._known[task.arn] = Known(task, added=now, asked=now)
        known.asked = now
        return known

    def launched(self, task: EcsTask, answer: Mapping[str, Any], now: float) -> None:
        """RunTask has answered."""
        known = self.ask(task, now)
        known.hot_until = max(known.hot_until, now + STARTING_S)
        if "lastStatus" in answer:
            self.take(answer, now)

    def release(self, arn: str, now: float) -> Known | None:
        """Nobody asks for it any more. One that has answered is watched until it has ended, too."""
        known = self._known.pop(arn, None)
        if known is not None and known.result is not None:
            self._leaving[arn] = Leaving(known.task, now, now)
        return known

    def overstaying(self, now: float) -> list[EcsTask]:
        """Tasks that had answered, and have not ended since. They are somebody else's to stop now."""
        found = [arn for arn, leaving in self._leaving.items() if now - leaving.since > LINGER_S]
        return [self._leaving.pop(arn).task for arn in found]

    def forget_unasked(self, now: float) -> None:
        for arn, known in list(self._known.items()):
            if now - known.asked > FORGOTTEN_S:
                del self._known[arn]

    def looked(self) -> Iterable[Looked]:
        """The tasks that are still to be looked at."""
        return [
            *(Looked(arn, x.looked, x.added, x.hot_until) for arn, x in self._known.items() if not x.over),
            *(Looked(arn, leaving.looked, leaving.since, 0.0) for arn, leaving in self._leaving.items()),
        ]

    def take(self, answer: Mapping[str, Any], now: float) -> Known | None:
        """What ECS says of a task; the task, where that changes what we know. A stop is remembered from now on: ECS
        forgets it after an hour. An answer older than the last one (events come in any order) says nothing."""
        arn = str(answer.get("taskArn", ""))
        if leaving := self._leaving.get(arn):
            leaving.looked = now
            if seen(answer).phase is Phase.STOPPED:
                del self._leaving[arn]
        known = self._known.get(arn)
        if known is None or known.over:
            return None
        known.looked = now
        known.misses = 0
        version = int(answer.get("version") or 0)
        if version < known.version:
            return None
        known.version = version
        return self._change(known, seen(answer), now)

    def miss(self, arn: str, now: float, wall: datetime) -> Known | None:
        """ECS says that it knows no such task; the task, where that is to be believed."""
        self._leaving.pop(arn, None)
        known = self._known.get(arn)
        if known is None or known.over:
            return None
        known.looked = now
        known.misses += 1
        if known.misses == 1:
            known.missing_since = now
        known.hot_until = max(known.hot_until, now + 1.0)
        sure = known.misses >= MISSING_LOOKS and now - known.missing_since >= MISSING_FOR_S
        if not sure or wall - known.task.since < YOUNG:
            return None
        return self._change(known, Sighting(Phase.MISSING, stop_reason="ECS does not know the task any more"), now)

    def answered(self, arn: str, result: bytes, now: float) -> Known | None:
        """The task's answer is there: for us it is over, though ECS takes some seconds more to see that."""
        known = self._known.get(arn)
        if known is None or known.over:
            return None
        known.result = result
        reason = "the answer has arrived"
        return self._change(known, Sighting(Phase.STOPPED, 0, stop_code="Answered", stop_reason=reason), now)

    def expect(self, arn: str, now: float) -> None:
        """News of this task are near."""
        if known := self._known.get(arn):
            known.hot_until = max(known.hot_until, now + DONE_S)

    def told(self, arn: str, reason: str, now: float) -> None:
        """ECS has agreed to stop it."""
        if known := self._known.get(arn):
            known.told = known.told if known.told is not None else now
            known.why_told = known.why_told or reason
            known.hot_until = max(known.hot_until, now + STOPPING_S)

    def stuck(self, now: float) -> list[Known]:
        """Tasks that do not stop: they are over from now on, and nobody waits for them any longer."""
        found = [x for x in self._known.values() if not x.over and x.told is not None and now - x.told > STUCK_S]
        for known in found:
            cause = FailureCode.TASK_START_TIMEOUT if known.why_told.startswith(NOT_STARTED) else FailureCode.TASK_LOST
            reason = f"ECS was told to stop the task and has not reported its end for {STUCK_S:g} s"
            self._change(known, Sighting(Phase.STOPPED, stop_reason=reason, cause=cause), now)
        return found

    def late(self, wall: datetime, limit: timedelta) -> list[Known]:
        """Tasks that should run by now, and that nobody has told to stop yet."""
        return [
            known
            for known in self._known.values()
            if known.sighting.phase is Phase.PENDING
            and known.looked is not None
            and known.told is None
            and wall - known.task.since > limit
        ]

    def _change(self, known: Known, sighting: Sighting, now: float) -> Known | None:
        if sighting == known.sighting:
            return None
        if sighting.phase is Phase.RUNNING and known.sighting.phase is Phase.PENDING and known.told is None:
            known.hot_until = now
        known.sighting = replace(sighting)
        return known
