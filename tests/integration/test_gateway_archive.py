"""Tests that are put away, through a gateway on a real store."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from assay.v1 import test_pb2
from assay.v1 import test_service_pb2 as pb
from tests.support.gateway import Client, Stage, now, refused, violations_of
from tests.support.history import FIRST, LONGEST, listed

Code = grpc.StatusCode


async def test_an_admin_archives_their_own_unless_others_are_named(stage: Stage, alice: Client, root: Client) -> None:
    bob = await stage.client("bob")
    for client in (alice, bob, root):
        test = await client.submit()
        await stage.others.started(test.id)
        await stage.others.completed(test.id)
    at_once = Duration(seconds=0)

    async def archived(**options: Any) -> int:
        request = pb.ArchiveTestsRequest(older_than=at_once, **options)
        return int((await root.call("ArchiveTests", request)).archived_count)

    assert await archived(everybody=True, validate_only=True) == 3
    assert await archived() == 1
    assert len(await listed(root)) == 2
    assert await archived(filter=pb.TestFilter(user_id="alice")) == 1
    assert await archived(everybody=True) == 1
    assert await listed(root) == []
    for wrong in (
        pb.ArchiveTestsRequest(everybody=True, filter=pb.TestFilter(user_id="alice")),
        pb.ArchiveTestsRequest(everybody=True, filter=pb.TestFilter(own=True)),
        pb.ArchiveTestsRequest(everybody=True, test_ids=["tst_1"]),
    ):
        assert "everybody" in violations_of(await refused(root.call("ArchiveTests", wrong)))


async def test_old_ended_tests_are_put_away_and_live_ones_never(stage: Stage, alice: Client) -> None:
    bob = await stage.client("bob")
    done, young, runs, waits = [await alice.submit() for _ in range(4)]
    bobs = await bob.submit()
    for test in (done, young, runs, bobs):
        await stage.others.started(test.id)
    for test in (done, young, bobs):
        await stage.others.completed(test.id)
    long_ago = now() - timedelta(days=8)
    for test in (done, runs, waits, bobs):
        times = {"times.submitted": long_ago, "times.finished": long_ago}
        # An id tells when it was made: this one is from eight days ago, too.
        stored = await stage.others.database["executions"].find_one_and_delete({"_id": test.id})
        assert stored is not None
        stored["_id"] = f"tst_{int(long_ago.timestamp() * 1000):012x}{test.id[16:]}"
        stored["times"] |= {name.partition(".")[2]: at for name, at in times.items()}
        if stored["state"] != "COMPLETED":
            del stored["times"]["finished"]
        await stage.others.database["executions"].insert_one(stored)
    dry = await alice.call("ArchiveTests", pb.ArchiveTestsRequest(validate_only=True))
    assert dry.archived_count == 1
    assert len(await listed(alice)) == 4
    assert (await alice.call("ArchiveTests", pb.ArchiveTestsRequest())).archived_count == 1
    assert len(await listed(alice)) == 3
    assert len(await listed(alice, include_archived=True)) == 4
    assert (await alice.call("ArchiveTests", pb.ArchiveTestsRequest())).archived_count == 0
    everything = pb.ArchiveTestsRequest(older_than=Duration(seconds=0))
    assert (await alice.call("ArchiveTests", everything)).archived_count == 1
    assert len(await listed(bob)) == 1
    states = {test.state for test in (await alice.call("ListTests", pb.ListTestsRequest())).tests}
    assert states == {test_pb2.TEST_STATE_RUNNING, test_pb2.TEST_STATE_SUBMITTED}


async def test_no_test_is_older_than_time(stage: Stage, alice: Client) -> None:
    test = await alice.submit()
    await stage.others.started(test.id)
    await stage.others.completed(test.id)
    for named in ([], [test.id]):
        request = pb.ArchiveTestsRequest(test_ids=named, older_than=Duration(seconds=LONGEST))
        answer = await alice.call("ArchiveTests", request)
        assert (answer.archived_count, list(answer.skipped_test_ids)) == (0, named)
    first = pb.TestFilter(submitted_from=Timestamp(seconds=FIRST))
    request = pb.ArchiveTestsRequest(filter=first, older_than=Duration(seconds=0))
    assert (await alice.call("ArchiveTests", request)).archived_count == 1


async def test_named_tests_are_put_away_and_those_that_cannot_be_are_named(stage: Stage, alice: Client) -> None:
    bob = await stage.client("bob")
    done, runs = await alice.submit(), await alice.submit()
    bobs = await bob.submit()
    for test in (done, runs, bobs):
        await stage.others.started(test.id)
    for test in (done, bobs):
        await stage.others.completed(test.id)
    names = [done.id, runs.id, bobs.id, "tst_" + "0" * 32, "nonsense", done.id]
    answer = await alice.call("ArchiveTests", pb.ArchiveTestsRequest(test_ids=names))
    assert (answer.archived_count, list(answer.skipped_test_ids)) == (1, names[1:5])
    again = await alice.call("ArchiveTests", pb.ArchiveTestsRequest(test_ids=[done.id]))
    assert (again.archived_count, list(again.skipped_test_ids)) == (0, [done.id])
    archived = (await alice.call("GetTest", pb.GetTestRequest(test_id=done.id))).test
    assert archived.state == test_pb2.TEST_STATE_ARCHIVED
    assert archived.result.response_json == '"done"'
    assert archived.history[-1].moved_by == "alice"
    assert archived.times.HasField("archive_time")


async def test_hundreds_are_put_away_in_one_call(stage: Stage, alice: Client) -> None:
    first = await alice.submit(labels={"batch": "one"})
    await stage.others.started(first.id)
    await stage.others.completed(first.id)
    stored = await stage.others.database["executions"].find_one({"_id": first.id})
    assert stored is not None
    copies = [stored | {"_id": f"tst_{number:032x}", "request_key": str(number)} for number in range(700)]
    await stage.others.database["executions"].insert_many(copies)
    request = pb.ArchiveTestsRequest(
        older_than=Duration(seconds=0), filter=pb.TestFilter(labels={"batch": "one"}, agent_id=first.spec.agent_id)
    )
    assert (await alice.call("ArchiveTests", request)).archived_count == 701
    assert await listed(alice) == []


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        pytest.param(pb.ArchiveTestsRequest(test_ids=["x"] * 1001), "test_ids", id="too many"),
        pytest.param(pb.ArchiveTestsRequest(older_than=Duration(seconds=-1)), "older_than", id="negative age"),
        pytest.param(
            pb.ArchiveTestsRequest(filter={"states": [test_pb2.TEST_STATE_RUNNING]}),  # type: ignore[arg-type]
            "filter.states",
            id="running ones",
        ),
        pytest.param(
            pb.ArchiveTestsRequest(test_ids=["x"], filter={"agent_id": "a"}),  # type: ignore[arg-type]
            "filter",
            id="names and a filter",
        ),
        pytest.param(pb.ArchiveTestsRequest(filter={"text": "?"}), "filter.text", id="a bad filter"),  # type: ignore[arg-type]
    ],
)
async def test_a_bad_archive_is_refused(alice: Client, request_: pb.ArchiveTestsRequest, field: str) -> None:
    error = await refused(alice.call("ArchiveTests", request_))
    assert list(violations_of(error)) == [field]
