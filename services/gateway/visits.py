"""One call from its arrival to its line in the log, and the figures of its method. Knows nothing of who may come in."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

import grpc
import structlog
from google.protobuf.message import DecodeError
from prometheus_client import Counter, Histogram

from services.gateway.audit.trail import OK, Trail
from services.gateway.errors import InvalidRequest
from services.gateway.metrics import RPC_SECONDS, RPCS
from services.gateway.statuses import DETAILS, Code, status_of
from shared.telemetry.tracing import trace_id

log = structlog.get_logger()

FOR_ADMINS: Final = "/assay.v1.AdminService/"
IN_NEED: Final = FOR_ADMINS + "GetSystemHealth"
"""The call that is made when the store is down: whose key was known minutes ago gets an answer."""

if TYPE_CHECKING:  # generic in the stubs only
    Context = grpc.aio.ServicerContext[Any, Any]

EOF: Final[Any] = cast("Any", grpc.aio).EOF  # the stubs do not know it
"""What is read after the last message of a client."""
UNREADABLE: Final = object()
"""What is read in the place of bytes that are no message."""
CannotWrite: Final = grpc.aio.InternalError
"""The client went away while something was on its way to it."""


def reader(deserialize: Any) -> Callable[[bytes], Any]:
    """What cannot be decoded is refused like any other bad request; gRPC itself would log a traceback for it."""

    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError:
            return UNREADABLE

    return read


class Method:
    """One method of the API, with its figures."""

    def __init__(self, path: str) -> None:
        self.name = path.rsplit("/", 1)[1]
        self.for_admins = path.startswith(FOR_ADMINS)
        self.in_need = path == IN_NEED
        self.seconds: Histogram = RPC_SECONDS.labels(self.name)
        self._ended: dict[str, Counter] = {}

    def ended(self, code: str) -> None:
        counter = self._ended.get(code)
        if counter is None:
            counter = self._ended[code] = RPCS.labels(self.name, code)
        counter.inc()


class Visit:
    """One call."""

    def __init__(self, method: Method) -> None:
        self.method = method
        self.request: Any = None
        """None until it was read, which is after the caller was let in."""
        self.traceparent = ""
        self.user = ""
        self.trail: Trail | None = None
        self.unconfirmed = False
        """Let in by what was known of the key: the store is still asked."""
        self.quiet = False
        """One of so many like it that it has no line in the log."""
        self.took = 0.0
        self._arrived = time.perf_counter()

    async def begin(self, request: Any) -> None:
        """The message was read, and the method is about to run. Raises StoreError where its trace cannot be stored."""
        self.request = request
        if self.trail is not None:
            await self.trail.begin(request)

    async def end(self, answer: Any) -> None:
        """The method has run."""
        if self.trail is not None:
            await self.trail.end(OK)
        self.leave(Code.OK, answer)

    async def refuse(self, context: Context, error: Exception) -> None:
        """Ends the call with the status that `error` becomes."""
        status = status_of(error, trace_id(self.traceparent))
        if status.ours:
            log.error("rpc_broke", method=self.method.name, trace_id=trace_id(self.traceparent), exc_info=error)
        # Only the names of bad fields: what was written into them may be a password.
        fields = ", ".join(bad.field for bad in error.violations[:10]) if isinstance(error, InvalidRequest) else ""
        if self.trail is not None:
            await self.trail.end(status.code.name, fields or status.message)
        self.leave(status.code, message=fields or status.message)
        with contextlib.suppress(CannotWrite):  # the client does not wait for it any more
            await context.abort(status.code, status.message, ((DETAILS, status.details),))

    def leave(self, code: Code, answer: Any = None, *, message: str = "") -> None:
        self.took = time.perf_counter() - self._arrived
        self.method.ended(code.name)
        if self.quiet:
            return
        test_id = getattr(self.request, "test_id", "") or getattr(getattr(answer, "test", None), "id", "")
        fields = {"message": message} if message else {}
        if package_id := getattr(self.request, "package_id", ""):
            fields["package_id"] = package_id[:64]
        log.info(
            "rpc",
            method=self.method.name,
            code=code.name,
            ms=round(self.took * 1000, 2),
            user=self.user,
            test_id=test_id[:64],
            trace_id=trace_id(self.traceparent),
            **fields,
        )
