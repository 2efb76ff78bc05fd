"""ListAgents through a gateway on a real store, with figures that a real bookkeeper has counted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import grpc
import pytest

from assay.v1 import test_pb2
from assay.v1 import test_service_pb2 as pb
from services.gateway.history.agents import ended_as
from services.orchestrator.bookkeeping import Bookkeeping
from shared.domain.lifecycle import State
from shared.domain.pricing import Prices
from shared.store.books import Books
from tests.support.gateway import Client, Stage, now, refused, violations_of

Code = grpc.StatusCode
FAILURE = {"code": "AGENT_EXCEPTION", "stage": "run", "message": "KeyError: 'city'", "hint": "h"}
CANCELLED = {"code": "CANCELLED", "stage": "run", "message": "stopped", "hint": ""}


async def counted(stage: Stage) -> None:
    """The bookkeeper's round, a while later."""

    class Later:
        def now(self) -> datetime:
            return now() + timedelta(hours=1)

    books = Books(stage.others.database)
    await Bookkeeping(books, Later(), owner="one", prices=Prices(), charged=frozenset({"scripted"})).round()


async def passed(stage: Stage, client: Client, agent: str) -> str:
    test = await client.submit(agent_id=agent)
    await stage.others.started(test.id)
    await stage.others.completed(test.id)
    return test.id


async def failed(stage: Stage, client: Client, agent: str, failure: dict[str, Any]) -> str:
    test = await client.submit(agent_id=agent)
    await stage.others.started(test.id)
    await stage.others.failed(test.id, failure)
    return test.id


async def agents(client: Client, **fields: Any) -> pb.ListAgentsResponse:
    answer: pb.ListAgentsResponse = await client.call("ListAgents", pb.ListAgentsRequest(**fields))
    return answer


def names(page: pb.ListAgentsResponse) -> list[str]:
    return [agent.stats.agent_id for agent in page.agents]


async def test_an_agent_has_its_figures_its_newest_runs_and_its_last_failure(stage: Stage, alice: Client) -> None:
    bad = await failed(stage, alice, "bot", FAILURE)
    stopped = await failed(stage, alice, "bot", CANCELLED)
    good = await passed(stage, alice, "bot")
    waits = await alice.submit(agent_id="bot")
    await counted(stage)
    (agent,) = (await agents(alice, runs=5)).agents
    request = pb.GetAgentStatsRequest(agent_id="bot")
    assert agent.stats == (await alice.call("GetAgentStats", request)).stats
    assert (agent.stats.ended_count, agent.stats.success_rate) == (2, 0.5)
    assert agent.stats.last_submit_time == waits.times.submit_time
    assert agent.user_id == "alice"
    assert [run.test_id for run in agent.runs] == [good, stopped, bad]
    assert [run.state for run in agent.runs] == [test_pb2.TEST_STATE_COMPLETED] + 2 * [test_pb2.TEST_STATE_FAILED]
    assert agent.runs[0].run_duration.ToTimedelta() == timedelta(milliseconds=12.5)
    assert not agent.runs[2].HasField("run_duration")
    assert (agent.last_failure.test_id, agent.last_failure.failure_code) == (bad, "AGENT_EXCEPTION")
    # The last failure is older than the runs that are told, and is found all the same.
    (agent,) = (await agents(alice, runs=1)).agents
    assert ([run.test_id for run in agent.runs], agent.last_failure.test_id) == ([good], bad)
    (agent,) = (await agents(alice)).agents
    assert (len(agent.runs), agent.last_failure.test_id) == (0, bad)


async def test_an_agent_that_never_failed_has_no_last_failure(stage: Stage, alice: Client) -> None:
    await passed(stage, alice, "bot")
    await failed(stage, alice, "bot", CANCELLED)
    await counted(stage)
    (agent,) = (await agents(alice)).agents
    assert not agent.HasField("last_failure")


async def test_agents_come_in_pages_the_one_with_the_newest_test_first(stage: Stage, alice: Client) -> None:
    for agent in ("a", "b", "c", "d", "e", "b"):
        await alice.submit(agent_id=agent)
    await counted(stage)
    first = await agents(alice, page_size=2)
    assert names(first) == ["b", "e"]
    second = await agents(alice, page_size=2, page_token=first.next_page_token)
    assert names(second) == ["d", "c"]
    third = await agents(alice, page_size=2, page_token=second.next_page_token)
    assert (names(third), third.next_page_token) == (["a"], "")


async def test_everybody_sees_their_own_and_an_admin_those_of_all_or_of_one(stage: Stage, alice: Client) -> None:
    bob, root = await stage.client("bob"), await stage.client("root", role="admin")
    for client in (alice, bob):
        await client.submit(agent_id="bot")
    await counted(stage)
    assert [(agent.stats.agent_id, agent.user_id) for agent in (await agents(alice)).agents] == [("bot", "alice")]
    assert {agent.user_id for agent in (await agents(root)).agents} == {"alice", "bob"}
    assert [agent.user_id for agent in (await agents(root, user_id="bob")).agents] == ["bob"]
    assert names(await agents(alice, user_id="alice")) == ["bot"]
    assert (await refused(agents(alice, user_id="bob"))).code() is Code.PERMISSION_DENIED


async def test_agents_of_the_same_moment_are_told_once_each(stage: Stage, alice: Client) -> None:
    root = await stage.client("root", role="admin")
    for number in range(7):
        await alice.submit(agent_id=f"bot-{number}")
    await counted(stage)
    await stage.others.database["counters"].update_many({"kind": "agent"}, {"$set": {"last_submitted": now()}})
    for client in (alice, root):
        seen: list[str] = []
        token = ""
        while not seen or token:
            page = await agents(client, page_size=3, page_token=token)
            seen += names(page)
            token = page.next_page_token
        assert sorted(seen) == [f"bot-{number}" for number in range(7)]


async def test_bad_requests_name_every_field(stage: Stage, alice: Client) -> None:
    error = await refused(agents(alice, page_size=-1, runs=101, user_id="a b"))
    assert set(violations_of(error)) == {"page_size", "runs", "user_id"}
    await alice.submit(agent_id="a")
    await alice.submit(agent_id="b")
    await counted(stage)
    token = (await agents(alice, page_size=1)).next_page_token
    bob = await stage.client("bob")
    for client, wrong in ((bob, token), (alice, "nonsense"), (alice, token[:-3])):
        assert set(violations_of(await refused(agents(client, page_token=wrong)))) == {"page_token"}


@pytest.mark.parametrize(
    ("code", "state"),
    [("", State.COMPLETED), ("TIMED_OUT", State.TIMED_OUT), ("CANCELLED", State.FAILED), ("ANY", State.FAILED)],
)
def test_how_a_test_ended_is_told_by_its_failure(code: str, state: State) -> None:
    assert ended_as(code) is state


async def test_the_figures_of_two_users_agents_of_one_id_stand_apart_for_an_admin(stage: Stage, alice: Client) -> None:
    bob, admin = await stage.client("bob"), await stage.client("root", role="admin")
    await passed(stage, alice, "bot")
    of_bob = [await failed(stage, bob, "bot", FAILURE) for _ in range(2)]
    await counted(stage)

    async def ended(client: Client, **fields: Any) -> int:
        answer = await client.call("GetAgentStats", pb.GetAgentStatsRequest(agent_id="bot", **fields))
        return int(answer.stats.ended_count)

    assert await ended(admin) == 3
    assert await ended(admin, user_id="alice") == await ended(alice) == await ended(alice, user_id="alice") == 1
    assert await ended(admin, user_id="bob") == 2
    of_others = alice.call("GetAgentStats", pb.GetAgentStatsRequest(agent_id="bot", user_id="bob"))
    assert (await refused(of_others)).code() is Code.PERMISSION_DENIED
    other = admin.call("GetAgentStats", pb.GetAgentStatsRequest(test_id=of_bob[0], user_id="alice"))
    assert set(violations_of(await refused(other))) == {"test_id"}
