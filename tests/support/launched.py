"""Tasks as an orchestrator leaves them in the store, for tests of the log streamer alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from shared.clock import SystemClock
from shared.domain.lifecycle import State
from shared.domain.logsequence import first_seq
from shared.events.logs import LogsAppended, LogsCompleted
from shared.events.tasks import TaskStarted, TaskStopped
from shared.ids import TestId, launch_token, new_test_id
from shared.store.documents import Execution, Input, Logs, StoredLine, Task, Times
from tests.support.samples import ALICE
from tests.support.system import System
from tests.support.until import until

NONCE = "nonce"


@dataclass
class Launched:
    """One test, whose task writes wherever its log source says."""

    world: System
    id: TestId
    attempt: int = 1
    written: int = 0
    texts: list[str] = field(default_factory=list)

    @property
    def next_seq(self) -> int:
        return first_seq(self.attempt) + self.written

    async def again(self, log_source: dict[str, Any]) -> None:
        """The attempt was lost, and the next one is launched."""
        now = SystemClock().now()
        self.attempt += 1
        self.written, self.texts = 0, []
        await self.world.tests.change(
            self.id,
            where={},
            set={
                "attempt": self.attempt,
                "task.log_source": log_source,
                "logs.until": now,
                "logs.follower": "",
                "logs.ended": False,
                "logs.complete": False,
            },
            telling=[self._started(log_source)],
        )

    async def end(self) -> None:
        """The task has stopped."""
        now = SystemClock().now()
        event = TaskStopped(test_id=self.id, user_id=ALICE, attempt=self.attempt, at=now, exit_code=0)
        await self.world.tests.change(
            self.id, where={}, set={"state": State.COMPLETED, "times.finished": now}, telling=[event]
        )

    def _started(self, log_source: dict[str, Any]) -> TaskStarted:
        now = SystemClock().now()
        return TaskStarted(
            test_id=self.id, user_id=ALICE, attempt=self.attempt, at=now, runtime="test", log_source=log_source
        )

    async def sealed(self, timeout: float = 60.0) -> Execution:
        async def closed() -> bool:
            return (await self.world.get(self.id)).logs.ended

        await until(closed, timeout=timeout, what=f"the log of {self.id} to be closed")
        return await self.world.get(self.id)

    async def lines(self) -> list[StoredLine]:
        """Those of this attempt."""
        return [line for line in await self.world.lines(self.id) if line.seq >= first_seq(self.attempt)]


async def launch(world: System, log_source: dict[str, Any]) -> Launched:
    now = SystemClock().now()
    test_id = new_test_id()
    found = Launched(world, test_id)
    execution = Execution(
        id=test_id,
        user_id=ALICE,
        agent_id="agent",
        input=Input(timeout_s=60),
        request_key=test_id,
        state=State.RUNNING,
        attempt=1,
        times=Times(submitted=now, scheduled=now, build_started=now),
        task=Task(runtime="test", launch_token=launch_token(test_id, 1), nonce=NONCE, log_source=log_source),
        logs=Logs(until=now),
    )
    await world.tests.submit(execution, found._started(log_source))
    return found


class Accounts:
    """What `logs.completed` told, as the stream keeps it."""

    def __init__(self, world: System) -> None:
        self._world = world

    async def told(self) -> dict[TestId, list[LogsCompleted]]:
        found: dict[TestId, list[LogsCompleted]] = {}
        jetstream = self._world.bus.jetstream
        state = (await jetstream.stream_info("LOGS")).state
        for seq in range(state.first_seq, state.last_seq + 1):
            message = await jetstream.get_msg("LOGS", seq)
            if message.subject and message.subject.startswith("logs.completed.") and message.data:
                event = LogsCompleted.model_validate_json(message.data)
                found.setdefault(event.test_id, []).append(event)
        return found

    async def appended(self) -> dict[TestId, Counter[int]]:
        """How often each line was told."""
        found: dict[TestId, Counter[int]] = {}
        jetstream = self._world.bus.jetstream
        state = (await jetstream.stream_info("LOGS")).state
        for seq in range(state.first_seq, state.last_seq + 1):
            message = await jetstream.get_msg("LOGS", seq)
            if message.subject and message.subject.startswith("logs.appended.") and message.data:
                event = LogsAppended.model_validate_json(message.data)
                found.setdefault(event.test_id, Counter()).update(line.seq for line in event.lines)
        return found


async def soon(seconds: float) -> None:
    """A pause that belongs to the story (the pace of a writer), not a wait for something."""
    await asyncio.sleep(seconds)
