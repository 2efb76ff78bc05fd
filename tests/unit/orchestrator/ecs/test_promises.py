"""What the ecs runtime promises where the tools of today have open complaints. One test for each, on a scripted AWS."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

import pytest

from services.orchestrator.ports import Handle, LaunchFailed, LaunchUnsettled, Phase
from shared.domain.failure import FailureCode
from shared.ids import TestId
from tests.support.fakes.scripted_ecs import DISGUISED, THROTTLED, Refused
from tests.support.scripted_aws import Scene, ending, in_no_time, look

# -- one task, whatever happens (apache/airflow#72421, #41487; PrefectHQ/prefect#20485)


@in_no_time
async def test_a_restart_between_run_task_and_the_arn_write_leaves_one_task() -> None:
    scene = Scene()
    spec = scene.spec(run_for=60)
    async with scene.runtime() as gone:
        before = await gone.launch(spec)
    await asyncio.sleep(40)
    async with scene.runtime() as heir:
        assert await heir.launch(replace(spec, repeated=True)) == before
    assert len(scene.cloud.tasks) == 1
    assert not scene.cloud.wrong


@in_no_time
async def test_a_repeated_launch_sends_the_same_bytes_and_needs_no_look_before() -> None:
    scene = Scene()
    spec = scene.spec(run_for=60)
    async with scene.runtime() as one, scene.runtime() as other:
        first = await one.launch(spec)
        await asyncio.sleep(30)
        assert await other.launch(spec) == first
    assert len(scene.cloud.tasks) == 1
    assert scene.cloud.count()["ListTasks"] == 0


@in_no_time
async def test_a_launch_with_other_credentials_finds_the_task_that_has_the_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()
    spec = scene.spec(run_for=60)
    async with scene.runtime() as gone:
        before = await gone.launch(spec)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")  # its links are signed by another one: other bytes
    async with scene.runtime() as heir:
        assert await heir.launch(spec) == before
    assert len(scene.cloud.tasks) == 1


@in_no_time
async def test_a_task_that_had_ended_before_the_restart_is_not_started_again() -> None:
    scene = Scene()
    spec = scene.spec(run_for=1)
    async with scene.runtime() as gone:
        before = await gone.launch(spec)
    scene.cloud._tokens.clear()  # after 24 hours ECS forgets them, and some emulators never know them
    await asyncio.sleep(300)
    async with scene.runtime() as heir:
        assert await heir.launch(replace(spec, repeated=True)) == before
        assert (await ending(heir, before.handle)).exit_code == 0
    assert len(scene.cloud.tasks) == 1


@in_no_time
async def test_an_answer_of_run_task_that_is_lost_makes_no_second_task() -> None:
    scene = Scene()
    scene.cloud.fail("RunTask", None, answer_lost=True)
    async with scene.runtime() as runtime:
        launched = await runtime.launch(scene.spec())
        assert (await ending(runtime, launched.handle)).exit_code == 0
    assert scene.cloud.count()["RunTask"] == 2
    assert len(scene.cloud.tasks) == 1


@in_no_time
async def test_a_launch_that_aws_never_answers_is_unsettled_and_not_failed() -> None:
    scene = Scene()
    scene.cloud.fail("RunTask", None, times=1000, answer_lost=True)
    spec = scene.spec(run_for=3600)
    async with scene.runtime() as runtime:
        with pytest.raises(LaunchUnsettled):
            await runtime.launch(spec)
        scene.cloud.faults.clear()
        again = await runtime.launch(replace(spec, repeated=True))
        assert again.handle["arn"] in scene.cloud.tasks
    assert len(scene.cloud.tasks) == 1


@in_no_time
async def test_two_replicas_that_register_the_same_definition_do_not_disturb_each_other() -> None:
    scene = Scene()
    async with scene.runtime() as one, scene.runtime() as other:
        await asyncio.gather(*(each.launch(scene.spec()) for each in (one, other) for _ in range(5)))
    assert len(set(scene.cloud.registrations)) == 1
    assert len(scene.cloud.tasks) == 10


@in_no_time
async def test_a_definition_is_used_again_after_a_restart_and_made_again_where_somebody_removed_it() -> None:
    scene = Scene()
    async with scene.runtime() as runtime:
        await runtime.launch(scene.spec())
        await runtime.launch(scene.spec())
    async with scene.runtime() as later:
        await later.launch(scene.spec())
        assert len(scene.cloud.registrations) == 1
        scene.cloud.definitions.clear()
        await later.launch(scene.spec())
    assert len(scene.cloud.registrations) == 2


# -- throttling (PrefectHQ/prefect#18584, dagster-io/dagster#33439)


@in_no_time
async def test_throttling_disguised_as_an_invalid_parameter_is_waited_out() -> None:
    scene = Scene()
    for operation in ("RegisterTaskDefinition", "RunTask", "DescribeTasks"):
        scene.cloud.fail(operation, DISGUISED, times=4)
    async with scene.runtime() as runtime:
        launched = await runtime.launch(scene.spec(run_for=3))
        assert (await ending(runtime, launched.handle)).exit_code == 0
    assert len(scene.cloud.tasks) == 1


@in_no_time
async def test_describe_tasks_throttled_for_minutes_fails_no_test() -> None:
    scene = Scene()
    async with scene.runtime() as runtime:
        handles = [(await runtime.launch(scene.spec(run_for=10))).handle for _ in range(20)]
        scene.cloud.fail("DescribeTasks", THROTTLED, times=100)
        for _ in range(60):
            seen = await runtime.inspect(handles)
            assert {one.phase for one in seen} <= {Phase.PENDING, Phase.RUNNING, Phase.STOPPED}
            await asyncio.sleep(5)
        scene.cloud.faults.clear()
        assert {(await ending(runtime, handle)).exit_code for handle in handles} == {0}


# -- cancel (PrefectHQ/prefect#18585, apache/airflow#36090, dagster-io/dagster#33643)


@in_no_time
async def test_a_cancelled_test_frees_its_slot_though_stop_task_is_throttled() -> None:
    scene = Scene()
    async with scene.runtime() as runtime:
        launched = await runtime.launch(scene.spec(run_for=3600))
        await asyncio.sleep(5)
        scene.cloud.fail("StopTask", THROTTLED, times=60)
        began = asyncio.get_running_loop().time()
        await runtime.stop(launched.handle, grace_s=30)
        assert asyncio.get_running_loop().time() == began  # nobody waits for AWS
        sighting = await ending(runtime, launched.handle, within_s=600)
    assert (sighting.exit_code, sighting.stop_code) == (143, "UserInitiated")
    assert not scene.cloud.running()


@in_no_time
async def test_a_task_is_told_to_stop_once_however_often_that_is_asked() -> None:
    scene = Scene()
    async with scene.runtime() as runtime:
        launched = await runtime.launch(scene.spec(run_for=3600, ignores_stop=True, stop_timeout=30))
        await asyncio.sleep(5)
        for _ in range(20):
            await runtime.stop(launched.handle, grace_s=0)
            await asyncio.sleep(1)
        assert (await ending(runtime, launched.handle)).exit_code == 137
    assert scene.cloud.count()["StopTask"] == 1


@in_no_time
async def test_a_launch_of_which_only_the_token_is_known_is_stopped() -> None:
    scene = Scene()
    spec = scene.spec(run_for=3600, missing_for=20)
    async with scene.runtime() as gone:
        await gone.launch(spec)
    async with scene.runtime() as heir:
        handle = heir.handle_of(spec)
        await heir.stop(handle, grace_s=0)
        await heir.cleanup(handle)
        await asyncio.sleep(60)
    assert not scene.cloud.running()


@in_no_time
async def test_a_task_that_ecs_agreed_to_stop_and_never_does_holds_its_slot_for_ten_minutes_and_not_for_ever() -> None:
    scene = Scene()
    async with scene.runtime() as runtime:
        launched = await runtime.launch(scene.spec(run_for=1e6, ignores_stop=True, stop_timeout=1e6))
        await asyncio.sleep(5)
        await runtime.stop(launched.handle, grace_s=30)
        sighting = await ending(runtime, launched.handle, within_s=700)
    assert sighting.cause is FailureCode.TASK_LOST
    assert "told to stop" in str(sighting.stop_reason)


# -- a task that never starts (dagster-io/dagster#17212)


@in_no_time
async def test_a_task_that_never_starts_is_stopped_and_told_as_such() -> None:
    scene = Scene()
    async with scene.runtime(start_timeout_s=600) as runtime:
        launched = await runtime.launch(scene.spec(starts_after=1e6))
        sighting = await ending(runtime, launched.handle, within_s=660)
    assert (sighting.cause, sighting.exit_code) == (FailureCode.TASK_START_TIMEOUT, None)
    assert not scene.cloud.running()


@in_no_time
async def test_a_task_that_failed_to_start_says_why() -> None:
    scene = Scene()
    why = "Timeout waiting for network interface provisioning to complete."
    async with scene.runtime() as runtime:
        launched = await runtime.launch(scene.spec(fails_to_start=why))
        sighting = await ending(runtime, launched.handle)
    assert (sighting.cause, sighting.stop_reason) == (FailureCode.TASK_START_FAILED, why)


# -- out of memory (dagster-io/dagster#17448)


@in_no_time
async def test_out_of_memory_is_shown_as_such() -> None:
    scene = Scene()
    oom = "OutOfMemoryError: Container killed due to memory usage"
    async with scene.runtime() as runtime:
        launched = await runtime.launch(scene.spec(run_for=2, no_result=True, exit_code=137, container_reason=oom))
        sighting = await ending(runtime, launched.handle)
    assert sighting.out_of_memory
    assert sighting.cause is FailureCode.OUT_OF_MEMORY


# -- eventual consistency, and an ECS that forgets


@in_no_time
async def test_a_task_that_is_missing_at_first_is_waited_for() -> None:
    scene = Scene()
    async with scene.runtime() as runtime:
        launched = await runtime.launch(scene.spec(run_for=100, missing_for=80))
        for _ in range(80):
            assert (await look(runtime, launched.handle)).phase is Phase.PENDING
            await asyncio.sleep(1)
        assert (await ending(runtime, launched.handle)).exit_code == 0


@in_no_time
async def test_a_task_that_stays_missing_is_missing_after_a_while() -> None:
    scene = Scene()
    async with scene.runtime() as runtime:
        launched = await runtime.launch(scene.spec(run_for=3600, forgotten_after=100))
        await asyncio.sleep(110)
        assert (await look(runtime, launched.handle)).phase is Phase.RUNNING
        assert (await ending(runtime, launched.handle)).phase is Phase.MISSING


@in_no_time
async def test_stop_data_is_remembered_when_ecs_has_forgotten_it() -> None:
    scene = Scene()
    async with scene.runtime() as runtime:
        launched = await runtime.launch(scene.spec(run_for=5, fails=True, forgotten_after=20))
        await ending(runtime, launched.handle)
        for _ in range(40):
            await asyncio.sleep(100)
            assert (await look(runtime, launched.handle)).exit_code == 1


# -- the end is seen at once


@in_no_time
async def test_an_answer_ends_the_test_before_ecs_has_noticed_the_end() -> None:
    scene = Scene()
    heard: list[Handle] = []
    async with scene.runtime() as runtime:
        runtime.watch(heard.append)
        launched = await runtime.launch(scene.spec(run_for=30, result_only=True))
        await asyncio.sleep(31)
        runtime.ends_soon(launched.handle)
        await asyncio.sleep(0.01)
        assert heard[-1] == launched.handle
        assert (await look(runtime, launched.handle)).stop_code == "Answered"
        assert json.loads(await runtime.collect(launched.handle) or b"")["response"] == "done"
        await runtime.cleanup(launched.handle)
        assert scene.cloud.running()  # it may still write its last lines
        await asyncio.sleep(30)
    assert not scene.cloud.running()


@in_no_time
async def test_a_container_that_ends_by_itself_after_its_answer_is_not_told_to() -> None:
    scene = Scene()
    async with scene.runtime() as runtime:
        launched = await runtime.launch(scene.spec(run_for=30, stopped_after=10))
        await asyncio.sleep(30.06)
        runtime.ends_soon(launched.handle)
        await asyncio.sleep(0.01)
        await runtime.cleanup(launched.handle)
        await asyncio.sleep(60)
        looks = scene.cloud.count()["DescribeTasks"]
        await asyncio.sleep(60)
    assert scene.cloud.count()["DescribeTasks"] == looks
    assert scene.cloud.count()["StopTask"] == 0


@in_no_time
async def test_a_failure_waits_for_what_ecs_says_of_it() -> None:
    scene = Scene()
    async with scene.runtime() as runtime:
        launched = await runtime.launch(scene.spec(run_for=30, fails=True, result_only=True))
        await asyncio.sleep(31)
        runtime.ends_soon(launched.handle)
        await asyncio.sleep(10)
        assert (await look(runtime, launched.handle)).phase is Phase.RUNNING


@in_no_time
async def test_an_event_of_the_feed_tells_of_an_end_at_once() -> None:
    scene = Scene()
    heard: list[float] = []
    loop = asyncio.get_running_loop()
    async with scene.runtime(events_queue_url="https://sqs/queue") as runtime:
        runtime.watch(lambda _: heard.append(loop.time()))
        launched = await runtime.launch(scene.spec(run_for=300))
        await asyncio.sleep(20)
        heard.clear()
        task = scene.cloud.tasks[str(launched.handle["arn"])]
        task.script.run_for = 20.5
        detail = task.describe(scene.clock.now().timestamp() + 5)
        event = {"detail-type": "ECS Task State Change", "detail": detail}
        scene.cloud.messages.append({"Body": json.dumps(event), "ReceiptHandle": "r"})
        scene.cloud.messages.append({"Body": "not an event", "ReceiptHandle": "r"})
        await asyncio.sleep(1)
        assert heard
        assert (await look(runtime, launched.handle)).exit_code == 0


# -- nothing is left behind


@in_no_time
async def test_context_and_result_are_deleted_at_the_end() -> None:
    scene = Scene()
    async with scene.runtime() as runtime:
        launched = await runtime.launch(scene.spec())
        await ending(runtime, launched.handle)
        assert await runtime.collect(launched.handle)
        assert len(scene.cloud.objects) == 2
        await runtime.cleanup(launched.handle)
        assert scene.cloud.objects == {}
        assert scene.cloud.count()["StopTask"] == 0


@in_no_time
async def test_a_task_that_no_test_owns_is_stopped_and_nobody_elses() -> None:
    scene = Scene()
    async with scene.runtime() as runtime:
        specs = {name: scene.spec(run_for=1e6) for name in ("owned", "ended", "older", "unknown")}
        for spec in specs.values():
            await runtime.launch(spec)
        async with scene.runtime(deployment="staging") as other:
            elsewhere = scene.spec(run_for=1e6)
            await other.launch(elsewhere)
        known = {"owned": 1, "ended": 0, "older": 2}

        async def alive(tests: Collection[TestId]) -> dict[TestId, int]:
            return {specs[name].test_id: attempt for name, attempt in known.items()} | {elsewhere.test_id: 0}

        await runtime.tidy(alive)
        assert len(scene.cloud.running()) == 5  # too young to be judged
        await asyncio.sleep(120)
        await runtime.tidy(alive)
        await asyncio.sleep(60)
        assert len(scene.cloud.running()) == 5  # seen once
        await runtime.tidy(alive)
        await asyncio.sleep(10)
        left = {task.context["test_id"] for task in scene.cloud.running()}
        assert left == {specs["owned"].test_id, specs["unknown"].test_id, elsewhere.test_id}


@in_no_time
async def test_a_log_group_deleted_in_the_middle_is_made_again() -> None:
    scene = Scene()
    why = (
        "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed "
        "to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist."
    )
    async with scene.runtime() as runtime:
        scene.cloud.log_groups.clear()
        launched = await runtime.launch(scene.spec(fails_to_start=why))
        assert (await ending(runtime, launched.handle)).cause is FailureCode.TASK_START_FAILED
        await asyncio.sleep(10)
        assert scene.cloud.log_groups == {"/assay/tests"}


# -- secrets


@in_no_time
async def test_secrets_go_to_ecs_by_arn_and_their_names_to_the_harness() -> None:
    scene = Scene()
    scene.cloud.secrets["assay/key"] = "hidden"
    async with scene.runtime() as runtime:
        await runtime.launch(scene.spec(spec_secret_refs={"API_KEY": "assay/key"}))
    (definition,) = scene.cloud.definitions.values()
    (secret,) = definition["containerDefinitions"][0]["secrets"]
    assert secret["name"] == "API_KEY"
    assert secret["valueFrom"].endswith(":secret:assay/key-AbCdEf")
    (task,) = scene.cloud.tasks.values()
    assert task.context["secret_names"] == ["API_KEY"]
    assert "hidden" not in json.dumps(task.order) + json.dumps(task.context) + json.dumps(definition)


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("assay/nowhere", "There is no secret assay/nowhere in eu-central-1."),
        ("production/database", "may not use the secret production/database"),
        ("arn:aws:secretsmanager:eu-central-1:123456789012:secret:production/db-AbCdEf", "may not use the secret arn:"),
    ],
)
@in_no_time
async def test_a_secret_that_cannot_be_used_is_named(reference: str, says: str) -> None:
    scene = Scene()
    async with scene.runtime() as runtime:
        with pytest.raises(LaunchFailed) as failed:
            await runtime.launch(scene.spec(spec_secret_refs={"KEY": reference}))
    assert failed.value.code is FailureCode.CREDENTIALS_INVALID
    assert says in str(failed.value)
    assert not scene.cloud.tasks


@in_no_time
async def test_a_secret_that_may_not_be_looked_at_is_named() -> None:
    scene = Scene()
    scene.cloud.fail("DescribeSecret", Refused("AccessDeniedException", "not authorized to perform this action"))
    async with scene.runtime() as runtime:
        with pytest.raises(LaunchFailed, match="may not look at the secret assay/key") as failed:
            await runtime.launch(scene.spec(spec_secret_refs={"KEY": "assay/key"}))
    assert failed.value.code is FailureCode.CREDENTIALS_INVALID


# -- what a launch can be refused for


@in_no_time
async def test_a_launch_that_is_refused_leaves_no_code_in_the_bucket() -> None:
    scene = Scene()
    scene.cloud.fail("RunTask", Refused("ClusterNotFoundException", "Cluster not found."))
    async with scene.runtime() as runtime:
        with pytest.raises(LaunchFailed, match="ASSAY_ECS_CLUSTER"):
            await runtime.launch(scene.spec())
    assert scene.cloud.objects == {}


@in_no_time
async def test_a_task_of_another_runtime_is_missing() -> None:
    scene = Scene()
    handle = {"runtime": "process", "token": "0123"}
    async with scene.runtime() as runtime:
        assert (await look(runtime, handle)).phase is Phase.MISSING
        assert await runtime.collect(handle) is None
        await runtime.stop(handle, grace_s=0)
        await runtime.cleanup(handle)


@in_no_time
async def test_no_room_is_asked_for_again_with_the_same_token() -> None:
    scene = Scene()
    why = "Capacity is unavailable at this time. Please try again later or in a different availability zone"
    scene.cloud.answer_once("RunTask", {"tasks": [], "failures": [{"reason": why}]})
    spec = scene.spec()
    async with scene.runtime() as runtime:
        with pytest.raises(LaunchUnsettled) as unsettled:
            await runtime.launch(spec)
        assert unsettled.value.code is FailureCode.CAPACITY_UNAVAILABLE
        await runtime.launch(replace(spec, repeated=True))
    assert len(scene.cloud.tasks) == 1


@in_no_time
async def test_a_launch_long_after_its_intent_gets_links_that_still_hold() -> None:
    scene = Scene()
    spec = scene.spec(spec_begun_at=scene.clock.now() - timedelta(hours=30))
    async with scene.runtime() as runtime:
        await runtime.launch(spec)
    (task,) = scene.cloud.tasks.values()
    links = json.dumps(task.order["overrides"])
    assert f"X-Amz-Date={scene.clock.now():%Y%m%d}T" in links
