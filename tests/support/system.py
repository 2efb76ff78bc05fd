"""Scheduler, orchestrator and log streamer on real servers, in this process or each in one of its own, with the test in
the gateway's place: it stores tests and asks for cancellations as the gateway does."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
from nats.js.errors import NotFoundError
from pydantic import SecretStr

from services.logstreamer.app import running as logstreamer_running
from services.logstreamer.settings import LogstreamerSettings
from services.orchestrator.app import running as orchestrator_running
from services.orchestrator.settings import OrchestratorSettings
from services.scheduler.app import running as scheduler_running
from services.scheduler.settings import SchedulerSettings
from shared.advisories import CLOSED_BY_RIGHTS
from shared.bus.connect import Bus
from shared.bus.relay import Relay
from shared.bus.streams import DEAD, TESTS
from shared.clock import SystemClock
from shared.domain.lifecycle import ACTIVE, ENDED, MOVES, State
from shared.events.tests import TestCancelRequested, TestSubmitted
from shared.ids import TestId, UserId, new_test_id
from shared.store.connect import Database, connected, provision
from shared.store.documents import Cancel, Execution, HistoryEntry, Input, StoredLine, Times
from shared.store.executions import Executions
from shared.store.logs import LogChunks
from shared.store.slots import Slots
from shared.telemetry.health import Health
from tests.support.servers import free_port
from tests.support.until import until

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0  # a machine under load, not a figure
SHORT: dict[str, Any] = {
    "sweep_interval_s": 0.2,
    "runtime": "scripted",
    "orchestrator_poll_s": 0.1,
    "orchestrator_lease_s": 10.0,
    "orchestrator_grace_s": 0.2,
    "logstreamer_lease_s": 10.0,
    "logstreamer_drain_s": 0.3,
}
SERVICES = {
    "scheduler": (scheduler_running, SchedulerSettings),
    "orchestrator": (orchestrator_running, OrchestratorSettings),
    "logstreamer": (logstreamer_running, LogstreamerSettings),
}


@dataclass
class System:
    """One store and one bus, and what was submitted to them."""

    nats_url: str
    mongo_url: str
    name: str
    database: Database
    bus: Bus
    tests: Executions
    more: dict[str, Any]
    submitted: list[TestId] = field(default_factory=list)

    # -- services

    def service(self, name: str, instance: str = "one", **more: Any) -> AbstractAsyncContextManager[Health]:
        """A service in this process: ready inside the block, drained after it."""
        running, kind = SERVICES[name]
        values: dict[str, Any] = {
            "nats_url": SecretStr(self.nats_url),
            "mongo_url": SecretStr(self.mongo_url),
            "mongo_database": self.name,
            "instance": f"{name}-{instance}",
            **SHORT,
            **self.more,
            **more,
        }
        return running(kind(**values))  # type: ignore[operator, no-any-return]  # each with its own kind of settings

    @asynccontextmanager
    async def services(self, *instances: str, **more: Any) -> AsyncIterator[None]:
        """All three, once for each instance."""
        async with AsyncExitStack() as stack:
            for instance in instances or ("one",):
                for name in SERVICES:
                    await stack.enter_async_context(self.service(name, instance, **more))
            yield

    @contextmanager
    def process(self, name: str, instance: str = "one", **more: Any) -> Iterator[Process]:
        """A service in a process of its own, started and not yet ready; ended by SIGKILL if it still runs."""
        values = {
            "nats_url": self.nats_url,
            "mongo_url": self.mongo_url,
            "mongo_database": self.name,
            "instance": f"{name}-{instance}",
            **SHORT,
            **self.more,
            **more,
        }
        with started(name, values) as process:
            yield process

    # -- the gateway's part

    async def submit(
        self, count: int = 1, *, user: str = "alice", priority: int = 4, timeout_s: int = 60, **script: Any
    ) -> list[TestId]:
        """Stores tests whose tasks play `script` (shared.domain.script)."""
        return list(
            await asyncio.gather(*(self._submit(UserId(user), priority, timeout_s, script) for _ in range(count)))
        )

    async def _submit(self, user: UserId, priority: int, timeout_s: int, script: dict[str, Any]) -> TestId:
        now = SystemClock().now()
        test_id = new_test_id()
        self.submitted.append(test_id)
        await self.tests.submit(
            Execution(
                id=test_id,
                user_id=user,
                agent_id="agent",
                input=Input(env={"ASSAY_SCRIPT": json.dumps(script)}, timeout_s=timeout_s, priority=priority),
                request_key=test_id,
                history=[HistoryEntry(state=State.SUBMITTED, at=now, by=user)],
                times=Times(submitted=now),
            ),
            TestSubmitted(test_id=test_id, user_id=user, at=now, priority=priority),
        )
        return test_id

    async def cancel(self, test_id: TestId, reason: str = "") -> None:
        test = await self.get(test_id)
        now = SystemClock().now()
        await self.tests.change(
            test_id,
            where={"state": {"$nin": sorted(ENDED)}, "cancel.requested_at": None},
            set={"cancel": Cancel(requested_at=now, by="bob", reason=reason).model_dump()},
            telling=[
                TestCancelRequested(
                    test_id=test_id, user_id=test.user_id, attempt=test.attempt, at=now, by="bob", reason=reason
                )
            ],
        )

    # -- looking

    async def get(self, test_id: TestId) -> Execution:
        found = await self.tests.get(test_id)
        assert found is not None
        return found

    async def all(self, tests: Sequence[TestId] | None = None) -> list[Execution]:
        return [await self.get(test_id) for test_id in tests or self.submitted]

    async def states(self) -> Counter[State]:
        found = await self.tests.get_many(self.submitted)
        return Counter(test.state for test in found.values())

    async def in_state(self, test_id: TestId, *states: State) -> Execution:
        """Waits until the test is in one of these states."""

        async def there() -> bool:
            return (await self.get(test_id)).state in states

        await until(there, timeout=PATIENCE_S, what=f"{test_id} to be {' or '.join(states)}")
        return await self.get(test_id)

    async def ended(self, tests: Sequence[TestId] | None = None) -> list[Execution]:
        """Waits until these tests (all, if none are given) have ended and their logs are closed."""
        wanted = tests or self.submitted

        async def done() -> bool:
            found = await self.tests.get_many(wanted)
            return all(test.state in ENDED and test.logs.ended for test in found.values())

        try:
            await until(done, timeout=PATIENCE_S, what=f"{len(wanted)} tests to end")
        except AssertionError as error:
            found = await self.tests.get_many(wanted)
            stuck = [test for test in found.values() if not (test.state in ENDED and test.logs.ended)]
            raise AssertionError(f"{error}; still open: {stuck[:3]}") from None
        return await self.all(wanted)

    async def lines(self, test_id: TestId) -> list[StoredLine]:
        return await LogChunks(self.database).read(test_id, from_seq=1, limit=100_000)

    async def taken(self) -> int:
        return len(await Slots(self.database).taken())

    async def told(self) -> Counter[tuple[str, str]]:
        """How often each (fact, test) was told, as the stream keeps it."""
        told: Counter[tuple[str, str]] = Counter()
        state = (await self.bus.jetstream.stream_info(TESTS.name)).state
        for seq in range(state.first_seq, state.last_seq + 1):
            try:
                message = await self.bus.jetstream.get_msg(TESTS.name, seq)
            except NotFoundError:
                continue
            assert message.subject
            domain, fact, _, test_id = message.subject.split(".")
            told[f"{domain}.{fact}", test_id] += 1
        return told

    async def is_tidy(self) -> None:
        """Waits until no slot is taken, nobody is in the queue and every event is sent; nothing may be dead."""

        async def tidy() -> None:
            assert await self.taken() == 0
            assert await self.database["queue"].count_documents({}) == 0
            assert await self.database["executions"].count_documents({"outbox.at": {"$exists": True}}) == 0

        await until(lambda: _true(tidy()), timeout=PATIENCE_S, what="nothing to be left over")
        assert (await self.bus.jetstream.stream_info(DEAD.name)).state.messages == 0


class Process:
    """A service as a process."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process = process
        self.port = port

    @property
    def resident(self) -> int:
        """Bytes of its memory."""
        return int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    async def ready(self) -> None:
        await until(self._is_ready, timeout=PATIENCE_S, what="the service to be ready")

    async def _is_ready(self) -> bool:
        assert self._process.poll() is None, "the service has ended"
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self.port}/readyz") as answer,
            ):
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    def kill(self) -> None:
        """SIGKILL, as an out-of-memory killer or a lost machine would."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    async def terminate(self) -> tuple[int, str]:
        """SIGTERM, as an orchestrator of containers would; the exit code and all that was logged."""
        self._process.send_signal(signal.SIGTERM)
        output, _ = await asyncio.to_thread(self._process.communicate, timeout=PATIENCE_S)
        return self._process.returncode, output.decode()


@contextmanager
def started(name: str, values: dict[str, Any]) -> Iterator[Process]:
    """A service with these settings in a process of its own, not yet ready; ended by SIGKILL if it still runs."""
    port = free_port()
    values = {"health_host": "127.0.0.1", "health_port": port, **values}
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ASSAY_")}
    environment |= {f"ASSAY_{key.upper()}": str(value) for key, value in values.items()}
    environment["ASSAY_NATS_CLOSED_HOLES"] = json.dumps(sorted(CLOSED_BY_RIGHTS))  # nobody else is on that server
    command = [sys.executable, "-m", f"services.{name}"]
    process = Process(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE), port)
    try:
        yield process
    finally:
        process.kill()


async def _true(check: Any) -> bool:
    await check
    return True


@asynccontextmanager
async def system(nats_url: str, mongo_url: str, name: str, **more: Any) -> AsyncIterator[System]:
    """The store and the bus, ready; `more` are settings of all services."""
    bus = Bus(nats_url, service="gateway")
    relay = Relay(bus, SystemClock(), interval_s=0.2)
    async with connected(mongo_url, name, service="test") as database:
        await provision(database)
        tests = Executions(database, relay.tell)
        async with bus.connected(), relay.running(tests):
            yield System(nats_url, mongo_url, name, database, bus, tests, more)


def legal(test: Execution) -> bool:
    """Whether the history is a way that the lifecycle allows, from its beginning to the state the test is in."""
    states = [entry.state for entry in test.history]
    steps = all(to in MOVES[source] for source, to in pairwise(states))
    return states[0] is State.SUBMITTED and states[-1] is test.state and steps


def most_at_once(tests: Sequence[Execution]) -> int:
    """How many of these tests were active at the same moment at most, by their histories."""
    changes: list[tuple[float, int]] = []
    for test in tests:
        for entry, following in pairwise([*test.history, None]):
            if entry is not None and entry.state in ACTIVE:
                changes.append((entry.at.timestamp(), 1))
                if following is not None:
                    changes.append((following.at.timestamp(), -1))
    most = now = 0
    for _, change in sorted(changes):  # of one millisecond, ends come first
        now += change
        most = max(most, now)
    return most


def waited_longer(test: Execution, other: Execution) -> timedelta:
    """How much later `test` was granted its slot than `other`."""
    assert test.times.scheduled
    assert other.times.scheduled
    return test.times.scheduled - other.times.scheduled
