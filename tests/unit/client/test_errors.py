from datetime import timedelta

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from assay import errors
from assay.client import AsyncAssay
from assay.errors import AssayError, FieldViolation, InvalidRequest, RateLimited, Unauthenticated, Unavailable
from tests.unit.client.conftest import QUICK
from tests.unit.client.fake_server import KEY, FakeServer, Refusal

Code = grpc.StatusCode


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (Code.INVALID_ARGUMENT, errors.InvalidRequest),
        (Code.OUT_OF_RANGE, errors.InvalidRequest),
        (Code.NOT_FOUND, errors.NotFound),
        (Code.ALREADY_EXISTS, errors.AlreadyExists),
        (Code.UNAUTHENTICATED, errors.Unauthenticated),
        (Code.PERMISSION_DENIED, errors.PermissionDenied),
        (Code.RESOURCE_EXHAUSTED, errors.RateLimited),
        (Code.FAILED_PRECONDITION, errors.FailedPrecondition),
        (Code.UNIMPLEMENTED, errors.NotImplementedYet),
        (Code.DEADLINE_EXCEEDED, errors.DeadlineExceeded),
        (Code.INTERNAL, errors.ServerError),
        (Code.DATA_LOSS, errors.ServerError),
    ],
    ids=lambda value: getattr(value, "name", getattr(value, "__name__", "")),
)
async def test_each_status_has_its_error_and_is_not_tried_again(
    client: AsyncAssay, fake: FakeServer, code: grpc.StatusCode, kind: type[AssayError]
) -> None:
    fake.refusals["GetQueueStatus"] = [Refusal(code, "in words")]
    with pytest.raises(kind, match="in words") as raised:
        await client.queue_status()
    assert type(raised.value) is kind
    assert raised.value.code == code.name
    assert len(fake.requests) == 1


async def test_a_call_that_the_server_ended_as_it_went_down_is_tried_again(
    client: AsyncAssay, fake: FakeServer
) -> None:
    fake.refusals["GetQueueStatus"] = [Refusal(Code.CANCELLED, "CANCELLED")]
    await client.queue_status()
    assert len(fake.requests) == 2
    fake.refusals["GetQueueStatus"] = [Refusal(Code.CANCELLED, "CANCELLED")] * 20
    with pytest.raises(Unavailable, match="The server went down during the call") as raised:
        await client.queue_status()
    assert raised.value.code == "CANCELLED"


async def test_a_call_that_ended_while_it_was_sent_to_is_tried_again_for_its_reason(
    client: AsyncAssay, fake: FakeServer
) -> None:
    fake.refusals["GetQueueStatus"] = [
        Refusal(Code.INTERNAL, "Internal error from Core"),
        Refusal(Code.INVALID_ARGUMENT, "the reason"),
    ]
    with pytest.raises(AssayError, match="the reason"):
        await client.queue_status()
    assert len(fake.requests) == 2


async def test_every_bad_field_is_told(client: AsyncAssay, fake: FakeServer) -> None:
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="spec.query", description="must not be empty")
    bad.field_violations.add(field="spec.timeout", description="must be at least 1 s")
    info = error_details_pb2.ErrorInfo(reason="INVALID_SPEC", domain="assay", metadata={"count": "2"})
    fake.refusals["SubmitTest"] = [Refusal(Code.INVALID_ARGUMENT, "2 fields are wrong", (bad, info))]
    with pytest.raises(InvalidRequest) as raised:
        await client.submit("", "")
    assert raised.value.violations == (
        FieldViolation("spec.query", "must not be empty"),
        FieldViolation("spec.timeout", "must be at least 1 s"),
    )
    assert raised.value.reason == "INVALID_SPEC"
    assert raised.value.metadata == {"count": "2"}
    assert str(raised.value) == "spec.query: must not be empty; spec.timeout: must be at least 1 s"


async def test_a_rate_limit_says_when_to_come_back(client: AsyncAssay, fake: FakeServer) -> None:
    quota = error_details_pb2.QuotaFailure()
    quota.violations.add(subject="user:alice", description="10 submissions in 60 minutes")
    retry = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=754))
    fake.refusals["SubmitTest"] = [Refusal(Code.RESOURCE_EXHAUSTED, "too many submissions", (quota, retry))]
    with pytest.raises(RateLimited) as raised:
        await client.submit("code", "query")
    assert raised.value.retry_after == timedelta(seconds=754)
    assert raised.value.details.quotas == (FieldViolation("user:alice", "10 submissions in 60 minutes"),)
    assert len(fake.requests) == 1


async def test_a_submission_whose_answer_got_lost_makes_no_second_test(client: AsyncAssay, fake: FakeServer) -> None:
    fake.refusals["SubmitTest.after"] = [Refusal(Code.UNAVAILABLE, "going down")]
    test = await client.submit("code", "query")
    assert len(fake.requests) == 2
    assert list(fake.stories) == [test.id]


async def test_two_submissions_are_two_tests(client: AsyncAssay, fake: FakeServer) -> None:
    first, second = await client.submit("code", "query"), await client.submit("code", "query")
    assert first.id != second.id
    again = await client.submit("code", "query", request_id="mine")
    assert (await client.submit("code", "query", request_id="mine")).id == again.id
    assert len(fake.stories) == 3


async def test_an_unavailable_server_is_tried_several_times(client: AsyncAssay, fake: FakeServer) -> None:
    fake.refusals["GetQueueStatus"] = [Refusal(Code.UNAVAILABLE, "going down")] * (QUICK.attempts - 1)
    assert (await client.queue_status()).capacity == 10
    assert len(fake.requests) == QUICK.attempts


async def test_nobody_there_is_unavailable() -> None:
    async with AsyncAssay("127.0.0.1:1", retry=QUICK) as client:
        with pytest.raises(Unavailable):
            await client.queue_status()


async def test_a_wrong_key_is_unauthenticated(address: str) -> None:
    async with AsyncAssay(address, "somebody-else") as client:
        with pytest.raises(Unauthenticated, match="not known"):
            await client.queue_status()


async def test_a_server_that_never_answers_is_given_up(fake: FakeServer, address: str) -> None:
    fake.silent = {"GetQueueStatus"}
    async with AsyncAssay(address, KEY, timeout=0.1) as client:
        with pytest.raises(errors.DeadlineExceeded):
            await client.queue_status()
