"""The agents that fail, cheat or misbehave, in containers: the same ends as in sandboxes, and their logs as whole."""

from __future__ import annotations

import asyncio
import textwrap

import pytest

from assay import AsyncAssay, Test
from tests.support.bad_agents import AGENTS, COMPLETED
from tests.support.fleet import Fleet
from tests.support.outcomes import lived_once
from tests.support.servers import in_own_loop
from tests.support.tests_under_way import ended, texts

pytestmark = pytest.mark.slow

ELSEWHERE = {
    "too much memory",  # the emulator sets no limits: tests/ecs/test_runner_image.py
    "output without end",  # 100,000 lines take minutes through the emulator's log service
}
HERE = [name for name in AGENTS if name not in ELSEWHERE]
QUERY = "ünïcödé 🙂 \u202e"


@pytest.fixture(scope="module")
def ends(fleet: Fleet) -> dict[str, tuple[Test, list[str]]]:
    """How each of them ended, and what its log is."""
    return in_own_loop(_run_all(fleet))


async def _run_all(fleet: Fleet) -> dict[str, tuple[Test, list[str]]]:
    async with fleet.client() as client:

        async def run(name: str) -> tuple[Test, list[str]]:
            agent = AGENTS[name]
            submitted = await client.submit(textwrap.dedent(agent.code), QUERY, name=name, **agent.options)
            test = await ended(client, submitted.id)
            return test, await texts(client, test.id)

        return dict(zip(HERE, await asyncio.gather(*map(run, HERE)), strict=True))


@pytest.mark.parametrize("name", HERE)
def test_it_ends_as_it_does_in_a_sandbox(ends: dict[str, tuple[Test, list[str]]], name: str) -> None:
    agent, (test, lines) = AGENTS[name], ends[name]
    lived_once(test)
    assert (test.state, test.attempt) == (agent.state, 1), test.failure
    assert (test.logs.ended, test.logs.complete) == (True, True)
    if agent.lines is not None:
        assert lines == list(agent.lines)
    if agent.state is COMPLETED:
        assert test.response == agent.response
        return
    assert test.failure is not None
    assert test.failure.code == agent.failure
    assert agent.says in test.failure.message


async def test_their_slots_are_free_and_their_containers_gone(
    ends: dict[str, tuple[Test, list[str]]], fleet: Fleet, client: AsyncAssay
) -> None:
    assert ends
    status = await client.queue_status()
    assert (status.running, status.pending) == (0, 0)
