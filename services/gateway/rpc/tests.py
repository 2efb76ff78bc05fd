# ruff: noqa: N802, ARG002 - names and arguments are the API's
"""assay.v1.TestService."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

from assay.v1 import test_service_pb2 as pb
from assay.v1.test_service_pb2_grpc import TestServiceServicer
from services.gateway import translate
from services.gateway.archives.download import Downloads
from services.gateway.archives.intake import Intake
from services.gateway.caller import CALL
from services.gateway.cancel import Cancellation
from services.gateway.fetch import fetch
from services.gateway.history.agents import Agents
from services.gateway.history.agentstats import AgentStats
from services.gateway.history.archive import Archive
from services.gateway.history.listing import Listing
from services.gateway.ports import Tests
from services.gateway.queue.places import Places
from services.gateway.streams.changes import Changes
from services.gateway.streams.logpages import LogPages
from services.gateway.streams.logs import LogStreams
from services.gateway.streams.logsearch import LogSearch
from services.gateway.streams.watch import Watch
from services.gateway.submission.retry import Retry
from services.gateway.submission.submit import Submission
from shared.domain.lifecycle import State

if TYPE_CHECKING:
    from services.gateway.visits import Context


class TestRpc(TestServiceServicer):
    """Tests of the caller."""

    __test__ = False  # not a test class, whatever pytest makes of the name

    def __init__(
        self,
        tests: Tests,
        *,
        submission: Submission,
        intake: Intake,
        downloads: Downloads,
        listing: Listing,
        watch: Watch,
        changes: Changes,
        streams: LogStreams,
        pages: LogPages,
        search: LogSearch,
        cancellation: Cancellation,
        retry: Retry,
        archive: Archive,
        stats: AgentStats,
        agents: Agents,
        places: Places,
    ) -> None:
        self._tests = tests
        self._submission = submission
        self._intake = intake
        self._downloads = downloads
        self._listing = listing
        self._watch = watch
        self._changes = changes
        self._streams = streams
        self._pages = pages
        self._search = search
        self._cancellation = cancellation
        self._retry = retry
        self._archive = archive
        self._stats = stats
        self._agents = agents
        self._places = places

    async def SubmitTest(self, request: pb.SubmitTestRequest, context: Context) -> pb.SubmitTestResponse:
        call = CALL.get()
        accepted = await self._submission.submit(request, call.caller, call.traceparent)
        return pb.SubmitTestResponse(
            test=translate.api_test(accepted.execution, translate.RESULT),
            findings=[translate.api_finding(finding) for finding in accepted.findings],
        )

    async def UploadArchive(
        self, request_iterator: AsyncIterator[pb.UploadArchiveRequest], context: Context
    ) -> pb.UploadArchiveResponse:
        pieces = (piece.data async for piece in request_iterator)
        ref = await self._intake.upload(pieces, CALL.get().caller.user_id)
        return pb.UploadArchiveResponse(digest=ref.digest, files=[translate.api_file(file) for file in ref.files])

    async def DownloadFile(
        self, request: pb.DownloadFileRequest, context: Context
    ) -> AsyncIterator[pb.DownloadFileResponse]:
        async for message in self._downloads.download(request, CALL.get().caller):
            yield message

    async def GetTest(self, request: pb.GetTestRequest, context: Context) -> pb.GetTestResponse:
        execution = await fetch(self._tests, CALL.get().caller, request.test_id)
        place = await self._places.of(execution.id) if execution.state is State.QUEUED else None
        return pb.GetTestResponse(test=translate.api_test(execution, request.view or translate.FULL, place=place))

    async def ListTests(self, request: pb.ListTestsRequest, context: Context) -> pb.ListTestsResponse:
        page = await self._listing.page(request, CALL.get().caller)
        view = request.view or translate.BASIC
        return pb.ListTestsResponse(
            tests=[translate.api_test(execution, view) for execution in page.tests],
            next_page_token=page.next_page_token,
            totals=[
                pb.StateTotal(state=translate.STATES[state], count=page.totals[state])
                for state in State
                if state in page.totals
            ],
        )

    async def WatchTest(self, request: pb.WatchTestRequest, context: Context) -> AsyncIterator[pb.WatchTestResponse]:
        async for update in self._watch.watch(request.test_id, request.view, CALL.get().caller):
            yield update

    async def WatchTests(self, request: pb.WatchTestsRequest, context: Context) -> AsyncIterator[pb.WatchTestsResponse]:
        # Closed here, so that nobody is left watching when the client goes.
        async with aclosing(self._changes.watch(request, CALL.get().caller)) as changes:
            async for message in changes:
                yield message

    async def StreamLogs(self, request: pb.StreamLogsRequest, context: Context) -> AsyncIterator[pb.StreamLogsResponse]:
        packed = self._streams.stream(request, CALL.get().caller)
        async for message in packed:
            yield cast("Any", message)  # serialised already: the interceptor lets bytes pass

    async def GetLogs(self, request: pb.GetLogsRequest, context: Context) -> pb.GetLogsResponse:
        return await self._pages.page(request, CALL.get().caller)

    async def SearchLogs(self, request: pb.SearchLogsRequest, context: Context) -> pb.SearchLogsResponse:
        return await self._search.search(request, CALL.get().caller)

    async def CancelTest(self, request: pb.CancelTestRequest, context: Context) -> pb.CancelTestResponse:
        call = CALL.get()
        done = await self._cancellation.cancel(request.test_id, request.reason, call.caller, call.traceparent)
        return pb.CancelTestResponse(test=translate.api_test(done.execution, translate.RESULT), outcome=done.outcome)

    async def RetryTest(self, request: pb.RetryTestRequest, context: Context) -> pb.RetryTestResponse:
        call = CALL.get()
        execution = await self._retry.retry(request, call.caller, call.traceparent)
        return pb.RetryTestResponse(test=translate.api_test(execution, translate.RESULT))

    async def ArchiveTests(self, request: pb.ArchiveTestsRequest, context: Context) -> pb.ArchiveTestsResponse:
        call = CALL.get()
        done = await self._archive.archive(request, call.caller, call.traceparent)
        return pb.ArchiveTestsResponse(archived_count=done.number, skipped_test_ids=done.skipped)

    async def GetRetryChain(self, request: pb.GetRetryChainRequest, context: Context) -> pb.GetRetryChainResponse:
        view = request.view or translate.BASIC
        chain = await self._retry.chain(request.test_id, view, CALL.get().caller)
        return pb.GetRetryChainResponse(tests=[translate.api_test(execution, view) for execution in chain])

    async def GetAgentStats(self, request: pb.GetAgentStatsRequest, context: Context) -> pb.GetAgentStatsResponse:
        return await self._stats.stats(request, CALL.get().caller)

    async def ListAgents(self, request: pb.ListAgentsRequest, context: Context) -> pb.ListAgentsResponse:
        return await self._agents.page(request, CALL.get().caller)
