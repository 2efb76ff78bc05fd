"""From a gRPC status to what a browser gets: an HTTP status and one JSON body, the same for every error.

The one translation table of this edge. Knows nothing of sessions or methods.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from starlette.responses import Response

DETAILS: Final = "grpc-status-details-bin"

# As google/rpc/code.proto maps them.
STATUS: Final[dict[str, int]] = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
AWAY: Final = "The gateway does not answer. If this stays, look whether it runs."
"""No promise: what is read is read again by the page, and what was to be done is not done later."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One bad field, by its path in the request, such as `spec.query`."""

    field: str
    description: str


class Problem(Exception):
    """What a request ends with that cannot be answered. `code` is the name of a gRPC status."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        reason: str = "",
        violations: Sequence[Violation] = (),
        retry_after_ms: int | None = None,
        status: int | None = None,
        dead: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.violations = violations
        self.retry_after_ms = retry_after_ms
        self.status = status or STATUS[code]
        self.dead = dead
        """The gateway refused the session's key: the session is over."""

    @property
    def body(self) -> dict[str, Any]:
        """As the page gets it."""
        return {
            "code": self.code,
            "message": self.message,
            "reason": self.reason,
            "violations": [{"field": bad.field, "description": bad.description} for bad in self.violations],
            "retryAfterMs": self.retry_after_ms,
        }

    def response(self, **more: Any) -> Response:
        return json_response({**self.body, **more}, status=self.status)


class TooLarge(Problem):
    """The body of a request is larger than may be."""

    def __init__(self, most: int) -> None:
        super().__init__(
            "INVALID_ARGUMENT",
            f"This is too large: at most {most:,} bytes can be sent.",
            reason="TOO_LARGE",
            status=413,
        )


def json_response(value: object, *, status: int = 200) -> Response:
    """What quotes half of a surrogate pair from a request is written as the escape it came as: UTF-8 has none."""
    content = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace")
    return Response(content, status_code=status, media_type="application/json")


def problem_of(error: grpc.aio.AioRpcError) -> Problem:
    """The problem of a call that ended with `error`, with the google.rpc details that came along."""
    code, message = error.code().name, error.details() or ""
    if code == "CANCELLED":  # who cancels here gets no status, so it was the gateway's end
        code, message = "UNAVAILABLE", AWAY
    details = _details(error)
    if code == "UNAVAILABLE" and not details:  # gRPC's own words are for those who look after the connection
        message = AWAY
    reason, violations, retry_after = "", list[Violation](), None
    for detail in details:
        if isinstance(detail, error_details_pb2.ErrorInfo):
            reason = detail.reason
        elif isinstance(detail, error_details_pb2.BadRequest):
            violations += [Violation(bad.field, bad.description) for bad in detail.field_violations]
        elif isinstance(detail, error_details_pb2.RetryInfo):
            retry_after = detail.retry_delay.ToMilliseconds()
    return Problem(
        code,
        message or code,
        reason=reason,
        violations=violations,
        retry_after_ms=retry_after,
        dead=code == "UNAUTHENTICATED",
    )


_KINDS: Final = (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo)


def _details(error: grpc.aio.AioRpcError) -> list[Any]:
    trailers: Any = error.trailing_metadata()
    packed = dict(trailers or ()).get(DETAILS)
    if not isinstance(packed, bytes):
        return []
    try:
        status = status_pb2.Status.FromString(packed)
        return [
            kind.FromString(detail.value) for detail in status.details for kind in _KINDS if detail.Is(kind.DESCRIPTOR)
        ]
    except DecodeError:  # a proxy's, and none of ours: the code and the message say enough
        return []
