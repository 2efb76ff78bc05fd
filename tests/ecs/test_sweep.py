"""Tasks that nobody waits for any more. Sorted behind the other files: the sweep takes its time to be certain."""

from __future__ import annotations

import pytest

from assay import AsyncAssay, TestState
from tests.ecs.conftest import LeftBehind
from tests.support.cloud import Cloud
from tests.support.tests_under_way import asleep, ended
from tests.support.until import until

pytestmark = pytest.mark.slow


async def test_a_task_that_no_test_owns_is_stopped_and_no_other(
    left_behind: LeftBehind, client: AsyncAssay, cloud: Cloud
) -> None:
    owned = await asleep(client)

    def swept() -> bool:
        running = {task["taskArn"] for task in cloud.running()}
        assert left_behind.stranger in running
        return left_behind.orphan not in running

    # Only a task of some age is taken for one, and only in two looks one after the other.
    await until(swept, timeout=240, what="the orphan is stopped")
    assert (await client.get(owned.id)).state is TestState.RUNNING
    assert len(cloud.running(owned.id)) == 1
    await client.cancel(owned.id)
    await ended(client, owned.id)
