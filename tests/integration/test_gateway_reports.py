"""Usage and cost, as admins ask for them, through a gateway on a real store."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from assay.v1 import admin_service_pb2 as admin
from assay.v1 import test_service_pb2 as pb
from tests.support.gateway import Client, Stage, now, refused, violations_of
from tests.support.history import FAILURE, FIRST, LAST, counted, run_with

Code = grpc.StatusCode


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
