"""One runner image and one emulator for all tests here; where there can be no containers, the tests are skipped."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import NamedTuple

import pytest

from assay import AsyncAssay, Test
from tests.support.cloud import ROLE, Cloud
from tests.support.docker_engine import DockerEngine, NoContainers, cannot
from tests.support.emulator import Emulator, running_emulator
from tests.support.fleet import Fleet, running_fleet
from tests.support.images import base_image, runner_image
from tests.support.runner_container import ObjectStore
from tests.support.servers import in_own_loop


@pytest.fixture(scope="session")
def image(engine: DockerEngine, say: Callable[[str], None]) -> str:
    """The name of the runner image."""
    try:
        return runner_image(engine, say)
    except NoContainers as reason:
        cannot(reason)


@pytest.fixture(scope="session")
def emulator(engine: DockerEngine) -> Iterator[Emulator]:
    """An AWS that no test may harm; who wants to kill one takes one of its own."""
    with running_emulator(engine) as running:
        yield running


@pytest.fixture(scope="session")
def store(emulator: Emulator) -> ObjectStore:
    return ObjectStore(emulator)


@pytest.fixture(scope="session")
def cloud(emulator: Emulator) -> Cloud:
    return Cloud(emulator)


@pytest.fixture(scope="session")
def fleet(cloud: Cloud, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """All services, whose tasks run in containers. A test that changes or ends one puts it back."""
    settings = {
        **cloud.settings(image),
        "ASSAY_SCHEDULER_CAPACITY": "40",
        "ASSAY_LOGSTREAMER_DRAIN_CLOUDWATCH_S": "10",  # the emulator's logs come within two seconds
    }
    with running_fleet(tmp_path_factory.mktemp("fleet"), settings) as running:
        yield running


class LeftBehind(NamedTuple):
    """Tasks that no test waits for: one of ours whose test is over, and one of somebody else."""

    orphan: str
    stranger: str


@pytest.fixture(scope="session")
def left_behind(fleet: Fleet, cloud: Cloud, engine: DockerEngine) -> LeftBehind:
    """Started early, as they have to be some minutes old for the sweep."""
    test = in_own_loop(_over(fleet))
    base = base_image(engine, lambda _: None)
    cloud.ecs.register_task_definition(
        family="left-behind",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        executionRoleArn=ROLE,
        containerDefinitions=[{"name": "agent", "image": base, "command": ["sleep", "1800"], "essential": True}],
    )
    (of_the_test,) = cloud.tasks(test.id)
    orphan, stranger = (
        cloud.ecs.run_task(
            cluster=cloud.cluster, taskDefinition="left-behind", startedBy=who, group=of_the_test["group"]
        )["tasks"][0]["taskArn"]
        for who in (of_the_test["startedBy"], "somebody-else")
    )
    return LeftBehind(orphan, stranger)


async def _over(fleet: Fleet) -> Test:
    async with fleet.client() as client:
        return await client.wait((await client.submit("def run(query): return 1", "")).id, timeout=60)


@pytest.fixture
async def client(fleet: Fleet, left_behind: LeftBehind) -> AsyncIterator[AsyncAssay]:
    async with fleet.client() as connected:
        yield connected
