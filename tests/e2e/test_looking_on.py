"""Who looks on at many tests, from the command line on a real local mode: one's account, agents, the queue, and a list
that is watched."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from assay import AsyncAssay, TestState
from tests.e2e.conftest import key_of
from tests.support.local_mode import Command, LocalMode
from tests.support.until import until

PASSED, FAILED, ERROR = 0, 1, 2
SLEEPS = 'import time\n\ndef run(query):\n    print("begun", flush=True)\n    time.sleep(60)\n'

pytestmark = pytest.mark.slow


async def test_an_account_says_what_an_admin_and_a_limited_user_may_do(assay: Command, server: LocalMode) -> None:
    mine = assay("whoami", "--json").json
    assert (mine["role"], mine["submissions_left"]) == ("ADMIN", None)
    assert assay("limits", "newcomer", "--per-hour", "2").code == PASSED
    async with AsyncAssay(server.known["address"], await key_of(server, "newcomer")) as client:
        await client.submit("def run(query): return query", "one")
        account = await client.account()
    assert (account.user_id, account.submissions_left, account.limits.submissions_per_hour) == ("newcomer", 1, 2)
    assert account.key is not None


async def test_agents_show_how_their_newest_tests_went(assay: Command, picky: Path) -> None:
    assert assay("submit", picky, "-q", "a cake", "--agent", "looked-at", "--follow").code == FAILED
    assert assay("submit", picky, "-q", "a soup", "--agent", "looked-at", "--follow").code == PASSED

    def counted() -> bool:
        found = {one["stats"]["agent_id"]: one for one in assay("agents", "--json").json["agents"]}
        agent = found.get("looked-at")
        return bool(
            agent
            and agent["stats"]["ended"] == 2
            and [run["state"] for run in agent["runs"]] == ["COMPLETED", "FAILED"]
            and agent["last_failure"]["failure_code"] == "AGENT_EXCEPTION"
        )

    await until(counted, timeout=20)
    (row,) = [line for line in assay("agents").out.splitlines() if line.startswith("looked-at")]
    assert "F+" in row.split()
    assert row.split()[-1] == "AGENT_EXCEPTION"


async def test_the_queue_lists_what_runs_and_hides_names_from_others(assay: Command, server: LocalMode) -> None:
    running = assay("submit", assay.file("sleeps.py", SLEEPS), "-q", "x", "--name", "sleeper").out.strip()

    def listed() -> bool:
        return any(
            one["test_id"] == running and one["state"] == "RUNNING" and one["name"] == "sleeper"
            for one in assay("queue", "list", "--json").json["running"]
        )

    await until(listed, timeout=30)
    async with AsyncAssay(server.known["address"], await key_of(server, "onlooker")) as client:
        page = await anext(client.queue_list().pages())
    assert [(one.test_id, one.name) for one in page.running if not one.own] == [("", "")] * len(page.running)
    assert page.running
    assay("cancel", running)


async def test_a_watched_list_tells_a_test_from_its_submission_to_its_end(
    client: AsyncAssay, server: LocalMode, picky: Path
) -> None:
    seen: dict[str, list[TestState]] = {}
    async with asyncio.timeout(60), aclosing(client.watch_tests(agent_id="watched")) as changes:
        assert (await anext(changes)).tests == ()
        test = await client.submit(picky, "a soup", agent_id="watched")
        async for change in changes:
            for one in change.tests:
                seen.setdefault(one.id, []).append(one.state)
            if seen.get(test.id, [None])[-1] is TestState.COMPLETED:
                break
    assert set(seen) == {test.id}
    order = [list(TestState).index(state) for state in seen[test.id]]
    assert order == sorted(order)
