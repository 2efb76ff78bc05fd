"""How a submission reaches the server: the request, and before it the archives that the server does not have yet.

For both clients: `send` with asyncio, `send_blocking` without. What is sent is submission.py's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.errors import AssayError
from assay.submission import UPLOAD_S, Submission, upload_request

if TYPE_CHECKING:
    from assay.blocking_calls import BlockingCalls
    from assay.bundle import Bundle
    from assay.calls import Calls
    from assay.v1 import test_service_pb2


async def send(calls: Calls, submission: Submission) -> test_service_pb2.SubmitTestResponse:
    """Hands it in. The request id stays the same, so that there is one test whatever happens on the way."""
    while True:
        try:
            return await calls.unary(calls.tests.SubmitTest, submission.request)
        except AssayError as error:
            wanted = submission.wanted_by(error)
            if wanted is None:
                raise
        digest, bundle = wanted
        submission.uploaded(digest, await _upload(calls, bundle))


async def _upload(calls: Calls, bundle: Bundle) -> str:
    async def method(_request: object, **how: Any) -> test_service_pb2.UploadArchiveResponse:
        # Made anew for each try: an iterator of pieces is used up by the first.
        return await calls.tests.UploadArchive(map(upload_request, bundle.pieces()), **how)

    return (await calls.unary(method, None, timeout=UPLOAD_S)).digest


def send_blocking(calls: BlockingCalls, submission: Submission) -> test_service_pb2.SubmitTestResponse:
    """As `send`."""
    while True:
        try:
            return calls.unary(calls.tests.SubmitTest, submission.request)
        except AssayError as error:
            wanted = submission.wanted_by(error)
            if wanted is None:
                raise
        digest, bundle = wanted
        submission.uploaded(digest, _upload_blocking(calls, bundle))


def _upload_blocking(calls: BlockingCalls, bundle: Bundle) -> str:
    def method(_request: object, **how: Any) -> test_service_pb2.UploadArchiveResponse:
        return calls.tests.UploadArchive(map(upload_request, bundle.pieces()), **how)

    return calls.unary(method, None, timeout=UPLOAD_S).digest
