# ruff: noqa: N802 - methods are called as in the .proto
"""A small server of the API with a story per test: real gRPC on a real port, so that clients meet what life has.

Knows nothing of queues or containers; a test tells it what to say, when to break a connection and what to refuse.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import zipfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
import grpc.aio
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from assay.v1 import log_pb2, queue_service_pb2, queue_service_pb2_grpc, test_pb2, test_service_pb2
from assay.v1.account_service_pb2_grpc import add_AccountServiceServicer_to_server
from assay.v1.admin_service_pb2_grpc import add_AdminServiceServicer_to_server
from assay.v1.test_service_pb2_grpc import TestServiceServicer, add_TestServiceServicer_to_server
from tests.unit.client.fake_account import FakeAccount
from tests.unit.client.fake_admin import FakeAdmin

KEY = "key-of-alice"
SECOND = 1_700_000_000


def line(seq: int, text: str | None = None, **more: Any) -> log_pb2.LogLine:
    made = log_pb2.LogLine(
        seq=seq,
        stream=more.pop("stream", log_pb2.LOG_STREAM_STDOUT),
        level=more.pop("level", log_pb2.LOG_LEVEL_INFO),
        text=f"line {seq}" if text is None else text,
        **more,
    )
    made.time.FromMilliseconds(SECOND * 1000 + seq)
    return made


def partial_line(text: str, after: int = 0, stream: Any = log_pb2.LOG_STREAM_STDOUT) -> log_pb2.PartialLine:
    made = log_pb2.PartialLine(stream=stream, level=log_pb2.LOG_LEVEL_INFO, text=text, after_seq=after)
    made.time.FromMilliseconds(SECOND * 1000)
    return made


def a_test(test_id: str, state: str, **more: Any) -> test_pb2.Test:
    made = test_pb2.Test(id=test_id, user_id="alice", state=test_pb2.TestState.Value(f"TEST_STATE_{state}"), **more)
    if not made.HasField("spec"):
        made.spec.CopyFrom(test_pb2.TestSpec(agent_name="echo", query="What is new?"))
    made.times.submit_time.FromSeconds(SECOND)
    if state in {"COMPLETED", "FAILED", "TIMED_OUT"}:
        made.times.end_time.FromMilliseconds(SECOND * 1000 + 1320)
    return made


def passed(test_id: str, response_json: str = '{"answer": 42}') -> test_pb2.Test:
    made = a_test(test_id, "COMPLETED", attempt=1)
    made.result.success = True
    made.result.response_json = response_json
    made.result.metrics.queue_duration.FromMilliseconds(20)
    made.result.metrics.run_duration.FromMilliseconds(380)
    made.result.metrics.peak_memory_bytes = 31 * 2**20
    return made


def failed(test_id: str, code: str = "AGENT_EXCEPTION") -> test_pb2.Test:
    made = a_test(test_id, "FAILED", attempt=1)
    made.failure.code, made.failure.stage = code, "run"
    made.failure.message, made.failure.hint = "ValueError: boom", "Read the traceback."
    made.failure.agent_error.type, made.failure.agent_error.traceback = "ValueError", 'File "agent.py", line 3'
    return made


@dataclass(frozen=True)
class Refusal:
    """What a call is answered with instead."""

    code: grpc.StatusCode
    message: str = "refused"
    details: tuple[Message, ...] = ()


@dataclass
class Story:
    """What is told of one test. `gate` holds the stream of states back before the last one; with `told` the output
    begins when the first state was told, as it does where a test waits for its slot."""

    states: list[test_pb2.Test]
    lines: list[log_pb2.LogLine] = field(default_factory=list)
    complete: log_pb2.LogsComplete | None = None
    gate: asyncio.Event | None = None
    told: asyncio.Event | None = None
    live: asyncio.Queue[test_service_pb2.StreamLogsResponse] | None = None
    """More messages of the output, up to the one that completes it."""

    def say(self, *lines: log_pb2.LogLine, partial: str | None = None, gone: int | None = None, **more: Any) -> None:
        """A message of the output; `partial` is what a line says that has not ended, `gone` behind which line one
        is gone."""
        assert self.live is not None
        said = [] if partial is None else [partial_line(partial, **more)]
        if gone is not None:
            said.append(log_pb2.PartialLine(stream=log_pb2.LOG_STREAM_STDOUT, after_seq=gone, gone=True))
        self.live.put_nowait(test_service_pb2.StreamLogsResponse(lines=lines, partial_lines=said))

    def end(self, count: int) -> None:
        """No more lines come."""
        assert self.live is not None
        complete = log_pb2.LogsComplete(expected=count, received=count, complete=True)
        self.live.put_nowait(test_service_pb2.StreamLogsResponse(complete=complete))


class FakeServer(TestServiceServicer, queue_service_pb2_grpc.QueueServiceServicer):
    """Serves stories, and what tests put into its other attributes."""

    def __init__(self) -> None:
        self.stories: dict[str, Story] = {}
        self.listed: list[test_pb2.Test] = []
        self.page_sizes: list[int] = []  # pages are so long instead, as long as there are entries
        self.last_pages: int | None = None  # so many pages are answered, the next ones never
        self.chain: list[test_pb2.Test] = []
        self.archived = test_service_pb2.ArchiveTestsResponse()
        self.stats = test_service_pb2.GetAgentStatsResponse()
        self.cancels = test_service_pb2.CANCEL_OUTCOME_STOPPING
        self.next_story: Callable[[str], Story] = lambda test_id: Story([passed(test_id)])
        self.refusals: dict[str, list[Refusal]] = {}
        self.silent: set[str] = set()  # methods that never answer
        self.requests: list[Message] = []
        self.findings: list[test_service_pb2.Finding] = []  # of every submission
        self.uploads: dict[str, bytes] = {}  # archives by their digest
        self.largest_piece = 0
        self.rename: Callable[[str], str] = lambda digest: digest  # what the server calls an archive instead
        self.files: dict[tuple[int, str], bytes] = {}  # what DownloadFile gives, by kind and path
        self.spoil: Callable[[bytes], bytes] = lambda piece: piece  # what becomes of it on the way
        self.download_cuts = 0  # so many downloads break after their first piece
        self.metadata: list[dict[str, str]] = []
        self.by_request_id: dict[str, str] = {}
        self.log_cuts: list[int] = []  # each log stream breaks after so many lines, as long as there are entries
        self.repeat = 0  # lines that a log stream sends again before what was asked for
        self.watch_cuts = 0  # so many watch streams break after their first message
        self.streams_closed = 0
        self.queue_stories: list[list[queue_service_pb2.QueueStatus]] = []  # a watch tells one, then its stream breaks
        self.status = queue_service_pb2.QueueStatus(pending=3, running=10, capacity=10, utilization=1.0, own_pending=1)
        self.queue_pages = [queue_service_pb2.ListQueueResponse()]
        self.agents = test_service_pb2.ListAgentsResponse()
        self.change_stories: list[list[test_service_pb2.WatchTestsResponse]] = []  # told as those of the queue are
        self.account = FakeAccount(self.enter)
        self.admin = FakeAdmin(self.enter, self.status)

    async def enter(self, method: str, request: Message, context: Any) -> None:
        self.requests.append(request)
        seen = dict(context.invocation_metadata())
        self.metadata.append(seen)
        if seen.get("authorization") != f"Bearer {KEY}":
            await refuse(context, Refusal(grpc.StatusCode.UNAUTHENTICATED, "this API key is not known"))
        if method in self.silent:
            await asyncio.Event().wait()
        if self.refusals.get(method):
            await refuse(context, self.refusals[method].pop(0))

    async def _story(self, test_id: str, context: Any) -> Story:
        if test_id not in self.stories:
            info = error_details_pb2.ResourceInfo(resource_type="test", resource_name=test_id)
            await refuse(context, Refusal(grpc.StatusCode.NOT_FOUND, f"there is no test {test_id}", (info,)))
        return self.stories[test_id]

    async def SubmitTest(self, request: Any, context: Any) -> test_service_pb2.SubmitTestResponse:
        await self.enter("SubmitTest", request, context)
        for archive in (request.spec.project, request.spec.inputs):
            if archive.digest and archive.digest not in self.uploads:
                metadata = {"digest": archive.digest}
                info = error_details_pb2.ErrorInfo(reason="FILES_UNKNOWN", domain="assay", metadata=metadata)
                message = "these files are not here"
                await refuse(context, Refusal(grpc.StatusCode.FAILED_PRECONDITION, message, (info,)))
        test_id = self.by_request_id.setdefault(request.request_id, f"tst_{len(self.by_request_id) + 1:032x}")
        self.stories.setdefault(test_id, self.next_story(test_id))
        if self.refusals.get("SubmitTest.after"):  # stored, and the answer got lost
            await refuse(context, self.refusals["SubmitTest.after"].pop(0))
        return test_service_pb2.SubmitTestResponse(
            test=a_test("" if request.validate_only else test_id, "SUBMITTED", spec=request.spec),
            findings=self.findings,
        )

    async def UploadArchive(self, request_iterator: Any, context: Any) -> test_service_pb2.UploadArchiveResponse:
        archive, first = b"", True
        async for piece in request_iterator:
            if first:
                await self.enter("UploadArchive", piece, context)
                first = False
            archive += piece.data
            self.largest_piece = max(self.largest_piece, len(piece.data))
        digest = self.rename(digest_of(archive))
        self.uploads[digest] = archive
        return test_service_pb2.UploadArchiveResponse(digest=digest)

    async def DownloadFile(self, request: Any, context: Any) -> AsyncIterator[test_service_pb2.DownloadFileResponse]:
        await self.enter("DownloadFile", request, context)
        content = self.files.get((request.kind, request.path))
        if content is None:
            await refuse(context, Refusal(grpc.StatusCode.NOT_FOUND, "no such file"))
        digest = hashlib.sha256(content).hexdigest()
        head = test_pb2.TestFile(path=request.path, size=len(content), sha256=digest, executable=True)
        yield test_service_pb2.DownloadFileResponse(file=head)
        for start in range(0, len(content), 1 << 16):
            yield test_service_pb2.DownloadFileResponse(data=self.spoil(content[start : start + (1 << 16)]))
            if self.download_cuts:
                self.download_cuts -= 1
                await refuse(context, Refusal(grpc.StatusCode.UNAVAILABLE, "going down"))

    async def GetTest(self, request: Any, context: Any) -> test_service_pb2.GetTestResponse:
        await self.enter("GetTest", request, context)
        return test_service_pb2.GetTestResponse(test=(await self._story(request.test_id, context)).states[-1])

    async def ListTests(self, request: Any, context: Any) -> test_service_pb2.ListTestsResponse:
        await self.enter("ListTests", request, context)
        if self.last_pages == 0:
            await asyncio.Event().wait()
        elif self.last_pages is not None:
            self.last_pages -= 1
        first = int(request.page_token or 0)
        last = first + (self.page_sizes.pop(0) if self.page_sizes else request.page_size or 20)
        token = str(last) if last < len(self.listed) else ""
        found = test_service_pb2.ListTestsResponse(tests=self.listed[first:last], next_page_token=token)
        if request.include_totals:
            for state, count in Counter(test.state for test in self.listed).items():
                found.totals.add(state=state, count=count)
        return found

    async def WatchTest(self, request: Any, context: Any) -> AsyncIterator[test_service_pb2.WatchTestResponse]:
        await self.enter("WatchTest", request, context)
        story = await self._story(request.test_id, context)
        try:
            for number, state in enumerate(story.states):
                if story.gate is not None and number == len(story.states) - 1:
                    await story.gate.wait()
                event = "CURRENT" if number == 0 else "STATE_CHANGED"
                yield test_service_pb2.WatchTestResponse(
                    test=state, event=test_service_pb2.WatchEvent.Value(f"WATCH_EVENT_{event}")
                )
                if story.told is not None:
                    story.told.set()
                if self.watch_cuts:
                    self.watch_cuts -= 1
                    await refuse(context, Refusal(grpc.StatusCode.UNAVAILABLE, "going down"))
        finally:
            self.streams_closed += 1

    async def StreamLogs(self, request: Any, context: Any) -> AsyncIterator[test_service_pb2.StreamLogsResponse]:
        await self.enter("StreamLogs", request, context)
        story = await self._story(request.test_id, context)
        cut = self.log_cuts.pop(0) if self.log_cuts else None
        if story.told is not None:
            await story.told.wait()
        wanted = [entry for entry in matching(request, story) if entry.seq >= (request.from_seq or 1) - self.repeat]
        for number in range(0, len(wanted[:cut]), 2):
            yield test_service_pb2.StreamLogsResponse(lines=wanted[:cut][number : number + 2])
        if cut is not None:
            await refuse(context, Refusal(grpc.StatusCode.UNAVAILABLE, "going down"))
        while story.live is not None:
            message = await story.live.get()
            if not request.partial_lines:
                message.ClearField("partial_lines")
            yield message
            if message.HasField("complete"):
                return
        if story.complete is not None:
            yield test_service_pb2.StreamLogsResponse(complete=story.complete)

    async def GetLogs(self, request: Any, context: Any) -> test_service_pb2.GetLogsResponse:
        await self.enter("GetLogs", request, context)
        story = await self._story(request.test_id, context)
        return test_service_pb2.GetLogsResponse(lines=story.lines[-request.tail :], complete=story.complete)

    async def SearchLogs(self, request: Any, context: Any) -> test_service_pb2.SearchLogsResponse:
        await self.enter("SearchLogs", request, context)
        story = await self._story(request.test_id, context)
        found = [entry for entry in matching(request, story) if entry.seq >= request.from_seq]
        errors = [entry.seq for entry in found if entry.level >= log_pb2.LOG_LEVEL_ERROR]
        return test_service_pb2.SearchLogsResponse(
            count=len(found),
            marks=[entry.seq for entry in found[:: request.step]],
            first_error_seq=errors[0] if errors else 0,
            last_seq=story.lines[-1].seq if story.lines else 0,
            complete=story.complete,
        )

    async def CancelTest(self, request: Any, context: Any) -> test_service_pb2.CancelTestResponse:
        await self.enter("CancelTest", request, context)
        story = await self._story(request.test_id, context)
        return test_service_pb2.CancelTestResponse(test=story.states[-1], outcome=self.cancels)

    async def RetryTest(self, request: Any, context: Any) -> test_service_pb2.RetryTestResponse:
        await self.enter("RetryTest", request, context)
        await self._story(request.test_id, context)
        test_id = f"tst_{len(self.stories) + 1:032x}"
        self.stories[test_id] = self.next_story(test_id)
        return test_service_pb2.RetryTestResponse(test=a_test(test_id, "SUBMITTED"))

    async def GetRetryChain(self, request: Any, context: Any) -> test_service_pb2.GetRetryChainResponse:
        await self.enter("GetRetryChain", request, context)
        return test_service_pb2.GetRetryChainResponse(tests=self.chain)

    async def ArchiveTests(self, request: Any, context: Any) -> test_service_pb2.ArchiveTestsResponse:
        await self.enter("ArchiveTests", request, context)
        return self.archived

    async def GetAgentStats(self, request: Any, context: Any) -> test_service_pb2.GetAgentStatsResponse:
        await self.enter("GetAgentStats", request, context)
        return self.stats

    async def ListAgents(self, request: Any, context: Any) -> test_service_pb2.ListAgentsResponse:
        await self.enter("ListAgents", request, context)
        return self.agents

    async def WatchTests(self, request: Any, context: Any) -> AsyncIterator[test_service_pb2.WatchTestsResponse]:
        await self.enter("WatchTests", request, context)
        yield test_service_pb2.WatchTestsResponse()
        for message in self.change_stories.pop(0) if self.change_stories else []:
            yield message
        if self.change_stories:
            await refuse(context, Refusal(grpc.StatusCode.UNAVAILABLE, "going down"))
        await asyncio.Event().wait()

    async def ListQueue(self, request: Any, context: Any) -> queue_service_pb2.ListQueueResponse:
        await self.enter("ListQueue", request, context)
        return self.queue_pages[int(request.page_token or 0)]

    async def GetQueueStatus(self, request: Any, context: Any) -> queue_service_pb2.GetQueueStatusResponse:
        await self.enter("GetQueueStatus", request, context)
        return queue_service_pb2.GetQueueStatusResponse(status=self.status)

    async def WatchQueue(self, request: Any, context: Any) -> AsyncIterator[queue_service_pb2.WatchQueueResponse]:
        await self.enter("WatchQueue", request, context)
        try:
            for status in self.queue_stories.pop(0) if self.queue_stories else [self.status]:
                yield queue_service_pb2.WatchQueueResponse(status=status)
            if self.queue_stories:
                await refuse(context, Refusal(grpc.StatusCode.UNAVAILABLE, "going down"))
            await asyncio.Event().wait()
        finally:
            self.streams_closed += 1


def matching(request: Any, story: Story) -> list[log_pb2.LogLine]:
    """The lines with the text of a request."""
    if request.match_case:
        return [entry for entry in story.lines if request.text in entry.text]
    return [entry for entry in story.lines if request.text.casefold() in entry.text.casefold()]


def digest_of(archive: bytes) -> str:
    """What a server calls the files in a ZIP."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        lines = sorted(
            f"{hashlib.sha256(opened.read(one)).hexdigest()} {'x' if one.external_attr >> 16 & 0o100 else '-'} "
            f"{one.filename}\n"
            for one in opened.infolist()
        )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def a_file(path: str, content: bytes) -> test_pb2.TestFile:
    return test_pb2.TestFile(path=path, size=len(content), sha256=hashlib.sha256(content).hexdigest())


async def refuse(context: Any, refusal: Refusal) -> NoReturn:
    status = status_pb2.Status(code=refusal.code.value[0], message=refusal.message)
    for detail in refusal.details:
        status.details.add().Pack(detail)
    trailers = (("grpc-status-details-bin", status.SerializeToString()),) if refusal.details else ()
    await context.abort(refusal.code, refusal.message, trailers)
    raise AssertionError("abort raises")


@asynccontextmanager
async def serving(
    fake: FakeServer, port: int = 0, credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[str]:
    """The address of a server that answers with `fake`. Leaving kills its connections at once."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    add_TestServiceServicer_to_server(fake, server)
    queue_service_pb2_grpc.add_QueueServiceServicer_to_server(fake, server)
    add_AccountServiceServicer_to_server(fake.account, server)
    add_AdminServiceServicer_to_server(fake.admin, server)
    where = f"127.0.0.1:{port}"
    bound = server.add_secure_port(where, credentials) if credentials else server.add_insecure_port(where)
    await server.start()
    try:
        yield f"127.0.0.1:{bound}"
    finally:
        await server.stop(None)
