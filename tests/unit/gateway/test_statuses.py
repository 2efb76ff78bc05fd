from datetime import timedelta

import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from services.gateway.errors import (
    Forbidden,
    InvalidRequest,
    NoSuchTest,
    RateLimited,
    RequestIdTaken,
    ShuttingDown,
    TooManyPending,
    Unauthenticated,
    Unreadable,
    Violation,
)
from services.gateway.statuses import Code, Status, status_of
from shared.bus.dead import NotTaken
from shared.errors import Conflict, NotFound, Unavailable
from shared.store.connect import StoreError


def details(status: Status) -> dict[str, object]:
    found: dict[str, object] = {}
    for detail in status_pb2.Status.FromString(status.details).details:
        kind = getattr(error_details_pb2, detail.type_url.rsplit(".", 1)[1])()
        detail.Unpack(kind)
        found[type(kind).__name__] = kind
    return found


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidRequest([Violation("a", "b")]), Code.INVALID_ARGUMENT),
        (Unreadable(), Code.INVALID_ARGUMENT),
        (Unauthenticated(), Code.UNAUTHENTICATED),
        (Forbidden(), Code.PERMISSION_DENIED),
        (RequestIdTaken("r", "tst_1"), Code.ALREADY_EXISTS),
        (NoSuchTest("tst_1"), Code.NOT_FOUND),
        (NotFound(), Code.NOT_FOUND),
        (Conflict(), Code.FAILED_PRECONDITION),
        (NotTaken(), Code.FAILED_PRECONDITION),
        (RateLimited("alice", "no", timedelta()), Code.RESOURCE_EXHAUSTED),
        (TooManyPending("alice", "no", timedelta()), Code.RESOURCE_EXHAUSTED),
        (ShuttingDown(), Code.UNAVAILABLE),
        (Unavailable(), Code.UNAVAILABLE),
        (StoreError("connection to 10.0.0.1 refused"), Code.UNAVAILABLE),
        (TimeoutError(), Code.DEADLINE_EXCEEDED),
        (RuntimeError("secret"), Code.INTERNAL),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.name,
)
def test_every_error_has_a_status(error: Exception, code: Code) -> None:
    assert status_of(error, "t").code is code


def test_what_went_wrong_inside_is_not_told_and_is_logged() -> None:
    status = status_of(RuntimeError("password=hunter2"), "0123")
    assert status.ours
    assert "hunter2" not in status.message
    assert "0123" in status.message
    assert "10.0.0.1" not in status_of(StoreError("connection to 10.0.0.1 refused"), "t").message


def test_a_bad_request_has_a_violation_for_each_field() -> None:
    status = status_of(InvalidRequest([Violation("spec.query", "is long"), Violation("spec.env", "is odd")]), "t")
    bad = details(status)["BadRequest"]
    assert [(v.field, v.description) for v in bad.field_violations] == [  # type: ignore[attr-defined]
        ("spec.query", "is long"),
        ("spec.env", "is odd"),
    ]
    assert status.message == "spec.query: is long (and 1 more)"


def test_many_violations_still_fit_into_the_metadata_of_a_call() -> None:
    status = status_of(InvalidRequest([Violation(f"spec.requirements[{i}]", "x" * 150) for i in range(200)]), "t")
    assert len(status.details) < 6000  # clients refuse 8 KiB, and base64 adds a third
    bad = details(status)["BadRequest"]
    assert "more fields" in bad.field_violations[-1].description  # type: ignore[attr-defined]


def test_a_store_that_is_away_says_when_to_come_back() -> None:
    retry = details(status_of(StoreError("x"), "t"))["RetryInfo"]
    assert retry.retry_delay.seconds == 1  # type: ignore[attr-defined]


def test_a_request_id_that_is_taken_names_the_test() -> None:
    info = details(status_of(RequestIdTaken("r-1", "tst_9"), "trace"))["ErrorInfo"]
    assert info.reason == "REQUEST_ID_TAKEN"  # type: ignore[attr-defined]
    assert info.domain == "assay"  # type: ignore[attr-defined]
    assert dict(info.metadata) == {"trace_id": "trace", "request_id": "r-1", "test_id": "tst_9"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(("left_s", "told_s"), [(0.0, 1), (0.2, 1), (59.001, 60), (3600.0, 3600)])
def test_who_is_over_a_limit_is_told_whose_it_is_and_never_to_come_back_too_early(left_s: float, told_s: int) -> None:
    error = RateLimited("alice", "alice may hand in 1 test in any 60 minutes", timedelta(seconds=left_s))
    found = details(status_of(error, "t"))
    quota = error_details_pb2.QuotaFailure.Violation(subject="user:alice", description=str(error))
    assert found["QuotaFailure"] == error_details_pb2.QuotaFailure(violations=[quota])
    retry = found["RetryInfo"]
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert retry.retry_delay.seconds == told_s
    assert retry.retry_delay.nanos == 0
