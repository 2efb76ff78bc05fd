"""Limits per user at the gateway, on a real store: exact however many ask at once and wherever."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from assay.errors import RateLimited, from_rpc
from assay.v1 import admin_service_pb2 as admin
from assay.v1 import test_pb2
from assay.v1 import test_service_pb2 as pb
from tests.support.gateway import CODE, Client, Stage, details_of, refused, staged, violations_of
from tests.support.until import until

Code = grpc.StatusCode
OVERRIDES = admin.UserLimits


async def limit(root: Client, user: str = "alice", **overrides: Any) -> admin.UserLimits:
    request = admin.SetUserLimitsRequest(user_id=user, overrides=OVERRIDES(**overrides))
    answer: admin.UserLimits = (await root.call("SetUserLimits", request)).effective
    return answer


async def test_of_fifty_submissions_at_once_on_two_gateways_exactly_ten_are_stored(
    nats_url: str, mongo_url: str, mongo_database: str
) -> None:
    async with AsyncExitStack() as stack:
        stages = [
            await stack.enter_async_context(
                staged(nats_url, mongo_url, mongo_database, gateway_submissions_per_hour=10, gateway_max_pending=1000)
            )
            for _ in range(2)
        ]
        clients = [await stage.client("alice") for stage in stages]
        answers = await asyncio.gather(
            *(clients[number % 2].submit(query=str(number)) for number in range(50)), return_exceptions=True
        )
        errors = [error for error in answers if isinstance(error, grpc.aio.AioRpcError)]
        assert len(errors) == 40
        assert {error.code() for error in errors} == {Code.RESOURCE_EXHAUSTED}
        assert await stages[0].others.database["executions"].count_documents({"user_id": "alice"}) == 10
        assert (await (await stages[0].client("bob")).submit()).id


async def test_a_refusal_says_whose_limit_it_is_and_when_there_is_room(alice: Client, root: Client) -> None:
    effective = await limit(root, submissions_per_hour=2)
    assert effective == OVERRIDES(submissions_per_hour=2, max_pending=0, max_running=0, weight=1)
    for _ in range(2):
        await alice.submit()
    error = await refused(alice.submit())
    assert error.code() is Code.RESOURCE_EXHAUSTED
    details = details_of(error)
    assert details["ErrorInfo"].reason == "RATE_LIMITED"
    (violation,) = details["QuotaFailure"].violations
    assert violation.subject == "user:alice"
    assert "2 tests in any 60 minutes" in violation.description
    assert timedelta(minutes=59) < details["RetryInfo"].retry_delay.ToTimedelta() <= timedelta(minutes=60)
    told = from_rpc(error)
    assert isinstance(told, RateLimited)
    assert told.retry_after == details["RetryInfo"].retry_delay.ToTimedelta()
    assert told.details.quotas[0].field == "user:alice"


async def test_the_same_request_uses_up_no_quota_and_is_answered_at_the_limit(alice: Client, root: Client) -> None:
    await limit(root, submissions_per_hour=2)
    first = await alice.submit(request_id="one")
    again = await asyncio.gather(*(alice.submit(request_id="one") for _ in range(5)), return_exceptions=True)
    assert {test.id for test in again if isinstance(test, test_pb2.Test)} == {first.id}
    assert not [error for error in again if isinstance(error, BaseException)]
    await alice.submit(request_id="two")
    assert (await refused(alice.submit())).code() is Code.RESOURCE_EXHAUSTED
    assert (await alice.submit(request_id="one")).id == first.id
    assert (await refused(alice.submit(request_id="one", query="other"))).code() is Code.ALREADY_EXISTS
    assert (await refused(alice.submit(request_id="three"))).code() is Code.RESOURCE_EXHAUSTED


async def test_what_is_refused_or_only_checked_uses_up_no_quota(alice: Client, root: Client) -> None:
    await limit(root, submissions_per_hour=1)
    for _ in range(3):
        assert (await refused(alice.submit(priority=99))).code() is Code.INVALID_ARGUMENT
        await alice.call(
            "SubmitTest", pb.SubmitTestRequest(spec=test_pb2.TestSpec(agent_code=CODE), validate_only=True)
        )
    await alice.submit()
    await alice.call("SubmitTest", pb.SubmitTestRequest(spec=test_pb2.TestSpec(agent_code=CODE), validate_only=True))


async def test_retries_count_as_submissions(stage: Stage, alice: Client, root: Client) -> None:
    await limit(root, submissions_per_hour=4)
    test = await alice.submit()
    await stage.others.started(test.id)
    await stage.others.completed(test.id)
    # Each takes a number of the chain, and the place of those who were too late is given back.
    answers = await asyncio.gather(
        *(alice.call("RetryTest", pb.RetryTestRequest(test_id=test.id)) for _ in range(3)), return_exceptions=True
    )
    kept = sum(1 for answer in answers if isinstance(answer, pb.RetryTestResponse))
    for _ in range(3 - kept):
        await alice.call("RetryTest", pb.RetryTestRequest(test_id=test.id))
    assert (await refused(alice.call("RetryTest", pb.RetryTestRequest(test_id=test.id)))).code() is (
        Code.RESOURCE_EXHAUSTED
    )
    assert (await refused(alice.submit())).code() is Code.RESOURCE_EXHAUSTED
    # An admin who repeats a user's test does it for the user.
    assert (await refused(root.call("RetryTest", pb.RetryTestRequest(test_id=test.id)))).code() is (
        Code.RESOURCE_EXHAUSTED
    )


async def test_no_more_tests_wait_than_may_and_one_that_got_its_slot_makes_room(
    stage: Stage, alice: Client, root: Client
) -> None:
    await limit(root, max_pending=3)
    answers = await asyncio.gather(*(alice.submit(query=str(n)) for n in range(20)), return_exceptions=True)
    waiting = [test for test in answers if isinstance(test, test_pb2.Test)]
    assert len(waiting) == 3
    error = await refused(alice.submit())
    assert error.code() is Code.RESOURCE_EXHAUSTED
    details = details_of(error)
    assert details["ErrorInfo"].reason == "TOO_MANY_PENDING"
    assert "3 tests waiting" in details["QuotaFailure"].violations[0].description
    assert details["RetryInfo"].retry_delay.ToTimedelta() == timedelta(seconds=5)
    await stage.others.started(waiting[0].id)
    assert (await alice.submit()).id
    assert (await refused(alice.submit())).code() is Code.RESOURCE_EXHAUSTED


async def test_a_limit_counts_what_was_there_before_it_was_set(alice: Client, root: Client) -> None:
    for _ in range(3):
        await alice.submit()
    await limit(root, max_pending=3)
    assert details_of(await refused(alice.submit()))["ErrorInfo"].reason == "TOO_MANY_PENDING"
    await limit(root, submissions_per_hour=3)
    assert details_of(await refused(alice.submit()))["ErrorInfo"].reason == "RATE_LIMITED"
    await limit(root, submissions_per_hour=4)
    await alice.submit()
    await limit(root)  # back to the defaults: none here
    await alice.submit()


async def test_limits_hold_on_another_gateway_within_seconds(
    stage: Stage, root: Client, nats_url: str, mongo_url: str, mongo_database: str
) -> None:
    async with staged(nats_url, mongo_url, mongo_database) as other:
        alice = await other.client("alice")
        await alice.submit()
        await limit(root, submissions_per_hour=1)

        async def is_refused() -> bool:
            try:
                await alice.submit()
            except grpc.aio.AioRpcError as error:
                return error.code() is Code.RESOURCE_EXHAUSTED
            return False

        await until(is_refused, what="the limit to hold there")


async def test_limits_are_read_as_they_were_set(root: Client) -> None:
    request = admin.GetUserLimitsRequest(user_id="alice")
    assert not (await root.call("GetUserLimits", request)).overrides.HasField("weight")
    effective = await limit(root, submissions_per_hour=0, max_running=7, weight=2.5)
    found = await root.call("GetUserLimits", request)
    assert found.overrides == OVERRIDES(submissions_per_hour=0, max_running=7, weight=2.5)
    assert found.effective == effective == OVERRIDES(submissions_per_hour=0, max_pending=0, max_running=7, weight=2.5)
    await limit(root, max_pending=5)
    assert (await root.call("GetUserLimits", request)).overrides == OVERRIDES(max_pending=5)


async def test_two_admins_who_change_different_limits_at_once_keep_both(root: Client) -> None:
    async def change(*names: str, **overrides: Any) -> admin.UserLimits:
        request = admin.SetUserLimitsRequest(
            user_id="alice", overrides=OVERRIDES(**overrides), update_mask=FieldMask(paths=names)
        )
        answer: admin.UserLimits = (await root.call("SetUserLimits", request)).overrides
        return answer

    await asyncio.gather(change("max_running", max_running=2), change("max_pending", max_pending=5))
    assert await change("weight", weight=3.0) == OVERRIDES(max_running=2, max_pending=5, weight=3.0)
    # What the mask does not name is left alone though it is set, and what it names and is not set is the default again.
    assert await change("max_pending", max_running=9) == OVERRIDES(max_running=2, weight=3.0)
    wrong = admin.SetUserLimitsRequest(user_id="alice", update_mask=FieldMask(paths=["max_sleeping"]))
    assert "update_mask" in violations_of(await refused(root.call("SetUserLimits", wrong)))


async def test_bad_limits_are_refused_with_every_field(root: Client) -> None:
    request = admin.SetUserLimitsRequest(
        user_id="a b",
        overrides=OVERRIDES(submissions_per_hour=-1, max_pending=10_001, max_running=-5, weight=float("nan")),
    )
    error = await refused(root.call("SetUserLimits", request))
    assert error.code() is Code.INVALID_ARGUMENT
    assert set(violations_of(error)) == {
        "user_id",
        "overrides.submissions_per_hour",
        "overrides.max_pending",
        "overrides.max_running",
        "overrides.weight",
    }
    for weight in (0, -1, 100.5, float("inf")):
        error = await refused(
            root.call("SetUserLimits", admin.SetUserLimitsRequest(user_id="alice", overrides=OVERRIDES(weight=weight)))
        )
        assert set(violations_of(error)) == {"overrides.weight"}
    error = await refused(root.call("GetUserLimits", admin.GetUserLimitsRequest()))
    assert set(violations_of(error)) == {"user_id"}


async def test_users_cannot_change_their_limits(alice: Client) -> None:
    for method, request in (
        ("SetUserLimits", admin.SetUserLimitsRequest(user_id="alice")),
        ("GetUserLimits", admin.GetUserLimitsRequest(user_id="alice")),
    ):
        assert (await refused(alice.call(method, request))).code() is Code.PERMISSION_DENIED
