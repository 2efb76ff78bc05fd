"""account(), agents(), queue_list() and watch_tests() of both clients, and `whoami`, `agents`, `queue list`,
`list --watch` as people see them."""

import asyncio
import json
import signal
from contextlib import aclosing, closing
from datetime import UTC, datetime, timedelta

import pytest

from assay.admin import Role
from assay.blocking import Assay
from assay.client import AsyncAssay
from assay.tests import TestState
from assay.v1 import queue_service_pb2, test_pb2
from assay.v1 import test_service_pb2 as pb
from tests.unit.client.command import Cli
from tests.unit.client.conftest import QUICK
from tests.unit.client.fake_server import KEY, SECOND, FakeServer, a_test, failed, passed

Changes = pb.WatchTestsResponse
START = datetime.fromtimestamp(SECOND, UTC)


def a_queue_entry(position: int, test_id: str = "", **more: object) -> queue_service_pb2.QueueEntry:
    state = test_pb2.TEST_STATE_QUEUED if position else test_pb2.TEST_STATE_RUNNING
    made = queue_service_pb2.QueueEntry(position=position, test_id=test_id, state=state, priority=4, **more)  # type: ignore[arg-type]
    made.since_time.FromSeconds(SECOND)
    return made


@pytest.fixture
def queue(fake: FakeServer) -> FakeServer:
    """One runs, two wait on two pages, one of them somebody else's."""
    mine = a_queue_entry(1, "tst_mine", user_id="alice", name="nightly \x1b[2J", own=True)
    mine.estimated_wait.FromSeconds(12)
    fake.queue_pages = [
        queue_service_pb2.ListQueueResponse(
            running=[a_queue_entry(0, "tst_runs", user_id="alice", own=True)], waiting=[mine], next_page_token="1"
        ),
        queue_service_pb2.ListQueueResponse(waiting=[a_queue_entry(2)]),
    ]
    return fake


@pytest.fixture
def agents(fake: FakeServer) -> FakeServer:
    """An agent that passed once, was stopped once and failed before, and one that has not ended any test."""
    bot = pb.Agent(user_id="alice", stats=pb.AgentStats(agent_id="bot", ended_count=2, success_rate=0.5))
    bot.stats.last_submit_time.FromSeconds(SECOND)
    bot.runs.add(test_id="tst_3", state=test_pb2.TEST_STATE_COMPLETED).run_duration.FromMilliseconds(1500)
    bot.runs.add(test_id="tst_2", state=test_pb2.TEST_STATE_FAILED, failure_code="CANCELLED")
    bot.runs.add(test_id="tst_1", state=test_pb2.TEST_STATE_FAILED, failure_code="OUT_OF_MEMORY")
    bot.last_failure.CopyFrom(bot.runs[2])
    new = pb.Agent(user_id="alice", stats=pb.AgentStats(agent_id="new"))
    fake.agents = pb.ListAgentsResponse(agents=[bot, new])
    return fake


# -- the clients


async def test_the_account_says_who_and_what_is_left(client: AsyncAssay, fake: FakeServer, address: str) -> None:
    found = await client.account()
    assert (found.user_id, found.role, found.submissions_left, found.pending) == ("alice", Role.USER, 3, 2)
    assert found.key is not None
    assert (found.key.id, found.next_submission_in, found.server_time) == ("key_1", None, START)
    assert found.to_dict()["limits"]["submissions_per_hour"] == 10
    fake.account.answer.ClearField("key")
    fake.account.answer.ClearField("submissions_left")

    def use() -> None:
        with Assay(address, KEY, retry=QUICK) as blocking:
            again = blocking.account()
            assert (again.key, again.submissions_left) == (None, None)

    await asyncio.to_thread(use)


async def test_the_queue_is_listed_over_its_pages(client: AsyncAssay, queue: FakeServer, address: str) -> None:
    assert [(one.position, one.test_id) async for one in client.queue_list()] == [(1, "tst_mine"), (2, "")]
    pages = [page async for page in client.queue_list().pages()]
    assert [one.test_id for one in pages[0].running] == ["tst_runs"]
    assert pages[0].waiting[0].estimated_wait == timedelta(seconds=12)
    assert pages[0].running[0].state is TestState.RUNNING

    def use() -> None:
        with Assay(address, KEY, retry=QUICK) as blocking:
            assert [one.position for one in blocking.queue_list()] == [1, 2]

    await asyncio.to_thread(use)


async def test_agents_have_figures_and_runs(client: AsyncAssay, agents: FakeServer, address: str) -> None:
    bot, new = [agent async for agent in client.agents(runs=3, user_id="alice")]
    assert (agents.requests[-1].runs, agents.requests[-1].user_id) == (3, "alice")  # type: ignore[attr-defined]
    assert (bot.stats.agent_id, bot.stats.success_rate) == ("bot", 0.5)
    assert [run.run for run in bot.runs] == [timedelta(seconds=1.5), None, None]
    assert bot.last_failure == bot.runs[2]
    assert (new.stats.success_rate, new.last_failure, new.runs) == (None, None, ())

    def use() -> None:
        with Assay(address, KEY, retry=QUICK) as blocking:
            assert [agent.stats.agent_id for agent in blocking.agents(limit=5)] == ["bot", "new"]

    await asyncio.to_thread(use)


async def test_a_watch_of_tests_says_that_more_has_changed_after_a_lost_connection(
    client: AsyncAssay, fake: FakeServer, address: str
) -> None:
    def story() -> list[list[Changes]]:
        return [[Changes(tests=[a_test("tst_1", "RUNNING")])], [Changes(tests=[passed("tst_1")], more=True)]]

    expected = [([], False), ([TestState.RUNNING], False), ([], True), ([TestState.COMPLETED], True)]
    fake.change_stories = story()
    async with aclosing(client.watch_tests(agent_id="bot", labels={"team": "a"})) as changes:
        seen = [await anext(changes) for _ in range(4)]
    assert [([test.state for test in change.tests], change.more) for change in seen] == expected
    request = fake.requests[-1]
    assert isinstance(request, pb.WatchTestsRequest)
    assert (request.filter.agent_id, dict(request.filter.labels)) == ("bot", {"team": "a"})
    fake.change_stories = story()

    def use() -> None:
        with Assay(address, KEY, retry=QUICK) as blocking, closing(blocking.watch_tests()) as changes:
            seen = [next(changes) for _ in range(4)]
            assert [([test.state for test in change.tests], change.more) for change in seen] == expected

    await asyncio.to_thread(use)


# -- the command


async def test_whoami_says_what_is_left(cli: Cli, fake: FakeServer) -> None:
    ran = await cli("whoami")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0] == "alice  user"
    assert lines[1].startswith("  key          key_1 (laptop), made ")
    assert lines[2] == "  submissions  3 left of 10 tests in any 60 minutes"
    assert lines[3] == "  waiting      2 of at most 100"
    assert lines[4] == "  running      1"
    assert lines[5].endswith("version 1.2.3")
    assert "the clock here is" in lines[6]  # the server's stands still
    assert json.loads((await cli("whoami", "--json")).out)["submissions_left"] == 3
    fake.account.answer.submissions_left = 0
    fake.account.answer.next_submission_in.FromSeconds(95)
    assert "none left of 10 tests in any 60 minutes; the next one in 1 min 35 s" in (await cli("whoami")).out


async def test_agents_are_rows_with_their_recent_runs(cli: Cli, agents: FakeServer) -> None:
    ran = await cli("agents")
    titles, bot, new = ran.out.splitlines()
    assert titles.split("  ")[0] == "AGENT"
    assert "F-+" in bot.split()
    assert bot.split()[-1] == "OUT_OF_MEMORY"
    assert "50.0 %" in bot
    assert new.split()[0] == "new"
    found = json.loads((await cli("agents", "--json", "--user", "alice")).out)
    assert found["agents"][0]["runs"][0]["run_s"] == 1.5
    assert agents.requests[-1].user_id == "alice"  # type: ignore[attr-defined]


async def test_the_queue_is_rows_of_what_runs_and_waits(cli: Cli, queue: FakeServer) -> None:
    ran = await cli("queue", "list")
    assert ran.code == 0
    titles, runs, first, second = ran.out.splitlines()
    assert titles.split()[:2] == ["PLACE", "TEST"]
    assert runs.split()[:2] == ["running", "tst_runs"]
    assert first.split()[:2] == ["1", "tst_mine"]
    assert "about 12 s" in first
    assert first.rstrip().endswith("nightly \\x1b[2J")
    assert "(another user's)" in second
    found = json.loads((await cli("queue", "list", "--json")).out)
    assert [one["position"] for one in found["running"] + found["waiting"]] == [0, 1, 2]
    queue.queue_pages = [queue_service_pb2.ListQueueResponse()]
    assert (await cli("queue", "list")).out == "nothing runs and nothing waits\n"


async def test_a_watched_list_is_shown_then_every_change_until_it_is_left(cli: Cli, fake: FakeServer) -> None:
    fake.listed = [a_test("tst_2", "RUNNING"), passed("tst_1")]
    fake.change_stories = [[Changes(tests=[failed("tst_2")])], [Changes(more=True)]]
    process = await cli.start("list", "--watch", "--agent", "bot")
    assert process.stdout is not None
    told = [(await asyncio.wait_for(process.stdout.readline(), 20)).decode().split() for _ in range(6)]
    assert told[0][:3] == ["TIME", "TEST", "STATE"]
    assert [line[1:3] for line in told[1:]] == [
        ["tst_1", "COMPLETED"],
        ["tst_2", "RUNNING"],
        ["tst_2", "FAILED"],
        *[["tst_1", "COMPLETED"], ["tst_2", "RUNNING"]],  # the list again: something may have been missed
    ]
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), 20) == 130


async def test_a_watched_list_as_json_is_an_object_a_line(cli: Cli, fake: FakeServer) -> None:
    fake.listed = [passed("tst_1")]
    fake.change_stories = [[Changes(tests=[failed("tst_2")])]]
    process = await cli.start("list", "--watch", "--json")
    assert process.stdout is not None
    told = [json.loads(await asyncio.wait_for(process.stdout.readline(), 20)) for _ in range(2)]
    assert [([test["id"] for test in one["tests"]], one["listed"]) for one in told] == [
        (["tst_1"], True),
        (["tst_2"], False),
    ]
    process.send_signal(signal.SIGINT)
    await asyncio.wait_for(process.wait(), 20)


@pytest.mark.parametrize("condition", [("--state", "failed"), ("--text", "word"), ("--archived",), ("--totals",)])
async def test_what_a_test_may_stop_fulfilling_is_not_watched(
    cli: Cli, fake: FakeServer, condition: tuple[str, ...]
) -> None:
    ran = await cli("list", "--watch", *condition)
    assert (ran.code, ran.out) == (2, "")
    assert "goes with --agent, --label, --user and --limit only" in ran.err
    assert not fake.requests
