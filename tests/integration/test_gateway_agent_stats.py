"""One test against the others of its agent, through a gateway on a real store."""

from __future__ import annotations

import grpc
import pytest

from assay.v1 import test_service_pb2 as pb
from tests.support.gateway import Client, Stage, details_of, refused, violations_of
from tests.support.history import FAILURE, counted, run_with

Code = grpc.StatusCode


async def test_a_test_is_set_against_the_others_of_its_agent(stage: Stage, alice: Client) -> None:
    for run_ms in (1000, 2000, 3000):
        await run_with(stage, alice, run_ms)
    failed = await alice.submit(agent_id="shop", agent_name="Shop")
    await stage.others.started(failed.id)
    await stage.others.failed(failed.id, FAILURE)
    await counted(stage)
    mine = await run_with(stage, alice, 4000, requirements=["requests"])
    for _ in range(2):  # before it is counted, and after
        answer = await alice.call("GetAgentStats", pb.GetAgentStatsRequest(test_id=mine))
        stats = answer.stats
        assert (stats.agent_id, stats.agent_name, stats.ended_count, stats.success_rate) == ("shop", "Shop", 4, 0.75)
        assert (stats.run_seconds.count, stats.run_seconds.mean) == (3, pytest.approx(2.0))
        assert stats.run_seconds.p50 == pytest.approx(2.0, rel=0.03)
        assert stats.run_seconds.max == pytest.approx(3.0, rel=0.03)
        assert stats.build_seconds.count == 0  # nothing was to be installed
        assert answer.comparison.run_ratio == pytest.approx(2.0)
        assert answer.comparison.peak_memory_ratio == pytest.approx(1.0)
        assert not answer.comparison.HasField("build_ratio")
        await counted(stage)
    everything = (await alice.call("GetAgentStats", pb.GetAgentStatsRequest(agent_id="shop"))).stats
    assert (everything.ended_count, everything.run_seconds.count, everything.build_seconds.count) == (5, 4, 1)
    assert everything.HasField("last_submit_time")


async def test_the_first_test_of_an_agent_has_no_others(stage: Stage, alice: Client) -> None:
    first = await alice.submit(agent_id="new")
    for _ in range(2):
        answer = await alice.call("GetAgentStats", pb.GetAgentStatsRequest(test_id=first.id))
        assert answer.stats.ended_count == 0
        assert not answer.comparison.HasField("run_ratio")
        known = (await alice.call("GetAgentStats", pb.GetAgentStatsRequest(agent_id="new"))).stats
        assert (known.agent_id, known.ended_count, known.HasField("last_submit_time")) == ("new", 0, True)
        await counted(stage)


async def test_agents_of_others_are_not_found(stage: Stage, alice: Client, root: Client) -> None:
    bob = await stage.client("bob")
    theirs = await run_with(stage, bob, 1000)
    await counted(stage)
    for request in (pb.GetAgentStatsRequest(agent_id="shop"), pb.GetAgentStatsRequest(test_id=theirs)):
        error = await refused(alice.call("GetAgentStats", request))
        assert error.code() is Code.NOT_FOUND
        assert details_of(error)["ResourceInfo"].resource_type in {"assay.v1.Agent", "assay.v1.Test"}
    for request in (pb.GetAgentStatsRequest(agent_id="shop"), pb.GetAgentStatsRequest(test_id=theirs)):
        assert (await root.call("GetAgentStats", request)).stats.agent_id == "shop"
    for request, field in (
        (pb.GetAgentStatsRequest(), "agent_id"),
        (pb.GetAgentStatsRequest(agent_id="other", test_id=theirs), "test_id"),
    ):
        assert field in violations_of(await refused(bob.call("GetAgentStats", request)))
