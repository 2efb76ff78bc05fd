"""From errors to gRPC statuses: the one table, and the google.rpc details that go with a status."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2  # type: ignore[import-untyped]

from services.gateway.errors import (
    BadToken,
    FilesGone,
    Forbidden,
    InvalidRequest,
    NoPackages,
    NoSuchThing,
    NotInThatState,
    OverLimit,
    RateLimited,
    RequestIdTaken,
    StoredTooMuch,
    TooManyCalls,
    TooManyDownloads,
    TooManyPending,
    TooManyUploads,
    TooManyWithoutKey,
    TooManyWrongKeys,
    Unauthenticated,
    UnknownFiles,
    Unreadable,
    Violation,
)
from shared.errors import AssayError, Conflict, NotFound, Unavailable
from shared.store.connect import StoreError

Code = grpc.StatusCode
DOMAIN: Final = "assay"
DETAILS: Final = "grpc-status-details-bin"
COME_BACK_S: Final = 1
MOST_DETAIL_BYTES: Final = 4096
"""gRPC peers refuse more than 8 KiB of metadata by default, in base64 and with everything else in it."""

# The first class that fits decides, so the special ones come first.
TABLE: Final[tuple[tuple[type[BaseException], Code, str], ...]] = (
    (InvalidRequest, Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
    (Unreadable, Code.INVALID_ARGUMENT, "UNREADABLE_REQUEST"),
    (BadToken, Code.UNAUTHENTICATED, "TOKEN_INVALID"),
    (Unauthenticated, Code.UNAUTHENTICATED, "API_KEY_INVALID"),
    (Forbidden, Code.PERMISSION_DENIED, "ROLE_ADMIN_NEEDED"),
    (RequestIdTaken, Code.ALREADY_EXISTS, "REQUEST_ID_TAKEN"),
    (NotFound, Code.NOT_FOUND, "NOT_FOUND"),
    (UnknownFiles, Code.FAILED_PRECONDITION, "FILES_UNKNOWN"),
    (FilesGone, Code.FAILED_PRECONDITION, "FILES_GONE"),
    (Conflict, Code.FAILED_PRECONDITION, "WRONG_STATE"),
    (NoPackages, Code.UNIMPLEMENTED, "NO_PACKAGES"),
    (RateLimited, Code.RESOURCE_EXHAUSTED, "RATE_LIMITED"),
    (TooManyPending, Code.RESOURCE_EXHAUSTED, "TOO_MANY_PENDING"),
    (TooManyDownloads, Code.RESOURCE_EXHAUSTED, "TOO_MANY_DOWNLOADS"),
    (TooManyUploads, Code.RESOURCE_EXHAUSTED, "TOO_MANY_UPLOADS"),
    (StoredTooMuch, Code.RESOURCE_EXHAUSTED, "STORED_TOO_MUCH"),
    (TooManyCalls, Code.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS"),
    (TooManyWithoutKey, Code.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS_WITHOUT_KEY"),
    (TooManyWrongKeys, Code.RESOURCE_EXHAUSTED, "TOO_MANY_WRONG_KEYS"),
    (Unavailable, Code.UNAVAILABLE, "UNAVAILABLE"),
    (StoreError, Code.UNAVAILABLE, "STORE_UNAVAILABLE"),
    (TimeoutError, Code.DEADLINE_EXCEEDED, "TOO_SLOW"),
    (NotImplementedError, Code.UNIMPLEMENTED, "NOT_YET"),
)


class Status(NamedTuple):
    """What a call ends with. `ours` says that the fault is the server's, so that it is logged with its traceback."""

    code: Code
    message: str
    details: bytes
    ours: bool = False


def status_of(error: BaseException, trace_id: str) -> Status:
    """The status of a call that ended with `error`."""
    for kind, code, reason in TABLE:
        if isinstance(error, kind):
            message = _message(error)
            return Status(code, message, _packed(code, message, [_info(reason, error, trace_id), *_more(error)]))
    message = f"Something in Assay went wrong. It is logged with the trace id {trace_id}."
    return Status(
        Code.INTERNAL, message, _packed(Code.INTERNAL, message, [_info("INTERNAL", error, trace_id)]), ours=True
    )


def _message(error: BaseException) -> str:
    if isinstance(error, AssayError):
        return str(error)
    if isinstance(error, StoreError):
        return "The store does not answer; try again in a moment."
    return str(error) or "It took too long."


def _info(reason: str, error: BaseException, trace_id: str) -> Message:
    metadata = {"trace_id": trace_id}
    if isinstance(error, RequestIdTaken | NotInThatState | UnknownFiles):
        metadata |= error.metadata
    return error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata)  # type: ignore[no-any-return]


def _more(error: BaseException) -> list[Message]:
    if isinstance(error, InvalidRequest):
        return [_bad_request(error.violations)]
    if isinstance(error, NoSuchThing):
        return [error_details_pb2.ResourceInfo(resource_type=error.resource_type, resource_name=error.name[:64])]
    if isinstance(error, OverLimit):
        # In whole seconds, and never too early: who waits just so long is let in.
        seconds = max(COME_BACK_S, math.ceil(error.retry_after.total_seconds()))
        return [_quota(error), error_details_pb2.RetryInfo(retry_delay=Duration(seconds=seconds))]
    if isinstance(error, Unavailable | StoreError):
        return [error_details_pb2.RetryInfo(retry_delay=Duration(seconds=COME_BACK_S))]
    return []


def _quota(error: OverLimit) -> Message:
    violation = error_details_pb2.QuotaFailure.Violation(subject=error.subject, description=str(error))
    return error_details_pb2.QuotaFailure(violations=[violation])  # type: ignore[no-any-return]


def _bad_request(violations: Sequence[Violation]) -> Message:
    """As many violations as fit, and a last one that says how many did not."""
    bad = error_details_pb2.BadRequest()
    size = 0
    for place, violation in enumerate(violations):
        size += len(violation.field.encode()) + len(violation.description.encode()) + 8
        if size > MOST_DETAIL_BYTES - 256:
            bad.field_violations.add(field="", description=f"and {len(violations) - place} more fields")
            break
        bad.field_violations.add(field=violation.field, description=violation.description)
    return bad  # type: ignore[no-any-return]


def _packed(code: Code, message: str, details: Sequence[Message]) -> bytes:
    status = status_pb2.Status(code=code_pb2.Code.Value(code.name), message=message[:512])
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status.SerializeToString()  # type: ignore[no-any-return]
