"""Lists of tests and their totals through a gateway on a real store, as clients ask for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from assay.v1 import test_pb2
from assay.v1 import test_service_pb2 as pb
from tests.support.gateway import Client, Stage, refused, violations_of
from tests.support.history import FAILURE, FIRST, LAST, counted, listed, turned

Code = grpc.StatusCode


async def test_lists_are_turned_page_by_page_newest_first(alice: Client) -> None:
    ids = [(await alice.submit(query=str(number))).id for number in range(7)]
    seen: list[str] = []
    token = ""
    for _ in range(10):
        page = await alice.call("ListTests", pb.ListTestsRequest(page_size=3, page_token=token))
        seen += [test.id for test in page.tests]
        if not seen[3:]:
            await alice.submit()  # what comes in meanwhile neither repeats nor hides others
        token = page.next_page_token
        if not token:
            break
    assert seen == ids[::-1]


async def test_a_list_is_filtered_by_state(stage: Stage, alice: Client) -> None:
    first, second = await alice.submit(), await alice.submit()
    await stage.others.started(first.id)
    running = pb.TestFilter(states=[test_pb2.TEST_STATE_RUNNING])
    page = await alice.call("ListTests", pb.ListTestsRequest(filter=running))
    assert [test.id for test in page.tests] == [first.id]
    await stage.others.database["executions"].update_one({"_id": second.id}, {"$set": {"state": "ARCHIVED"}})
    assert len((await alice.call("ListTests", pb.ListTestsRequest())).tests) == 1
    both = pb.TestFilter(include_archived=True)
    assert len((await alice.call("ListTests", pb.ListTestsRequest(filter=both))).tests) == 2
    archived = pb.TestFilter(states=[test_pb2.TEST_STATE_ARCHIVED])
    assert len((await alice.call("ListTests", pb.ListTestsRequest(filter=archived))).tests) == 1


async def test_a_page_of_large_tests_is_cut_before_it_is_too_large_for_a_client(alice: Client) -> None:
    code = "# " + "x" * (256 * 1024 - 2)
    ids = [(await alice.submit(code)).id for _ in range(20)]
    seen: list[str] = []
    token, pages = "", 0
    while True:
        request = pb.ListTestsRequest(page_size=100, page_token=token, view=test_pb2.TEST_VIEW_FULL)
        page = await alice.call("ListTests", request)
        seen += [test.id for test in page.tests]
        pages += 1
        if not (token := page.next_page_token):
            break
    assert seen == ids[::-1]
    assert pages > 1


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        pytest.param(pb.ListTestsRequest(page_size=-1), "page_size", id="negative size"),
        pytest.param(pb.ListTestsRequest(page_token="garbage"), "page_token", id="garbage token"),
        pytest.param(pb.ListTestsRequest(order=17), "order", id="unknown order"),  # type: ignore[arg-type]
        pytest.param(pb.ListTestsRequest(filter={"states": [0]}), "filter.states[0]", id="no state"),  # type: ignore[arg-type]
        pytest.param(pb.ListTestsRequest(filter={"user_id": "a.b"}), "filter.user_id", id="odd user"),  # type: ignore[arg-type]
    ],
)
async def test_a_bad_list_is_refused(alice: Client, request_: pb.ListTestsRequest, field: str) -> None:
    error = await refused(alice.call("ListTests", request_))
    assert error.code() is Code.INVALID_ARGUMENT
    assert list(violations_of(error)) == [field]


async def test_a_token_of_another_query_is_refused(alice: Client) -> None:
    for _ in range(3):
        await alice.submit()
    token = (await alice.call("ListTests", pb.ListTestsRequest(page_size=1))).next_page_token
    other = pb.ListTestsRequest(page_token=token, filter=pb.TestFilter(states=[test_pb2.TEST_STATE_SUBMITTED]))
    assert "page_token" in violations_of(await refused(alice.call("ListTests", other)))


async def test_last_weeks_failures_of_one_agent_are_found_page_by_page_while_others_submit(
    stage: Stage, alice: Client
) -> None:
    bob = await stage.client("bob")
    failed: list[str] = []
    for number in range(12):
        test = await alice.submit(agent_id="shop", query=f"number {number}")
        await stage.others.started(test.id)
        if number % 3:
            await stage.others.completed(test.id)
        else:
            await stage.others.failed(test.id, FAILURE)
            failed.append(test.id)
    other = await alice.submit(agent_id="other")
    await stage.others.started(other.id)
    await stage.others.failed(other.id, FAILURE)
    old = Timestamp()
    old.FromDatetime(datetime.now(UTC) - timedelta(days=7))
    wanted = pb.TestFilter(agent_id="shop", states=[test_pb2.TEST_STATE_FAILED], submitted_from=old)
    request = pb.ListTestsRequest(page_size=2, filter=wanted)
    seen: list[str] = []
    while True:
        page = await alice.call("ListTests", request)
        seen += [test.id for test in page.tests]
        await bob.submit(agent_id="shop")
        await alice.submit(agent_id="shop")
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    assert seen == failed[::-1]


async def test_a_test_is_found_by_everything_that_a_filter_has(stage: Stage, alice: Client) -> None:
    one = await alice.submit(
        name="Refund desk",
        agent_id="shop",
        query="Where is my ORDER_17?",
        labels={"team": "red", "beta": ""},
        model=test_pb2.ModelSetting(provider="ollama"),
    )
    other = await alice.submit(agent_id="weather", query="Rain?", labels={"team": "blue"})
    await stage.others.started(other.id)
    await stage.others.failed(other.id, FAILURE)
    for filters in (
        {"agent_id": "shop"},
        {"labels": {"team": "red"}},
        {"labels": {"team": "red", "beta": ""}},
        {"provider": "ollama"},
        {"text": "refund"},
        {"text": "order_17 WHERE"},
        {"states": [test_pb2.TEST_STATE_SUBMITTED]},
    ):
        assert await listed(alice, **filters) == [one.id], filters
    assert await listed(alice, failure_code="AGENT_EXCEPTION") == [other.id]
    assert await listed(alice, labels={"team": ""}) == [other.id, one.id]
    for filters in ({"text": "ref"}, {"agent_id": "shop", "text": "rain"}, {"failure_code": "OUT_OF_MEMORY"}):
        assert await listed(alice, **filters) == [], filters
    assert await listed(alice, submitted_before=one.times.submit_time) == []
    assert await listed(alice, submitted_from=one.times.submit_time) == [other.id, one.id]


async def test_lists_come_in_four_orders(stage: Stage, alice: Client) -> None:
    ids = [(await alice.submit(query=str(number))).id for number in range(4)]
    for test_id, run_ms in ((ids[0], 5.0), (ids[2], 50.0)):
        await stage.others.started(test_id)
        await stage.others.completed(test_id)
        where = {"_id": test_id}
        await stage.others.database["executions"].update_one(where, {"$set": {"result.metrics.run_ms": run_ms}})
    await stage.others.started(ids[3])
    for order, expected in (
        (pb.TEST_ORDER_NEWEST, [3, 2, 1, 0]),
        (pb.TEST_ORDER_OLDEST, [0, 1, 2, 3]),
        (pb.TEST_ORDER_STATE, [1, 3, 2, 0]),
        (pb.TEST_ORDER_RUN_TIME, [2, 0, 3, 1]),
    ):
        found = await turned(alice, pb.ListTestsRequest(page_size=1, order=order))
        assert found == [ids[number] for number in expected]


async def test_every_bad_filter_is_told_at_once(alice: Client) -> None:
    wanted = pb.TestFilter(
        states=[0],  # type: ignore[list-item]
        agent_id="a" * 65,
        provider="p" * 65,
        failure_code="NONSENSE",
        text="?!",
        labels={"": "x"},
        user_id="a.b",
        submitted_from=Timestamp(seconds=10),
        submitted_before=Timestamp(seconds=5),
    )
    error = await refused(alice.call("ListTests", pb.ListTestsRequest(filter=wanted, page_size=-1, order=9)))  # type: ignore[arg-type]
    assert error.code() is Code.INVALID_ARGUMENT
    fields = ["user_id", "states[0]", "failure_code", "agent_id", "provider", "text", "labels", "submitted_before"]
    assert set(violations_of(error)) == {"page_size", "order", *(f"filter.{field}" for field in fields)}
    for beyond in (10**15, LAST + 1, FIRST - 1):
        endless = pb.TestFilter(submitted_from=Timestamp(seconds=beyond))
        assert "filter.submitted_from" in violations_of(
            await refused(alice.call("ListTests", pb.ListTestsRequest(filter=endless)))
        )


async def test_the_first_and_the_last_moment_are_times_to_filter_by(alice: Client) -> None:
    test = await alice.submit()
    first, last = Timestamp(seconds=FIRST), Timestamp(seconds=LAST, nanos=999_999_999)
    assert await listed(alice, submitted_from=first, submitted_before=last) == [test.id]
    assert await listed(alice, submitted_from=last) == []
    assert await listed(alice, submitted_before=first) == []


async def test_totals_are_of_all_the_callers_tests(stage: Stage, alice: Client, root: Client) -> None:
    bob = await stage.client("bob")
    done, failed, _ = [await alice.submit() for _ in range(3)]
    await bob.submit()
    for test in (done, failed):
        await stage.others.started(test.id)
    await stage.others.completed(done.id)
    await stage.others.failed(failed.id, FAILURE)

    async def totals(client: Client, **filters: Any) -> dict[str, int]:
        request = pb.ListTestsRequest(include_totals=True, page_size=1, filter=pb.TestFilter(**filters))
        found = (await client.call("ListTests", request)).totals
        return {test_pb2.TestState.Name(one.state).removeprefix("TEST_STATE_"): one.count for one in found if one.count}

    alices = {"SUBMITTED": 1, "COMPLETED": 1, "FAILED": 1}
    for _ in range(2):
        assert await totals(alice) == alices
        assert await totals(root, user_id="alice", text="nothing") == alices
        assert await totals(root) == alices | {"SUBMITTED": 2}
        await counted(stage)


async def test_an_admin_may_ask_for_their_own_tests_only(alice: Client, root: Client) -> None:
    mine = await root.submit()
    theirs = await alice.submit()
    assert await listed(root) == [theirs.id, mine.id]
    assert await listed(root, own=True) == [mine.id]
    assert await listed(alice, own=True) == [theirs.id]
    both = pb.ListTestsRequest(filter=pb.TestFilter(own=True, user_id="alice"))
    assert "filter.own" in violations_of(await refused(root.call("ListTests", both)))


async def test_who_is_no_admin_may_not_name_another_user(alice: Client) -> None:
    await alice.submit()
    theirs = pb.TestFilter(user_id="root")
    for method, request in (
        ("ListTests", pb.ListTestsRequest(filter=theirs)),
        ("ArchiveTests", pb.ArchiveTestsRequest(filter=theirs, older_than=Duration(seconds=0))),
        ("ArchiveTests", pb.ArchiveTestsRequest(everybody=True, older_than=Duration(seconds=0))),
    ):
        error = await refused(alice.call(method, request))
        assert error.code() is Code.PERMISSION_DENIED
        assert "Only an admin" in str(error.details())
    assert len(await listed(alice, user_id="alice")) == 1  # themselves they may name
