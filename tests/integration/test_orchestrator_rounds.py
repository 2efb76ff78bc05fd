"""The orchestrator's rounds on a real store: what a crash of the database or one bad handle must not do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from services.orchestrator.charges import Charges
from services.orchestrator.contents import Contents
from services.orchestrator.finish import Finish
from services.orchestrator.launch import Launch
from services.orchestrator.outputs import OutputLimits, Outputs
from services.orchestrator.ports import Handle, Phase, Sighting
from services.orchestrator.runtimes.scripted import ScriptedRuntime
from services.orchestrator.stop import Stop
from services.orchestrator.watch import Watch
from shared.clock import ManualClock
from shared.domain.lifecycle import State
from shared.events.tests import TestSubmitted
from shared.ids import TestId
from shared.store.artifacts import Artifacts
from shared.store.connect import Database
from shared.store.documents import Execution, ModelSetting
from shared.store.executions import Executions
from shared.store.projects import Projects
from tests.support.samples import ALICE, NOW, execution

LEASE = timedelta(seconds=30)


class OneBadHandle(ScriptedRuntime):
    """Cannot look at one of its tasks, nor at any that it is asked for together with that one."""

    bad: str = ""

    async def inspect(self, handles: Sequence[Handle]) -> Sequence[Sighting]:
        if any(handle["token"] == self.bad for handle in handles):
            raise OSError("this one cannot be read")
        return await super().inspect(handles)

    async def stop(self, handle: Handle, *, grace_s: float) -> None:
        if handle["token"] == self.bad:
            raise OSError("this one cannot be stopped")
        await super().stop(handle, grace_s=grace_s)


class Orchestrator:
    """Its use cases on this store, with a clock that stands."""

    def __init__(self, database: Database, default_model: ModelSetting | None = None) -> None:
        self.database, self.clock = database, ManualClock(NOW)
        self.runtime, self.charges = OneBadHandle(self.clock), Charges()
        self.tests = Executions(database, lambda _: None)
        outputs = Outputs(Artifacts(database), self.runtime, self.clock, OutputLimits())
        finish = Finish(self.tests, self.runtime, self.charges, self.clock, owner="one", outputs=outputs)
        stop = Stop(self.tests, self.runtime, self.charges, self.clock, grace=timedelta(seconds=1))
        self.launch = Launch(
            self.tests,
            self.runtime,
            self.charges,
            finish,
            stop,
            self.clock,
            owner="one",
            lease=LEASE,
            start_limit=timedelta(seconds=60),
            contents=Contents(Projects(database)),
            output_limits=OutputLimits(),
            default_model=default_model,
        )
        self.watch = Watch(self.tests, self.charges, self.launch, finish, stop, self.clock, owner="one", lease=LEASE)

    async def granted(self) -> Execution:
        test = execution(State.BUILDING, attempt=1)
        await self.tests.submit(test, TestSubmitted(test_id=test.id, user_id=ALICE, at=NOW, priority=4))
        return test

    async def begun(self) -> Execution:
        test = await self.granted()
        assert await self.launch.begin(test.id, ALICE, 1, "")
        return await self.now(test)

    async def now(self, test: Execution) -> Execution:
        found = await self.tests.get(test.id)
        assert found is not None
        return found


@pytest.fixture
def orchestrator(database: Database) -> Orchestrator:
    return Orchestrator(database)


async def test_a_launch_that_the_store_lost_is_written_again_before_the_test_ends(orchestrator: Orchestrator) -> None:
    test = await orchestrator.begun()
    lost = {"task.handle": "", "task.log_source": "", "logs.until": "", "times.deadline": ""}
    await orchestrator.database["executions"].update_one({"_id": test.id}, {"$unset": lost})
    orchestrator.clock.advance(timedelta(seconds=5))
    await orchestrator.watch.look()
    assert (await orchestrator.now(test)).state is State.BUILDING  # it ended, and nobody would have read its output
    await orchestrator.watch.sweep()
    ended = await orchestrator.now(test)
    assert (ended.state, ended.attempt) == (State.COMPLETED, 1)
    assert ended.task is not None
    assert ended.task.log_source
    assert ended.logs.until is not None
    assert len(orchestrator.charges) == 0


async def test_a_launch_that_the_store_went_away_under_goes_on_when_the_event_comes_again(
    orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = await orchestrator.granted()
    change = orchestrator.tests.change

    async def away_for_the_record(test_id: TestId, **more: Any) -> Execution | None:
        if "task.handle" in more["set"]:
            raise AutoReconnect("connection closed")
        return await change(test_id, **more)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(orchestrator.tests, "change", away_for_the_record)
        with pytest.raises(AutoReconnect):
            await orchestrator.launch.begin(test.id, ALICE, 1, "")
    assert not orchestrator.charges.of_test(test.id)

    assert await orchestrator.launch.begin(test.id, ALICE, 1, "")
    assert orchestrator.charges.of_test(test.id, 1)
    task = (await orchestrator.now(test)).task
    assert task is not None
    assert task.handle is not None
    assert not await orchestrator.launch.begin(test.id, ALICE, 1, "")  # and once more changes nothing
    orchestrator.clock.advance(timedelta(seconds=5))
    await orchestrator.watch.look()
    ended = await orchestrator.now(test)
    assert (ended.state, ended.attempt) == (State.COMPLETED, 1)


async def test_a_launch_that_another_looks_after_is_left_to_it(orchestrator: Orchestrator) -> None:
    test = await orchestrator.granted()
    theirs = {"lease": {"owner": "two", "until": NOW + LEASE}}
    await orchestrator.database["executions"].update_one({"_id": test.id}, {"$set": theirs})
    assert not await orchestrator.launch.begin(test.id, ALICE, 1, "")
    assert len(orchestrator.charges) == 0


async def test_one_task_that_cannot_be_looked_at_hides_and_holds_up_no_other(orchestrator: Orchestrator) -> None:
    bad, good = await orchestrator.begun(), await orchestrator.begun()
    assert bad.task is not None
    orchestrator.runtime.bad = bad.task.launch_token
    orchestrator.clock.advance(timedelta(seconds=5))
    await orchestrator.watch.look()
    assert [(await orchestrator.now(test)).state for test in (bad, good)] == [State.BUILDING, State.COMPLETED]
    late = await orchestrator.begun()
    orchestrator.clock.advance(timedelta(hours=1))
    await orchestrator.watch.look()  # past its deadline, and cannot be stopped either
    assert (await orchestrator.now(late)).state is State.COMPLETED


async def test_an_earlier_attempt_that_cannot_be_stopped_costs_this_attempt_and_not_its_slot_for_ever(
    orchestrator: Orchestrator,
) -> None:
    test = await orchestrator.granted()
    orchestrator.runtime.bad = "earlier"
    await orchestrator.database["executions"].update_one(
        {"_id": test.id}, {"$set": {"task.abandoned": {"token": "earlier"}}}
    )
    assert await orchestrator.launch.begin(test.id, ALICE, 1, "")
    now = await orchestrator.now(test)
    assert (now.state, now.lease) == (State.QUEUED, None)


async def test_a_launch_under_way_is_not_begun_again_by_the_sweep_that_finds_its_lease_lapsed(
    orchestrator: Orchestrator,
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    launches = 0
    launch = orchestrator.runtime.launch

    async def slow(spec):  # type: ignore[no-untyped-def]
        nonlocal launches
        launches += 1
        begun.set()
        await go_on.wait()
        return await launch(spec)

    orchestrator.runtime.launch = slow  # type: ignore[method-assign]
    test = await orchestrator.granted()
    async with asyncio.TaskGroup() as tasks:
        beginning = tasks.create_task(orchestrator.launch.begin(test.id, ALICE, 1, ""))
        await begun.wait()
        orchestrator.clock.advance(2 * LEASE)
        await orchestrator.watch.sweep()
        go_on.set()
        assert await beginning
    assert launches == 1
    assert len(orchestrator.charges) + ((await orchestrator.now(test)).state is State.COMPLETED) == 1


async def test_a_task_that_the_scheduler_gave_up_with_its_test_is_stopped_by_whoever_is_there(
    orchestrator: Orchestrator,
) -> None:
    """No next attempt would do it: the test has had its last one."""
    test = await orchestrator.begun()
    assert test.task is not None
    assert test.task.handle is not None
    handle = test.task.handle
    await orchestrator.database["executions"].update_one(
        {"_id": test.id},
        {"$set": {"state": State.FAILED, "task.abandoned": handle}, "$unset": {"lease": "", "task.handle": ""}},
    )
    for charge in orchestrator.charges:
        orchestrator.charges.drop(charge)
    (sighting,) = await orchestrator.runtime.inspect([handle])
    assert sighting.phase is not Phase.MISSING
    await orchestrator.watch.sweep()
    (sighting,) = await orchestrator.runtime.inspect([handle])
    assert sighting.phase is Phase.MISSING
    now = await orchestrator.now(test)
    assert now.task is not None
    assert now.task.abandoned is None


async def test_the_model_that_the_operator_chose_is_stored_with_the_test(database: Database) -> None:
    """A retry repeats what was tested, and a package is of it, whatever the operator chooses later."""
    chosen = ModelSetting(provider="ollama", model_id="small", base_url="http://models:11434")
    test = await Orchestrator(database, chosen).begun()
    assert test.input.model == chosen
