"""What runs the agents is killed from outside: a test is tried again where its task was lost, and only there."""

from __future__ import annotations

import os
import signal

import pytest

from assay import AsyncAssay, TestState
from shared.domain.logsequence import first_seq
from tests.support.fleet import Fleet
from tests.support.flow import Flow, everything_is_at_rest, nothing_is_lost_or_doubled
from tests.support.outcomes import lived_once
from tests.support.until import until

pytestmark = pytest.mark.slow

TWO_PARTS = """
import time

def run(query):
    print("begun", flush=True)
    time.sleep(1.5)
    print("done")
    return query
"""


async def test_a_task_that_was_lost_is_tried_again_and_its_lines_have_numbers_of_their_own(fleet: Fleet) -> None:
    async with fleet.client() as client, fleet.store() as database:
        test = await client.submit(TWO_PARTS, "again")
        await until(lambda: _has_lines(client, test.id), timeout=30)
        (sandbox,) = fleet.sandboxes.outermost()
        os.kill(sandbox, signal.SIGKILL)
        ended = await client.wait(test.id, timeout=60)
        assert (ended.state, ended.attempt, ended.response) == (TestState.COMPLETED, 2, "again"), ended.failure
        lived_once(ended)
        requeued = next(move for move in ended.history[2:] if move.state is TestState.QUEUED)
        assert "TASK_LOST" in requeued.reason
        lines = [line async for line in client.logs(test.id, follow=True)]
        second = first_seq(2)
        assert [(line.seq, line.text) for line in lines] == [(1, "begun"), (second, "begun"), (second + 1, "done")]
        now = await client.get(test.id)
        assert (now.logs.complete, now.logs.lines) == (True, 2)
        await everything_is_at_rest(database, fleet.sandboxes)


async def test_a_task_that_is_lost_three_times_fails_and_says_so(fleet: Fleet) -> None:
    async with fleet.client() as client, fleet.store() as database:
        test = await client.submit("import time\ndef run(query):\n    time.sleep(60)\n", "doomed")
        for attempt in (1, 2, 3):
            await until(lambda: _runs(client, test.id, attempt), timeout=30)  # noqa: B023 - awaited at once
            await until(fleet.sandboxes.outermost, timeout=10)
            for sandbox in fleet.sandboxes.outermost():
                os.kill(sandbox, signal.SIGKILL)
        ended = await client.wait(test.id, timeout=60)
        assert ended.failure is not None
        assert (ended.state, ended.attempt, ended.failure.code) == (TestState.FAILED, 3, "TASK_LOST")
        assert "Nothing is wrong with the agent" in ended.failure.hint
        lived_once(ended)
        await everything_is_at_rest(database, fleet.sandboxes)


async def test_the_fork_server_is_killed(fleet: Fleet) -> None:
    """Its tasks live on; the next order finds another one. What it was just starting is tried again."""

    async def disturb() -> None:
        for server in fleet.sandboxes.servers():
            os.kill(server, signal.SIGKILL)

    async with fleet.client() as client, fleet.store() as database:
        flow = Flow(client, "forked")
        tests = await flow.run(disturb)
        fleet.sandboxes.look()
        await nothing_is_lost_or_doubled(client, flow, tests, attempts=2)
        assert len([test for test in tests if test.attempt > 1]) <= 4
        await everything_is_at_rest(database, fleet.sandboxes)


async def _has_lines(client: AsyncAssay, test_id: str) -> bool:
    return bool([line async for line in client.logs(test_id)])


async def _runs(client: AsyncAssay, test_id: str, attempt: int) -> bool:
    test = await client.get(test_id)
    assert not test.ended, test.failure
    return (test.state, test.attempt) == (TestState.RUNNING, attempt)
