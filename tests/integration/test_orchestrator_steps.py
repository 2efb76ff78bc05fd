"""The orchestrator's use cases on a real store: who launches, who looks after what, and what a crash leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest

from services.orchestrator.charges import Charges
from services.orchestrator.contents import Contents
from services.orchestrator.finish import Finish
from services.orchestrator.launch import LATEST_AGAIN, SOONEST_AGAIN, Launch
from services.orchestrator.outputs import OutputLimits, Outputs
from services.orchestrator.ports import LaunchFailed, LaunchUnsettled, Phase, Sighting
from services.orchestrator.stop import Stop
from services.orchestrator.watch import UNLAUNCHED, Watch
from shared.clock import ManualClock
from shared.domain.failure import FailureCode, Stage
from shared.domain.lifecycle import MAX_ATTEMPTS, State
from shared.events.letter import Letter
from shared.events.tests import TestSubmitted
from shared.ids import TestId, launch_token
from shared.store.artifacts import Artifacts
from shared.store.connect import Database
from shared.store.documents import Cancel, Execution
from shared.store.executions import Executions
from shared.store.projects import Projects
from tests.support.fakes.runtime import FakeRuntime, FakeTask, TaskWorld
from tests.support.samples import ALICE, NOW, execution, task
from tests.support.until import until

LEASE, START_LIMIT, GRACE = timedelta(seconds=30), timedelta(seconds=60), timedelta(seconds=10)
LAPSED = LEASE + timedelta(seconds=1)
CANCEL = Cancel(requested_at=NOW, by="bob", reason="enough")


class Orchestrator:
    """One replica. Its clock, its tasks and its store are those of the others."""

    def __init__(self, scene: Scene, owner: str) -> None:
        self.runtime, self.charges = FakeRuntime(scene.world), Charges()
        self.told: list[Letter] = []
        tests = Executions(scene.database, self.told.extend)
        outputs = Outputs(Artifacts(scene.database), self.runtime, scene.clock, OutputLimits())
        finish = Finish(tests, self.runtime, self.charges, scene.clock, owner=owner, outputs=outputs)
        self.stop = Stop(tests, self.runtime, self.charges, scene.clock, grace=GRACE)
        self.launch = Launch(
            tests,
            self.runtime,
            self.charges,
            finish,
            self.stop,
            scene.clock,
            owner=owner,
            lease=LEASE,
            start_limit=START_LIMIT,
            contents=Contents(Projects(scene.database)),
            output_limits=OutputLimits(),
        )
        self.watch = Watch(tests, self.charges, self.launch, finish, self.stop, scene.clock, owner=owner, lease=LEASE)

    async def begin(self, test: Execution) -> bool:
        return await self.launch.begin(test.id, test.user_id, test.attempt, "")

    @asynccontextmanager
    async def beginning(self, test: Execution) -> AsyncIterator[asyncio.Task[bool]]:
        """A launch under way; taken down with the block, as a crash would."""
        async with asyncio.TaskGroup() as tasks:
            begun = tasks.create_task(self.begin(test))
            await until(lambda: self.runtime.launches)
            yield begun
            begun.cancel()
            with suppress(asyncio.CancelledError):
                await begun

    @property
    def facts(self) -> list[str]:
        return [".".join(letter.subject.split(".")[:2]) for letter in self.told]


class Scene:
    """A store, tasks, a clock that stands, and as many orchestrators as it takes."""

    def __init__(self, database: Database) -> None:
        self.database, self.world, self.clock = database, TaskWorld(), ManualClock(NOW)
        self.tests = Executions(database, lambda _: None)

    def orchestrator(self, owner: str = "one") -> Orchestrator:
        return Orchestrator(self, owner)

    async def granted(self, attempt: int = 1, **changes: Any) -> Execution:
        test = execution(State.BUILDING, attempt=attempt, **changes)
        await self.tests.submit(test, TestSubmitted(test_id=test.id, user_id=ALICE, at=NOW, priority=4))
        return test

    async def get(self, test: Execution) -> Execution:
        found = await self.tests.get(test.id)
        assert found is not None
        return found

    async def put(self, test_id: TestId, **fields: Any) -> None:
        await self.tests.change(test_id, where={}, set=fields)

    def task(self, test: Execution, attempt: int = 1) -> FakeTask:
        return self.world.tasks[launch_token(test.id, attempt)]


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


# -- launching


async def test_the_intent_is_stored_before_the_launch_and_the_handle_after_it(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    one.runtime.before_launch.clear()
    async with one.beginning(test) as begun:
        intent = (await scene.get(test)).task
        assert intent
        assert (intent.launch_token, intent.handle) == (launch_token(test.id, 1), None)
        assert len(intent.nonce) == 32
        one.runtime.before_launch.set()
        assert await begun
    launched = await scene.get(test)
    assert launched.task
    assert launched.task.handle == {"token": launch_token(test.id, 1)}
    assert launched.times.deadline == NOW + START_LIMIT + timedelta(seconds=test.input.timeout_s)
    assert one.facts == ["test.building", "task.started"]
    assert scene.task(test).spec.nonce == intent.nonce


async def test_however_often_and_by_whom_it_is_begun_one_task_is_launched(scene: Scene) -> None:
    replicas = [scene.orchestrator(f"replica {number}") for number in range(4)]
    test = await scene.granted()
    begun = await asyncio.gather(*(replica.begin(test) for replica in replicas for _ in range(5)))
    assert sum(begun) == 1
    assert sum(len(replica.runtime.launches) for replica in replicas) == 1


@pytest.mark.parametrize("attempt", [0, 2])
async def test_an_order_for_another_attempt_is_not_obeyed(scene: Scene, attempt: int) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    assert not await one.launch.begin(test.id, ALICE, attempt, "")
    assert one.runtime.launches == []


async def test_a_test_that_was_cancelled_before_is_ended_and_not_launched(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted(cancel=CANCEL)
    assert await one.begin(test)
    ended = await scene.get(test)
    assert ended.failure
    assert (ended.state, ended.failure.code) == (State.FAILED, FailureCode.CANCELLED)
    assert ended.logs.ended
    assert one.runtime.launches == []


async def test_secrets_that_the_runtime_cannot_give_end_the_test_before_it_is_launched(scene: Scene) -> None:
    test = execution(State.BUILDING, attempt=1)
    test.input.secret_refs = {"KEY": "arn"}
    one, test = scene.orchestrator(), await scene.granted(input=test.input)
    assert await one.begin(test)
    ended = await scene.get(test)
    assert ended.failure
    assert ended.failure.code is FailureCode.CREDENTIALS_INVALID
    assert one.runtime.launches == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LaunchFailed(FailureCode.CAPACITY_UNAVAILABLE, "full"), FailureCode.CAPACITY_UNAVAILABLE),
        (OSError("no space left"), FailureCode.TASK_START_FAILED),
        (KeyError("a bug"), FailureCode.TASK_START_FAILED),
    ],
    ids=["said", "machine", "bug"],
)
async def test_a_launch_that_fails_is_tried_again_until_the_last_attempt(
    scene: Scene, error: Exception, code: FailureCode
) -> None:
    one = scene.orchestrator()
    one.runtime.error = error
    first, last = await scene.granted(1), await scene.granted(MAX_ATTEMPTS)
    await one.begin(first)
    await one.begin(last)
    again, ended = await scene.get(first), await scene.get(last)
    assert (again.state, again.attempt, again.lease, again.failure) == (State.QUEUED, 1, None, None)
    assert ended.failure
    assert (ended.state, ended.failure.code, ended.lease) == (State.FAILED, code, None)
    assert ended.logs.ended
    assert len(one.charges) == 0


async def test_a_launch_that_can_never_work_is_not_tried_again(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    one.runtime.error = LaunchFailed(FailureCode.IMAGE_PULL_FAILED, "no such image")
    await one.begin(test)
    ended = await scene.get(test)
    assert ended.failure
    assert (ended.state, ended.failure.code) == (State.FAILED, FailureCode.IMAGE_PULL_FAILED)
    assert ended.failure.message == "no such image"


async def test_what_an_abandoned_attempt_left_running_is_stopped_before_the_next_one_is_launched(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted(attempt=2)
    left = task(test.id, 1, handle=None, log_source=None, abandoned={"token": "old"})
    await scene.put(test.id, task=left.model_dump(exclude_none=True))
    assert await one.begin(test)
    assert scene.world.stops == [("old", 0)]
    assert scene.world.cleaned == ["old"]
    launched = await scene.get(test)
    assert launched.task
    assert launched.task.abandoned is None
    assert scene.task(test, 2).spec.first_seq == 1_000_001


async def test_a_cancellation_that_comes_while_it_is_launched_stops_it_at_once(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    one.runtime.before_launch.clear()
    async with one.beginning(test) as begun:
        await scene.put(test.id, cancel=CANCEL.model_dump())
        await one.stop.requested(test.id)  # nothing to stop yet
        one.runtime.before_launch.set()
        await begun
    assert scene.world.stops == [(launch_token(test.id, 1), GRACE.total_seconds())]


# -- crashes between any two steps


@pytest.mark.parametrize("moment", ["before_launch", "after_launch"])
async def test_a_crash_around_the_launch_is_healed_by_another_orchestrator_with_the_same_task(
    scene: Scene, moment: str
) -> None:
    gone, heir = scene.orchestrator("gone"), scene.orchestrator("heir")
    test = await scene.granted()
    getattr(gone.runtime, moment).clear()
    async with gone.beginning(test):
        """And here it dies."""
    await heir.watch.sweep()
    assert heir.runtime.launches == []  # the lease still stands
    scene.clock.advance(LAPSED)
    await heir.watch.sweep()
    assert heir.runtime.launches == gone.runtime.launches  # the very same order: token, nonce and all
    assert len(scene.world.tasks) == 1
    scene.task(test).answer("done")
    await heir.watch.look()
    ended = await scene.get(test)
    assert (ended.state, ended.attempt) == (State.COMPLETED, 1)


# -- launches that did not settle


NO_ROOM = LaunchUnsettled(FailureCode.CAPACITY_UNAVAILABLE, "no room just now")


async def test_a_launch_that_did_not_settle_is_made_again_as_the_same_attempt(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    one.runtime.error = NO_ROOM
    await one.begin(test)
    waiting = await scene.get(test)
    assert (waiting.state, waiting.attempt) == (State.BUILDING, 1)
    await one.watch.renew()
    await one.watch.sweep()
    assert len(one.runtime.launches) == 1  # not at once
    scene.clock.advance(SOONEST_AGAIN + timedelta(seconds=1))
    one.runtime.error = None
    await one.watch.sweep()
    first, second = one.runtime.launches
    assert first == second
    assert (first.repeated, second.repeated) == (False, True)
    scene.task(test).answer("done")
    await one.watch.look()
    assert (await scene.get(test)).state is State.COMPLETED


async def test_a_launch_that_never_settles_is_given_up_and_its_task_stopped_by_its_token(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    one.runtime.error = NO_ROOM
    await one.begin(test)
    while (await scene.get(test)).state is State.BUILDING:
        assert scene.clock.now() - NOW < START_LIMIT + 2 * LATEST_AGAIN
        scene.clock.advance(LATEST_AGAIN + timedelta(seconds=1))
        await one.watch.sweep()
    again = await scene.get(test)
    assert (again.state, again.history[-1].reason[:20]) == (State.QUEUED, "CAPACITY_UNAVAILABLE")
    assert scene.world.stops == [(launch_token(test.id, 1), 0)]


async def test_a_test_cancelled_while_its_launch_is_not_settled_ends_and_leaves_no_task(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    one.runtime.error = NO_ROOM
    await one.begin(test)
    await scene.put(test.id, cancel=CANCEL.model_dump())
    await one.stop.requested(test.id)
    scene.clock.advance(LATEST_AGAIN)
    await one.watch.sweep()
    ended = await scene.get(test)
    assert ended.failure
    assert (ended.state, ended.failure.code) == (State.FAILED, FailureCode.CANCELLED)
    assert scene.world.stops == [(launch_token(test.id, 1), 0)]
    assert len(one.runtime.launches) == 1


async def test_a_task_that_says_that_it_is_done_is_looked_at_more_closely(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    await one.begin(test)
    one.watch.agent_is_done(test.id, 1)
    one.watch.agent_is_done(test.id, 2)
    assert scene.world.ending == [launch_token(test.id, 1)]


async def test_after_a_restart_its_own_tasks_are_taken_up_without_waiting_for_the_lease(scene: Scene) -> None:
    before, test = scene.orchestrator(), await scene.granted()
    await before.begin(test)
    after = scene.orchestrator()
    await after.watch.resume()
    assert after.charges.of_test(test.id)
    assert after.runtime.launches == []
    scene.task(test).answer()
    await after.watch.look()
    assert (await scene.get(test)).state is State.COMPLETED


async def test_a_task_that_ended_while_nobody_watched_is_ended_at_the_restart(scene: Scene) -> None:
    before, test = scene.orchestrator(), await scene.granted()
    await before.begin(test)
    scene.task(test).answer({"a": 1})
    after = scene.orchestrator()
    await after.watch.resume()
    ended = await scene.get(test)
    assert ended.result
    assert (ended.state, ended.result.response_json) == (State.COMPLETED, '{"a":1}')


async def test_a_granted_test_that_no_event_told_of_is_launched_by_the_sweep(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    await one.watch.sweep()
    assert one.runtime.launches == []  # the event may still come
    scene.clock.advance(UNLAUNCHED + timedelta(seconds=1))
    await one.watch.sweep()
    assert [spec.test_id for spec in one.runtime.launches] == [test.id]


async def test_a_launch_that_outlived_its_attempt_is_stopped(scene: Scene) -> None:
    slow, test = scene.orchestrator(), await scene.granted()
    slow.runtime.after_launch.clear()
    async with slow.beginning(test) as begun:
        await scene.put(test.id, state=State.QUEUED)
        await scene.tests.change(test.id, where={}, set={"attempt": 2}, unset=["lease"])
        slow.runtime.after_launch.set()
        await begun
    assert scene.world.stops == [(launch_token(test.id, 1), 0)]
    assert scene.world.cleaned == [launch_token(test.id, 1)]
    assert len(slow.charges) == 0


async def test_a_launch_that_was_taken_over_meanwhile_is_left_to_the_new_owner(scene: Scene) -> None:
    slow, heir = scene.orchestrator("slow"), scene.orchestrator("heir")
    test = await scene.granted()
    slow.runtime.after_launch.clear()
    async with slow.beginning(test) as begun:
        scene.clock.advance(LAPSED)
        await heir.watch.sweep()
        slow.runtime.after_launch.set()
        await begun
    assert (scene.world.stops, scene.world.cleaned) == ([], [])
    assert len(slow.charges) == 0
    assert heir.charges.of_test(test.id)


async def test_who_lost_its_lease_ends_nothing_and_cleans_nothing_up(scene: Scene) -> None:
    slow, heir = scene.orchestrator("slow"), scene.orchestrator("heir")
    test = await scene.granted()
    await slow.begin(test)
    scene.clock.advance(LAPSED)
    await heir.watch.sweep()
    scene.task(test).answer()
    await slow.watch.look()
    assert (await scene.get(test)).state is State.BUILDING
    assert scene.world.cleaned == []
    assert len(slow.charges) == 0
    await heir.watch.look()
    assert (await scene.get(test)).state is State.COMPLETED
    assert scene.world.cleaned == [launch_token(test.id, 1)]


async def test_leases_of_tasks_and_of_launches_under_way_are_renewed(scene: Scene) -> None:
    one = scene.orchestrator()
    watched, launching = await scene.granted(), await scene.granted()
    await one.begin(watched)
    one.runtime.before_launch.clear()
    one.runtime.launches.clear()
    async with one.beginning(launching):
        scene.clock.advance(LEASE / 2)
        await one.watch.renew()
        for test in (watched, launching):
            held = (await scene.get(test)).lease
            assert held
            assert held.until == NOW + LEASE / 2 + LEASE


# -- phases


async def test_the_phase_running_moves_the_test_once(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    await one.begin(test)
    since = NOW + timedelta(seconds=1)
    moves = await asyncio.gather(*(one.watch.agent_runs(test.id, 1, since, "") for _ in range(5)))
    assert sum(moves) == 1
    running = await scene.get(test)
    assert (running.state, running.times.started) == (State.RUNNING, since)


async def test_a_phase_that_another_replica_hears_moves_the_test_too(scene: Scene) -> None:
    owner, other = scene.orchestrator("owner"), scene.orchestrator("other")
    test = await scene.granted()
    await owner.begin(test)
    assert await other.watch.agent_runs(test.id, 1, NOW, "")
    scene.task(test).answer()
    await owner.watch.look()
    ended = await scene.get(test)
    assert [entry.state for entry in ended.history[1:]] == [State.RUNNING, State.COMPLETED]


@pytest.mark.parametrize("attempt", [0, 2])
async def test_a_phase_of_another_attempt_moves_nothing(scene: Scene, attempt: int) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    await one.begin(test)
    assert not await one.watch.agent_runs(test.id, attempt, NOW, "")
    assert (await scene.get(test)).state is State.BUILDING


async def test_a_phase_that_comes_after_the_end_moves_nothing(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    await one.begin(test)
    scene.task(test).answer()
    await one.watch.look()
    assert not await one.watch.agent_runs(test.id, 1, NOW, "")
    ended = await scene.get(test)
    assert [entry.state for entry in ended.history[1:]] == [State.RUNNING, State.COMPLETED]


# -- ends


async def test_an_end_is_written_once_with_everything_that_is_known(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    await one.begin(test)
    scene.clock.advance(timedelta(seconds=5))
    scene.task(test).answer(
        {"a": [1, None]},
        phases={"build_ms": 1.0, "run_ms": 2000.0},
        cpu_s=0.5,
        peak_memory_bytes=4096,
        usage={"input_tokens": 1, "output_tokens": 2},
        entry={"name": "agent:run", "call": "run(query)", "query_passed": True, "candidates": ["agent:main"]},
        conversions=[{"path": "answer", "type": "set", "how": "list"}],
        outputs_left_out=["x: a link"],
    )
    await asyncio.gather(*(one.watch.look() for _ in range(5)))
    ended = await scene.get(test)
    assert ended.result
    assert ended.result.response_json == '{"a":[1,null]}'
    metrics = ended.result.metrics
    assert (metrics.run_ms, metrics.total_ms, metrics.cpu_s, metrics.peak_memory_bytes) == (2000.0, 5000.0, 0.5, 4096)
    assert ended.result.usage
    assert ended.result.usage.output_tokens == 2
    assert ended.result.entry
    assert (ended.result.entry.name, ended.result.entry.candidates) == ("agent:run", ["agent:main"])
    assert [(one.path, one.type, one.how) for one in ended.result.conversions] == [("answer", "set", "list")]
    assert ended.result.files_left_out == ["x: a link"]
    assert ended.times.finished == NOW + timedelta(seconds=5)
    assert ended.times.started == NOW + timedelta(seconds=3)
    assert ended.lease is None
    assert scene.world.cleaned == [launch_token(test.id, 1)]
    assert one.facts[2:] == ["task.stopped", "test.running", "test.completed"]


async def test_what_was_called_and_a_hint_are_kept_of_a_test_that_failed(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    await one.begin(test)
    scene.task(test).answer(
        None,
        outcome="error",
        code="AGENT_EXCEPTION",
        error={"type": "KeyError", "message": "'KEY'", "traceback": "", "hint": "Set KEY with --env KEY."},
        entry={"name": "agent:run", "call": "run(query)", "query_passed": True},
    )
    await one.watch.look()
    ended = await scene.get(test)
    assert ended.failure
    assert ended.failure.hint == "Set KEY with --env KEY."
    assert ended.result
    assert ended.result.entry
    assert ended.result.entry.call == "run(query)"


async def test_a_result_that_is_not_from_the_harness_ends_the_test_as_our_fault(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    await one.begin(test)
    scene.task(test).end(0, b'{"nonce":"guessed","outcome":"success"}')
    await one.watch.look()
    ended = await scene.get(test)
    assert ended.failure
    assert (ended.failure.code, ended.failure.stage) == (FailureCode.INTERNAL, Stage.RESULT)


async def test_a_task_that_is_missing_is_tried_again_and_its_handle_forgotten(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    await one.begin(test)
    scene.world.tasks.clear()
    await one.watch.look()
    again = await scene.get(test)
    assert (again.state, again.attempt, again.lease) == (State.QUEUED, 1, None)
    assert again.task
    assert (again.task.handle, again.task.log_source) == (None, None)
    assert len(one.charges) == 0


async def test_a_cancellation_whose_event_was_lost_is_found_by_the_sweep(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    await one.begin(test)
    await scene.put(test.id, cancel=CANCEL.model_dump())
    for _ in range(2):
        await one.watch.sweep()
    assert scene.world.stops == [(launch_token(test.id, 1), GRACE.total_seconds())]


async def test_any_replica_tells_a_cancelled_task_to_stop_and_its_owner_ends_the_test(scene: Scene) -> None:
    owner, other = scene.orchestrator("owner"), scene.orchestrator("other")
    test = await scene.granted()
    await owner.begin(test)
    await scene.put(test.id, cancel=CANCEL.model_dump())
    await other.stop.requested(test.id)
    assert scene.world.stops == [(launch_token(test.id, 1), GRACE.total_seconds())]
    scene.task(test).end(143)
    await owner.watch.look()
    ended = await scene.get(test)
    assert ended.failure
    assert ended.failure.code is FailureCode.CANCELLED
    assert ended.failure.message == "Cancelled by bob before it ran: enough"


async def test_what_does_not_stop_when_asked_is_not_asked_again(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    await one.begin(test)
    token, graces = launch_token(test.id, 1), []
    scene.clock.advance(START_LIMIT + timedelta(seconds=test.input.timeout_s))
    for _ in range(3):
        await one.watch.look()
    graces.append(scene.world.stops[:])
    scene.clock.advance(3 * GRACE)
    await one.watch.look()
    assert graces == [[(token, GRACE.total_seconds())]]
    assert scene.world.stops == [(token, GRACE.total_seconds()), (token, 0)]
    scene.task(test).end(137)
    await one.watch.look()
    ended = await scene.get(test)
    assert ended.failure
    assert (ended.state, ended.failure.code) == (State.TIMED_OUT, FailureCode.TIMED_OUT)


async def test_a_test_that_was_taken_away_is_let_go_of_and_its_task_stopped(scene: Scene) -> None:
    one, test = scene.orchestrator(), await scene.granted()
    await one.begin(test)
    await scene.tests.change(test.id, where={}, set={"attempt": 2, "state": State.QUEUED}, unset=["lease"])
    await one.watch.sweep()
    assert len(one.charges) == 0
    assert scene.world.stops == [(launch_token(test.id, 1), 0)]


async def test_many_tasks_that_end_at_once_are_all_ended(scene: Scene) -> None:
    one = scene.orchestrator()
    tests = [await scene.granted() for _ in range(120)]
    await asyncio.gather(*(one.begin(test) for test in tests))
    for number, test in enumerate(tests):
        if number % 3:
            scene.task(test).answer(number)
        else:
            scene.task(test).sighting = Sighting(Phase.STOPPED, 137)
    await one.watch.look()
    states: Sequence[State] = [(await scene.get(test)).state for test in tests]
    assert states == [State.COMPLETED if number % 3 else State.QUEUED for number in range(120)]
    assert len(one.charges) == 0
