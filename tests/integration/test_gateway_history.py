"""Lists, archive, statistics of agents, usage and cost through a gateway on a real store, as clients ask for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.v1 import admin_service_pb2 as admin
from assay.v1 import test_pb2
from assay.v1 import test_service_pb2 as pb
from services.orchestrator.bookkeeping import Bookkeeping
from shared.domain.pricing import Prices
from shared.store.books import Books
from tests.support.gateway import Client, Stage, details_of, now, refused, staged, violations_of

Code = grpc.StatusCode
FIRST, LAST = -62_135_596_800, 253_402_300_799
"""The first and the last second of the years 1 to 9999, as a Timestamp has them."""
LONGEST = 315_576_000_000
"""Seconds of the longest Duration."""
FAILURE = {"code": "AGENT_EXCEPTION", "stage": "run", "message": "KeyError: 'city'", "hint": "h"}


@pytest_asyncio.fixture
async def stage(nats_url: str, mongo_url: str, mongo_database: str) -> AsyncIterator[Stage]:
    async with staged(nats_url, mongo_url, mongo_database) as stage:
        yield stage


@pytest_asyncio.fixture
async def alice(stage: Stage) -> Client:
    return await stage.client("alice")


@pytest_asyncio.fixture
async def root(stage: Stage) -> Client:
    return await stage.client("root", role="admin")


async def listed(client: Client, **filters: Any) -> list[str]:
    """Ids of the first page."""
    more = {name: filters.pop(name) for name in ("order", "page_size") if name in filters}
    page = await client.call("ListTests", pb.ListTestsRequest(filter=pb.TestFilter(**filters), **more))
    return [test.id for test in page.tests]


async def turned(client: Client, request: pb.ListTestsRequest) -> list[str]:
    """Ids of all pages."""
    seen: list[str] = []
    while True:
        page = await client.call("ListTests", request)
        seen += [test.id for test in page.tests]
        request.page_token = page.next_page_token
        if not request.page_token:
            return seen


async def counted(stage: Stage) -> None:
    """The bookkeeper's round, a while later."""

    class Later:
        def now(self) -> datetime:
            return now() + timedelta(minutes=5)

    books = Books(stage.others.database)
    await Bookkeeping(books, Later(), owner="one", prices=Prices(), charged=frozenset({"scripted"})).round()


# -- lists


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


# -- the archive


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


# -- one test against the others of its agent


async def run_with(stage: Stage, client: Client, run_ms: float, **spec: Any) -> str:
    """A test that ran for so long."""
    test = await client.submit(agent_id="shop", agent_name="Shop", **spec)
    await stage.others.started(test.id)
    await stage.others.completed(test.id)
    metrics = {"run_ms": run_ms, "build_ms": run_ms / 2, "peak_memory_bytes": 1000}
    await stage.others.database["executions"].update_one({"_id": test.id}, {"$set": {"result.metrics": metrics}})
    return str(test.id)


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


# -- usage and cost


async def test_usage_is_told_by_hour_and_by_day_with_the_empty_steps(stage: Stage, alice: Client, root: Client) -> None:
    for run_ms in (1000, 3000):
        await run_with(stage, alice, run_ms)
    failed = await alice.submit()
    await stage.others.started(failed.id)
    await stage.others.failed(failed.id, FAILURE)
    await counted(stage)
    hours = await root.call("GetUsage", admin.GetUsageRequest(interval=admin.REPORT_INTERVAL_HOUR))
    assert len(hours.steps) in {24, 25}
    days = await root.call("GetUsage", admin.GetUsageRequest(user_id="alice"))
    assert len(days.steps) in {30, 31}
    for answer in (hours, days):
        total = answer.total
        assert (total.submitted_count, total.completed_count, total.failed_count) == (3, 2, 1)
        assert total.success_rate == pytest.approx(2 / 3)
        assert total.run_seconds.p95 == pytest.approx(3.0, rel=0.02)
        assert sum(step.submitted_count for step in answer.steps) == 3
        assert not answer.steps[0].HasField("success_rate")
    nobody = await root.call("GetUsage", admin.GetUsageRequest(user_id="nobody"))
    assert nobody.total.submitted_count == 0


async def test_cost_is_told_by_day_user_agent_and_label(stage: Stage, alice: Client, root: Client) -> None:
    bob = await stage.client("bob")
    for client, team in ((alice, "red"), (alice, "blue"), (bob, "red")):
        await run_with(stage, client, 1000, labels={"team": team})
    await counted(stage)

    async def rows(**request: Any) -> dict[str, int]:
        answer = await root.call("GetCostReport", admin.GetCostReportRequest(**request))
        assert answer.total.test_count == sum(row.test_count for row in answer.rows)
        assert answer.total.cost.total_usd == pytest.approx(sum(row.cost.total_usd for row in answer.rows))
        assert all(row.cost.cpu_usd > 0 and row.cost.memory_usd > 0 for row in answer.rows)
        return {row.key: row.test_count for row in answer.rows}

    assert list((await rows()).values()) == [3]
    assert await rows(group_by=admin.COST_GROUPING_USER) == {"alice": 2, "bob": 1}
    assert await rows(group_by=admin.COST_GROUPING_USER, user_id="bob") == {"bob": 1}
    assert await rows(group_by=admin.COST_GROUPING_AGENT) == {"shop": 3}
    assert await rows(group_by=admin.COST_GROUPING_LABEL, label_key="team") == {"red": 2, "blue": 1}
    assert await rows(group_by=admin.COST_GROUPING_LABEL, label_key="team", user_id="alice") == {"red": 1, "blue": 1}
    assert await rows(group_by=admin.COST_GROUPING_LABEL, label_key="none") == {}
    test = (await alice.call("ListTests", pb.ListTestsRequest(page_size=1))).tests[0]
    # A quarter of a vCPU and half a GiB for the minute that is charged at least.
    assert test.cost.total_usd == pytest.approx((0.25 * 0.04048 + 0.5 * 0.004445) / 60)


@pytest.mark.parametrize(
    ("method", "request_", "fields"),
    [
        ("GetUsage", admin.GetUsageRequest(interval=7, user_id="a.b"), {"interval", "user_id"}),  # type: ignore[arg-type]
        ("GetUsage", admin.GetUsageRequest(from_time=Timestamp(seconds=1), interval=1), {"from_time"}),  # type: ignore[arg-type]
        (
            "GetUsage",
            admin.GetUsageRequest(from_time=Timestamp(seconds=10**10), to_time=Timestamp(seconds=10)),
            {"to_time"},
        ),
        ("GetUsage", admin.GetUsageRequest(from_time=Timestamp(seconds=LAST)), {"from_time"}),
        ("GetUsage", admin.GetUsageRequest(from_time=Timestamp(seconds=LAST + 1)), {"from_time"}),
        ("GetUsage", admin.GetUsageRequest(to_time=Timestamp(seconds=FIRST)), {"to_time"}),
        ("GetCostReport", admin.GetCostReportRequest(group_by=admin.COST_GROUPING_LABEL), {"label_key"}),
        ("GetCostReport", admin.GetCostReportRequest(label_key="team"), {"label_key"}),
        ("GetCostReport", admin.GetCostReportRequest(from_time=Timestamp(seconds=1)), {"from_time"}),
        ("GetCostReport", admin.GetCostReportRequest(from_time=Timestamp(seconds=LAST)), {"from_time"}),
        ("GetCostReport", admin.GetCostReportRequest(to_time=Timestamp(seconds=FIRST)), {"to_time"}),
        ("GetCostReport", admin.GetCostReportRequest(group_by=17), {"group_by"}),  # type: ignore[arg-type]
    ],
)
async def test_a_bad_report_is_refused(root: Client, method: str, request_: Any, fields: set[str]) -> None:
    assert set(violations_of(await refused(root.call(method, request_)))) == fields


async def test_a_report_from_the_future_on_names_the_time_that_was_given(root: Client) -> None:
    later = Timestamp()
    later.FromDatetime(now() + timedelta(days=400))
    for method, kind in (("GetUsage", admin.GetUsageRequest), ("GetCostReport", admin.GetCostReportRequest)):
        said = violations_of(await refused(root.call(method, kind(from_time=later))))
        assert said == {"from_time": "is in the future; there is nothing to report yet"}
        said = violations_of(await refused(root.call(method, kind(from_time=later, to_time=later))))
        assert said == {"to_time": "must be later than from_time"}


@pytest.mark.parametrize("since", [FIRST, LAST - 2 * 86_400])
async def test_usage_and_cost_are_told_at_the_ends_of_time(root: Client, since: int) -> None:
    times: Any = {"from_time": Timestamp(seconds=since), "to_time": Timestamp(seconds=since + 2 * 86_400)}
    for interval, steps in ((admin.REPORT_INTERVAL_DAY, {2, 3}), (admin.REPORT_INTERVAL_HOUR, {48, 49})):
        usage = await root.call("GetUsage", admin.GetUsageRequest(interval=interval, **times))
        assert len(usage.steps) in steps
    cost = await root.call("GetCostReport", admin.GetCostReportRequest(**times))
    assert cost.total.test_count == 0


async def test_usage_and_cost_are_for_admins(alice: Client) -> None:
    for method, request in (("GetUsage", admin.GetUsageRequest()), ("GetCostReport", admin.GetCostReportRequest())):
        assert (await refused(alice.call(method, request))).code() is Code.PERMISSION_DENIED


# -- any time that can be written


def near(*places: int) -> st.SearchStrategy[int]:
    """Some days around each of these, exactly them most of all."""
    days = 40 * 86_400
    return st.one_of(*(st.just(place) | st.integers(place - days, place + days) for place in places))


NEVER = st.sampled_from([-(2**63), 2**63 - 1])
NANOS = st.sampled_from([0, 0, 1, 999_999_999, -1, 2**31 - 1])
TIMES = st.none() | st.builds(Timestamp, seconds=near(FIRST, LAST, 0) | st.integers(FIRST, LAST) | NEVER, nanos=NANOS)
AGES = st.none() | st.builds(Duration, seconds=near(0, LONGEST) | st.integers(0, LONGEST) | NEVER, nanos=NANOS)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(since=TIMES, before=TIMES, age=AGES, interval=st.sampled_from([1, 2]), named=st.booleans())
async def test_every_time_is_answered_or_refused(
    root: Client, since: Timestamp | None, before: Timestamp | None, age: Duration | None, interval: Any, named: bool
) -> None:
    wanted = pb.TestFilter(submitted_from=since, submitted_before=before)
    archive = pb.ArchiveTestsRequest(older_than=age, filter=wanted)
    if named:
        archive = pb.ArchiveTestsRequest(older_than=age, test_ids=["tst_" + "0" * 32])
    for method, request in (
        ("ListTests", pb.ListTestsRequest(filter=wanted)),
        ("ArchiveTests", archive),
        ("GetUsage", admin.GetUsageRequest(from_time=since, to_time=before, interval=interval)),
        ("GetCostReport", admin.GetCostReportRequest(from_time=since, to_time=before)),
    ):
        try:
            await root.call(method, request)
        except grpc.aio.AioRpcError as error:
            assert error.code() is Code.INVALID_ARGUMENT, (method, request)  # noqa: PT017 - an answer is as good
