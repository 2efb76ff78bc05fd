"""From gRPC errors to what a tab is told: the error body of the console's API, and whether the feed is taken up again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

_DETAILS: Final = "grpc-status-details-bin"
_PASSING: Final = frozenset(
    {
        "ABORTED",
        "CANCELLED",  # a server that goes down under a call
        "DEADLINE_EXCEEDED",
        "INTERNAL",
        "RESOURCE_EXHAUSTED",
        "UNAVAILABLE",
        "UNKNOWN",
    }
)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a feed, or a stream, does not go on."""

    code: str
    message: str
    reason: str = ""
    violations: tuple[tuple[str, str], ...] = ()
    retry_after_ms: int | None = None

    @property
    def passes(self) -> bool:
        """Whether the same feed may work in a moment."""
        return self.code in _PASSING

    @property
    def ends_session(self) -> bool:
        """Whether no feed of this session works any more."""
        return self.code == "UNAUTHENTICATED"

    def body(self) -> dict[str, Any]:
        """The error body of the console's API."""
        return {
            "code": self.code,
            "message": self.message,
            "reason": self.reason,
            "violations": [{"field": field, "description": said} for field, said in self.violations],
            "retryAfterMs": self.retry_after_ms,
        }


ENDED_EARLY: Final = Failure("UNAVAILABLE", "The server ended the stream early.")


def failure_of(error: grpc.aio.AioRpcError) -> Failure:
    """What the error of a call says, with the google.rpc details where there are any."""
    code, message = error.code().name, error.details() or error.code().name
    reason, violations, retry_after_ms = "", (), None
    raw = next((value for key, value in error.trailing_metadata() or () if key == _DETAILS), None)
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    try:
        for detail in status_pb2.Status.FromString(raw).details if isinstance(raw, bytes) else ():
            if detail.Unpack(info):
                reason = info.reason
            elif detail.Unpack(bad):
                violations = tuple((one.field, one.description) for one in bad.field_violations)
            elif detail.Unpack(retry):
                retry_after_ms = round(retry.retry_delay.ToTimedelta().total_seconds() * 1000)
    except DecodeError:
        pass  # details are an extra: the code and the message still tell the story
    return Failure(code, message, reason, violations, retry_after_ms)
