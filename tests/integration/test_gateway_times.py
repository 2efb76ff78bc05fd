"""Any time that can be written, in whatever takes one: answered or refused."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.v1 import admin_service_pb2 as admin
from assay.v1 import test_service_pb2 as pb
from tests.support.gateway import Client
from tests.support.history import FIRST, LAST, LONGEST

Code = grpc.StatusCode


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
