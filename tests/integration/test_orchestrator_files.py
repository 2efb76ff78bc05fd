"""Files on their way into tasks and out of them, on a real store, with crashes between any two steps."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from services.orchestrator.charges import Charges
from services.orchestrator.contents import Contents
from services.orchestrator.finish import Finish
from services.orchestrator.launch import Launch
from services.orchestrator.outputs import OutputLimits, Outputs
from services.orchestrator.stop import Stop
from services.orchestrator.watch import Watch
from shared.clock import ManualClock
from shared.domain.failure import FailureCode
from shared.domain.files import Joined, join
from shared.domain.lifecycle import State
from shared.events.letter import Letter
from shared.events.tests import TestFilesStored, TestSubmitted
from shared.ids import TestId, launch_token
from shared.store.artifacts import Artifacts
from shared.store.connect import Database
from shared.store.documents import ArchiveRef, Execution, Input, StoredFile
from shared.store.executions import Executions, Move
from shared.store.projects import Projects
from tests.support.fakes.runtime import FakeRuntime, FakeTask, TaskWorld
from tests.support.samples import ALICE, NOW, execution

LEASE = timedelta(seconds=30)
LIMITS = OutputLimits(files=100, size=1 << 20, days=30)
PROJECT, INPUTS = join({"main.py": b"def run(q): ...", "a.txt": b"x"}), join({"in.txt": b"input"})


class Died(BaseException):
    """The orchestrator was killed here."""


class DyingTests(Executions):
    """A store whose moves kill who makes them, before or after they are made."""

    dies = ""

    async def move(self, move: Move) -> bool:
        if self.dies == "before the move":
            raise Died
        moved = await super().move(move)
        if self.dies == "after the move":
            raise Died
        return moved


class FailingArtifacts(Artifacts):
    """A store that is away for some writes."""

    failures = 0

    async def put(self, test: TestId, attempt: int, data: bytes, expires_at: datetime) -> None:
        if self.failures:
            self.failures -= 1
            raise AutoReconnect("away")
        await super().put(test, attempt, data, expires_at)


class Orchestrator:
    def __init__(self, database: Database, world: TaskWorld, clock: ManualClock, owner: str = "one") -> None:
        self.told: list[Letter] = []
        self.tests = DyingTests(database, self.told.extend)
        self.artifacts = FailingArtifacts(database)
        self.runtime, charges = FakeRuntime(world), Charges()
        outputs = Outputs(self.artifacts, self.runtime, clock, LIMITS)
        finish = Finish(self.tests, self.runtime, charges, clock, owner=owner, outputs=outputs)
        stop = Stop(self.tests, self.runtime, charges, clock, grace=timedelta(seconds=10))
        self.launch = Launch(
            self.tests,
            self.runtime,
            charges,
            finish,
            stop,
            clock,
            owner=owner,
            lease=LEASE,
            start_limit=timedelta(seconds=60),
            contents=Contents(Projects(database)),
            output_limits=LIMITS,
        )
        self.watch = Watch(self.tests, charges, self.launch, finish, stop, clock, owner=owner, lease=LEASE)

    async def begin(self, test: Execution) -> None:
        await self.launch.begin(test.id, test.user_id, test.attempt, "")

    def stored_events(self) -> list[TestFilesStored]:
        return [
            TestFilesStored.model_validate_json(letter.body)
            for letter in self.told
            if letter.subject.startswith("test.files_stored.")
        ]


class Scene:
    def __init__(self, database: Database) -> None:
        self.database, self.world, self.clock = database, TaskWorld(), ManualClock(NOW)

    def orchestrator(self, owner: str = "one") -> Orchestrator:
        return Orchestrator(self.database, self.world, self.clock, owner)

    async def granted(self, attempt: int = 1, **given: Any) -> Execution:
        test = execution(State.BUILDING, attempt=attempt, input=Input(agent_code="x", query="q", timeout_s=30, **given))
        tests = Executions(self.database, lambda _: None)
        await tests.submit(test, TestSubmitted(test_id=test.id, user_id=ALICE, at=NOW, priority=4))
        return test

    async def keep(self, *archives: Joined) -> None:
        store = Projects(self.database)
        for archive in archives:
            await store.put(
                ALICE, archive.digest, archive.files, archive.data, now=NOW, expires_at=NOW + timedelta(days=90)
            )

    async def get(self, test: Execution) -> Execution:
        found = await Executions(self.database, lambda _: None).get(test.id)
        assert found is not None
        return found

    def task(self, test: Execution, attempt: int = 1) -> FakeTask:
        return self.world.tasks[launch_token(test.id, attempt)]

    async def content(self, test: Execution) -> dict[str, bytes]:
        """What DownloadFile would give."""
        ended = await self.get(test)
        store, found, start = Artifacts(self.database), {}, 0
        for file in ended.output_files:
            parts = [part async for part in store.read(test.id, ended.attempt, range(start, start + file.size))]
            found[file.path] = b"".join(parts)
            start += file.size
        return found


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


def ref(archive: Joined) -> ArchiveRef:
    return ArchiveRef(digest=archive.digest, files=[StoredFile(**file._asdict()) for file in archive.files])


# -- in


async def test_a_task_gets_the_content_of_its_files(scene: Scene) -> None:
    await scene.keep(PROJECT, INPUTS)
    one = scene.orchestrator()
    test = await scene.granted(project=ref(PROJECT), agent_path="main.py", inputs=ref(INPUTS))
    await one.begin(test)
    spec = scene.task(test).spec
    assert spec.contents == PROJECT.data + INPUTS.data
    assert spec.project is not None
    assert [file.path for file in spec.project.files] == ["a.txt", "main.py"]
    assert (spec.agent_path, spec.output_bytes) == ("main.py", 1 << 20)


async def test_files_that_were_removed_end_the_test_with_words(scene: Scene) -> None:
    one = scene.orchestrator()
    test = await scene.granted(attempt=3, project=ref(PROJECT), agent_path="main.py")
    await one.begin(test)
    ended = await scene.get(test)
    assert ended.failure is not None
    assert (ended.state, ended.failure.code) == (State.FAILED, FailureCode.CONTEXT_UNAVAILABLE)
    assert "removed from the store" in ended.failure.message
    assert one.runtime.launches == []


# -- out


async def test_what_an_agent_left_is_stored_and_told_with_the_end(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    await one.begin(test)
    scene.task(test).leave({"b.txt": b"two", "a/x.bin": b"\0" * 5_000_00}, outputs_left_out=["'l' is a link"])
    await one.watch.look()
    ended = await scene.get(test)
    assert ended.state is State.COMPLETED
    assert await scene.content(test) == {"a/x.bin": b"\0" * 5_000_00, "b.txt": b"two"}
    assert ended.output_expires_at == NOW + timedelta(days=30)
    assert ended.result is not None
    assert ended.result.files_left_out == ["'l' is a link"]
    (event,) = one.stored_events()
    assert [(file.path, file.size) for file in event.files] == [("a/x.bin", 5_000_00), ("b.txt", 3)]
    facts = [letter.subject.split(".")[1] for letter in one.told if letter.subject.startswith("test.")]
    assert facts[-2:] == ["files_stored", "completed"]


async def test_a_test_without_files_stores_and_tells_nothing(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    await one.begin(test)
    scene.task(test).answer()
    await one.watch.look()
    ended = await scene.get(test)
    assert (ended.output_files, ended.output_expires_at) == ([], None)
    assert one.stored_events() == []
    assert await scene.database["artifacts"].count_documents({}) == 0


async def test_a_failed_test_keeps_what_it_left(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    await one.begin(test)
    error = {"type": "ValueError", "message": "boom", "traceback": ""}
    scene.task(test).leave({"a": b"so far"}, outcome="error", code="AGENT_EXCEPTION", error=error)
    await one.watch.look()
    assert (await scene.get(test)).state is State.FAILED
    assert await scene.content(test) == {"a": b"so far"}


async def test_an_attempt_that_is_tried_again_stores_nothing(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    await one.begin(test)
    scene.task(test).leave({"a": b"1"}, outcome="error", code="CANCELLED")  # nobody of ours asked for it
    await one.watch.look()
    assert (await scene.get(test)).state is State.QUEUED
    assert await scene.database["artifacts"].count_documents({}) == 0


async def test_content_that_is_not_what_the_list_says_fails_no_test(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    await one.begin(test)
    scene.task(test).leave({"a": b"1", "b": b"2"})
    scene.task(test).outputs = b"1x"
    await one.watch.look()
    ended = await scene.get(test)
    assert ended.state is State.COMPLETED
    assert await scene.content(test) == {"a": b"1"}
    assert ended.result is not None
    assert ended.result.files_left_out == ["'b' is not what was handed over: its SHA-256 differs"]


async def test_a_store_that_is_away_puts_the_end_off(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    await one.begin(test)
    scene.task(test).leave({"a": b"1"})
    one.artifacts.failures = 2
    for _ in range(2):
        await one.watch.look()
        assert (await scene.get(test)).state is State.BUILDING
    await one.watch.look()
    assert (await scene.get(test)).state is State.COMPLETED
    assert await scene.content(test) == {"a": b"1"}


@pytest.mark.parametrize("moment", ["before the move", "after the move"])
async def test_a_crash_between_storing_and_ending_loses_nothing_and_doubles_nothing(scene: Scene, moment: str) -> None:
    gone, heir = scene.orchestrator("gone"), scene.orchestrator("heir")
    test = await scene.granted()
    await gone.begin(test)
    scene.task(test).leave({"a": b"1" * 1000})
    gone.tests.dies = moment
    await gone.watch.look()
    assert await scene.database["artifacts"].count_documents({}) == 1
    scene.clock.advance(LEASE + timedelta(seconds=1))
    await heir.watch.sweep()
    ended = await scene.get(test)
    assert (ended.state, ended.attempt) == (State.COMPLETED, 1)
    assert await scene.content(test) == {"a": b"1" * 1000}
    assert await scene.database["artifacts"].count_documents({}) == 1
    assert len(gone.stored_events()) + len(heir.stored_events()) == 1
