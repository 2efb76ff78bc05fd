"""What goes wrong around a task, and what Assay makes of it: no second task, no test that hangs, no reason untold."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest

from assay import AsyncAssay, TestState
from tests.support.between import between
from tests.support.cloud import Cloud
from tests.support.docker_engine import DockerEngine
from tests.support.emulator import running_emulator
from tests.support.fleet import Fleet, running_fleet
from tests.support.outcomes import lived_once, passed_with_all_its_lines, spoken, talker
from tests.support.servers import in_own_loop
from tests.support.tests_under_way import WITHIN_S, asleep, ended, texts
from tests.support.until import until

pytestmark = pytest.mark.slow


class Forgotten(NamedTuple):
    """A test whose task ran in an emulator that was killed and knows nothing of it any more."""

    fleet: Fleet
    test_id: str


@pytest.fixture(scope="module", autouse=True)
def forgotten(engine: DockerEngine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forgotten]:
    """Begun before the other tests, as what comes of it takes two minutes."""
    with running_emulator(engine) as emulator:
        cloud = Cloud(emulator)
        with running_fleet(tmp_path_factory.mktemp("forgotten"), cloud.settings(image)) as fleet:
            test_id = in_own_loop(_running(fleet, cloud))
            emulator.kill()
            emulator.start()
            cloud.prepare()
            yield Forgotten(fleet, test_id)


async def _running(fleet: Fleet, cloud: Cloud) -> str:
    async with fleet.client() as client:
        test = await client.submit("import time\ndef run(q):\n    time.sleep(12)\n    return 'awake'", "")
    await until(lambda: cloud.containers(test.id), timeout=WITHIN_S)
    return test.id


@pytest.mark.parametrize("seconds", [0, 2], ids=["and the task has stopped", "and the task still runs"])
async def test_an_orchestrator_killed_between_runtask_and_its_record_makes_no_second_task(
    fleet: Fleet, client: AsyncAssay, cloud: Cloud, seconds: int
) -> None:
    orchestrator = fleet.services["orchestrator"]
    with between(cloud.emulator.url) as wire:
        orchestrator.stop()
        orchestrator.start({"ASSAY_AWS_ENDPOINT_URL": wire.url, "ASSAY_ECS_OBJECTS_URL": cloud.emulator.url})
        await orchestrator.until_ready()
        with wire.holding("RunTask") as held_back:
            test = await client.submit(talker(seconds), "once")
            await until(held_back.is_set, timeout=WITHIN_S, what="RunTask was called")
            orchestrator.kill()
        assert wire.calls["RunTask"] == 1
    if not seconds:
        await until(lambda: not cloud.running(test.id), timeout=60)
    orchestrator.start()
    await orchestrator.until_ready()
    after = await ended(client, test.id)
    passed_with_all_its_lines(after)
    assert await texts(client, test.id) == spoken("once")
    assert len(cloud.tasks(test.id)) == 1


async def test_services_killed_while_tasks_run_lose_no_task_and_no_line(
    fleet: Fleet, client: AsyncAssay, cloud: Cloud
) -> None:
    killed = [fleet.services["orchestrator"], fleet.services["logstreamer"]]
    submitted = await asyncio.gather(*(client.submit(talker(1.0), f"number {number}") for number in range(8)))
    await until(lambda: len(cloud.containers()) >= 4, timeout=WITHIN_S, what="some of them run")
    for service in killed:
        service.kill()
    for service in killed:
        service.start()
        await service.until_ready()
    for test in await asyncio.gather(*(ended(client, test.id) for test in submitted)):
        passed_with_all_its_lines(test)
        assert await texts(client, test.id) == spoken(test.spec.query or "")
        assert len(cloud.tasks(test.id)) == 1


async def test_a_task_that_somebody_else_stops_is_tried_again_and_the_reason_told(
    client: AsyncAssay, cloud: Cloud
) -> None:
    test = await asleep(client)
    (task,) = cloud.running(test.id)
    cloud.stop(task, "a person with the console")

    async def again() -> bool:
        now = await client.get(test.id)
        return now.attempt == 2 and len(cloud.running(test.id)) == 1

    await until(again, timeout=WITHIN_S, what="the second attempt runs")
    moves = (await client.get(test.id)).history
    (back,) = [move for move in moves if move.state is TestState.QUEUED and move.attempt == 1]
    assert "TASK_LOST" in back.reason or "stopped" in back.reason, back.reason
    await client.cancel(test.id)
    lived_once(await ended(client, test.id))
    assert len(cloud.tasks(test.id)) == 2


@contextmanager
def empty_registry() -> Iterator[str]:
    """An image registry that says what a public one says of a repository that is not there."""
    denied = json.dumps({"errors": [{"code": "DENIED", "message": "access to the resource is denied"}]}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, said = (200, b"{}") if self.path == "/v2/" else (403, denied)
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(said)

        do_HEAD = do_GET  # noqa: N815 - the name is the protocol's

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_an_image_that_does_not_exist_is_told_and_not_tried_again(fleet: Fleet, client: AsyncAssay) -> None:
    orchestrator = fleet.services["orchestrator"]
    with empty_registry() as registry:
        orchestrator.stop()
        orchestrator.start({"ASSAY_ECS_IMAGE": f"{registry}/no-such-image:1"})
        try:
            await orchestrator.until_ready()
            test = await client.wait((await client.submit("def run(q): return 1", "")).id, timeout=WITHIN_S)
        finally:
            orchestrator.stop()
            orchestrator.start()
    await orchestrator.until_ready()
    assert test.failure is not None
    assert (test.state, test.failure.code, test.attempt) == (TestState.FAILED, "IMAGE_PULL_FAILED", 1)
    assert "no-such-image" in test.failure.message


async def test_a_log_group_deleted_in_the_middle_costs_lines_and_says_so(client: AsyncAssay, cloud: Cloud) -> None:
    code = """
import time
def run(query):
    for number in range(20):
        print(number, flush=True)
        time.sleep(0.5)
    return "done"
"""
    test = await client.submit(code, "")

    async def begun() -> bool:
        return "1" in await texts(client, test.id)

    await until(begun, timeout=WITHIN_S)
    cloud.logs.delete_log_group(logGroupName=cloud.log_group)
    after = await ended(client, test.id)
    assert (after.state, after.response) == (TestState.COMPLETED, "done")
    assert not after.logs.complete
    cloud.prepare()
    again = await ended(client, (await client.submit(talker(), "and the next one")).id)
    passed_with_all_its_lines(again)


WRONG = {
    "a cluster that is not there": ({"ASSAY_ECS_CLUSTER": "no-such-cluster"}, "ASSAY_ECS_CLUSTER"),
    "another region": ({"ASSAY_AWS_REGION": "eu-west-3"}, "ASSAY_AWS_REGION"),
    "a bucket that is not there": ({"ASSAY_AWS_BUCKET": "no-such-bucket"}, "ASSAY_AWS_BUCKET"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_an_orchestrator_says_at_its_start_what_is_wrong_with_the_account(fleet: Fleet, name: str) -> None:
    settings, says = WRONG[name]
    orchestrator = fleet.services["orchestrator"]
    orchestrator.stop()
    before = orchestrator.log.stat().st_size
    orchestrator.start(settings)
    try:
        await until(
            lambda: says in orchestrator.log.read_bytes()[before:].decode(), timeout=30, what=f"it names {says}"
        )
        with pytest.raises(RuntimeError, match="has ended"):
            await orchestrator.until_ready()
    finally:
        orchestrator.kill()
        orchestrator.start()
        await orchestrator.until_ready()


async def test_a_task_that_the_cloud_has_forgotten_is_lost_and_its_test_tried_again(forgotten: Forgotten) -> None:
    # Not before two minutes: ECS may not know a young task yet.
    async with forgotten.fleet.client() as client:
        after = await ended(client, forgotten.test_id, within=240)
    assert (after.state, after.response, after.attempt) == (TestState.COMPLETED, "awake", 2), after.failure
    (back,) = [move for move in after.history if move.state is TestState.QUEUED and move.attempt == 1]
    assert "TASK_LOST" in back.reason
    lived_once(after)
