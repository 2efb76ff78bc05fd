"""Errors of the SDK: one class per thing that a caller would handle in its own way, made from google.rpc details.

The only place that translates a gRPC status. `AssayError.temporary` says whether the same call may work in a moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import grpc

    from assay.packages import Package
    from assay.tests import Test

STATUS_DETAILS = "grpc-status-details-bin"
LONGEST_DELAY_S = 366 * 86_400  # that is still worth telling


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One bad field of a request, such as `spec.query`, and what is wrong with it."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class Details:
    """What the server says beside the code and the message."""

    reason: str = ""
    metadata: tuple[tuple[str, str], ...] = ()
    fields: tuple[FieldViolation, ...] = ()
    quotas: tuple[FieldViolation, ...] = ()
    retry_after: timedelta | None = None
    resource: str = ""
    resource_type: str = ""


class AssayError(Exception):
    """Something went wrong between here and the server. `code` is the name of the gRPC status, such as NOT_FOUND."""

    temporary: ClassVar[bool] = False

    def __init__(self, message: str, *, code: str = "", details: Details | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.details = details or Details()

    @property
    def reason(self) -> str:
        """The server's own, finer name of the error, in UPPER_SNAKE_CASE. May be empty."""
        return self.details.reason

    @property
    def metadata(self) -> Mapping[str, str]:
        """Values that belong to `reason`."""
        return dict(self.details.metadata)


class NotConfigured(AssayError):
    """Nothing says where the server is."""


class InvalidRequest(AssayError):
    """The server refuses the request as it is. `violations` has every bad field."""

    @property
    def violations(self) -> tuple[FieldViolation, ...]:
        return self.details.fields

    def __str__(self) -> str:
        if not self.violations:
            return self.message
        return "; ".join(f"{violation.field}: {violation.description}" for violation in self.violations)


class NotFound(AssayError):
    """There is no such thing, or it belongs to somebody else."""


class AlreadyExists(AssayError):
    """The request id was used for another request."""


class Unauthenticated(AssayError):
    """The API key is missing, unknown, expired or revoked."""


class PermissionDenied(AssayError):
    """The API key may not do this."""


class RateLimited(AssayError):
    """Too many requests or tests. `retry_after` says when there is room again, `quotas` which limit was met."""

    @property
    def retry_after(self) -> timedelta | None:
        """None where it cannot be told, as when tests must end first."""
        return self.details.retry_after

    @property
    def quotas(self) -> tuple[FieldViolation, ...]:
        """Whose limit (`field`, such as `user:alice`), and what it is."""
        return self.details.quotas


class FailedPrecondition(AssayError):
    """The thing is not in the state that this needs."""


class NotImplementedYet(AssayError):
    """This server does not do that (yet)."""


class Unavailable(AssayError):
    """The server cannot be reached, or goes down. Was tried several times."""

    temporary = True


class DeadlineExceeded(AssayError):
    """There was no answer in time."""


class ServerError(AssayError):
    """The server failed; it is not the caller's fault."""


class BadAnswer(ServerError):
    """The server's answer is none that a server of Assay gives: nothing was made of it."""

    @classmethod
    def of(cls, field: str, problem: str) -> BadAnswer:
        message = f"The server's answer cannot be used: {field} {problem}. Is it a server of Assay?"
        return cls(message, code="BAD_ANSWER")


class PackageFailed(AssayError):
    """A package could not be made. `package` has the failure."""

    def __init__(self, package: Package) -> None:
        failure = package.failure
        super().__init__(f"{failure.code}: {failure.message}" if failure else f"package {package.id} {package.state}")
        self.package = package


class DownloadFailed(AssayError):
    """A package could not be downloaded whole."""


class TestFailed(Exception):
    """A test ended without an answer."""

    __test__ = False

    def __init__(self, test: Test) -> None:
        failure = test.failure
        super().__init__(f"{failure.code}: {failure.message}" if failure else f"test {test.id} is {test.state}")
        self.test = test


_CLASSES: dict[str, type[AssayError]] = {
    "INVALID_ARGUMENT": InvalidRequest,
    "OUT_OF_RANGE": InvalidRequest,
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": AlreadyExists,
    "UNAUTHENTICATED": Unauthenticated,
    "PERMISSION_DENIED": PermissionDenied,
    "RESOURCE_EXHAUSTED": RateLimited,
    "FAILED_PRECONDITION": FailedPrecondition,
    "UNIMPLEMENTED": NotImplementedYet,
    "UNAVAILABLE": Unavailable,
    "CANCELLED": Unavailable,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
}


_WRITE_REFUSED = "Internal error from Core"  # grpc.aio, of a write to a call that the server has ended


def from_rpc(error: grpc.RpcError) -> AssayError:
    """The error of a call. `error` is what either of grpc's two Python interfaces raises."""
    code: str = error.code().name
    message: str = error.details() or code
    if code == "CANCELLED" and message == code:  # who cancels a call here gets no status, so it was the server's end
        message = "The server went down during the call."
    if code == "INTERNAL" and message == _WRITE_REFUSED:
        # The reason was on its way and is lost with the call: asked again, it comes.
        code, message = "UNAVAILABLE", "The server ended the call while it was being sent to."
    return _CLASSES.get(code, ServerError)(message, code=code, details=_details(error.trailing_metadata() or ()))


def of_code(code: str, message: str) -> AssayError:
    """The error with the name of a gRPC status, as the console tells it."""
    return _CLASSES.get(code, ServerError)(message, code=code)


def lost_stream(error: AssayError) -> bool:
    """True when a stream broke by the connection or a server that goes down, not by what was asked for."""
    if error.temporary or error.code == "ABORTED":
        return True
    return error.code in {"INTERNAL", "UNKNOWN"} and ("RST_STREAM" in error.message or "removed" in error.message)


def stream_ended_early() -> AssayError:
    return Unavailable("The server ended the stream early.", code="UNAVAILABLE")


def _details(trailers: Iterable[Any]) -> Details:
    raw = next((value for key, value in trailers if key == STATUS_DETAILS), None)
    if not isinstance(raw, bytes):
        return Details()
    from google.protobuf.message import DecodeError
    from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

    reason, resource, resource_type = "", "", ""
    metadata: tuple[tuple[str, str], ...] = ()
    fields: tuple[FieldViolation, ...] = ()
    quotas: tuple[FieldViolation, ...] = ()
    retry_after: timedelta | None = None
    bad, info, quota = error_details_pb2.BadRequest(), error_details_pb2.ErrorInfo(), error_details_pb2.QuotaFailure()
    retry, what = error_details_pb2.RetryInfo(), error_details_pb2.ResourceInfo()
    try:
        packed = status_pb2.Status.FromString(raw).details
        for detail in packed:
            if detail.Unpack(bad):
                fields = tuple(FieldViolation(v.field, v.description) for v in bad.field_violations)
            elif detail.Unpack(info):
                reason, metadata = info.reason, tuple(sorted(info.metadata.items()))
            elif detail.Unpack(quota):
                quotas = tuple(FieldViolation(v.subject, v.description) for v in quota.violations)
            elif detail.Unpack(retry):
                retry_after = _delay(retry.retry_delay)
            elif detail.Unpack(what):
                resource, resource_type = what.resource_name, what.resource_type
    except (DecodeError, UnicodeError):
        return Details()  # details are an extra: without them the code and message still tell the story
    return Details(reason, metadata, fields, quotas, retry_after, resource, resource_type)


def _delay(message: Any) -> timedelta | None:
    """How long to wait, as far as it is a time at all: a server may say anything. Nothing here waits so long."""
    return (
        timedelta(seconds=message.seconds) + timedelta(microseconds=message.nanos // 1000)
        if (0 <= message.seconds <= LONGEST_DELAY_S and 0 <= message.nanos < 1_000_000_000)
        else None
    )
