"""AsyncAssay: the SDK for asyncio. Owns what its methods mean; calls, messages and retries are made elsewhere.

blocking.py is its twin for code without asyncio.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from assay import changes, fetching, log_messages, requests, sending, submission, translate
from assay.calls import Calls
from assay.changes import TestChanges, Told, WatchOptions
from assay.connection import Connection, resolve
from assay.errors import stream_ended_early
from assay.files import FileKind, TestFile
from assay.listing import AsyncListing
from assay.log_client import AsyncLogs
from assay.logs import LogCursor, LogLevel, LogSearch, LogStream
from assay.package_client import AsyncPackages
from assay.project import Project
from assay.queue import QueueEntry, QueuePage, QueueStatus
from assay.requests import FilterOptions, ListOptions
from assay.retry import RetryPolicy
from assay.submission import Source, SubmitOptions
from assay.tests import Archived, Cancelled, Page, Test, Update
from assay.v1 import queue_service_pb2, test_service_pb2

if TYPE_CHECKING:
    from assay.account import Account
    from assay.admin import PageOptions
    from assay.admin_client import AsyncAdmin
    from assay.agents import Agent, AgentPage
    from assay.reports import AgentStats


class AsyncAssay:
    """A connection to Assay. Safe to share between tasks of one event loop; made once, used for many calls.

    Without arguments it finds the server by ASSAY_ADDRESS and ASSAY_API_KEY, else by the nearest `.assay/client.json`
    that local mode wrote. `timeout` (seconds) bounds each try of a call; streams have no time limit.
    Every method raises subclasses of AssayError.

        async with AsyncAssay() as client:
            test = await client.submit(Path("agent.py"), "What is new?")
            async for line in client.logs(test.id, follow=True):
                print(line.text)
    """

    def __init__(
        self,
        address: str | None = None,
        api_key: str | None = None,
        *,
        connection: Connection | None = None,
        timeout: float = 30.0,
        retry: RetryPolicy | None = None,
    ) -> None:
        self.connection = connection or resolve(address, api_key)
        self._calls = Calls(self.connection, timeout=timeout, retry=retry or RetryPolicy())
        self.packages = AsyncPackages(self._calls, retry or RetryPolicy())

    @cached_property
    def admin(self) -> AsyncAdmin:
        """Capacity, keys, limits, usage, cost, dead letters: for those who run Assay."""
        from assay.admin_client import AsyncAdmin  # few clients need it

        return AsyncAdmin(self._calls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends all calls and streams of this client."""
        await self._calls.aclose()

    async def submit(self, agent: Source | Project, query: str | None, **options: Unpack[SubmitOptions]) -> Test:
        """Hands in a test. `agent` is source code as text, the path of a file or of a project's folder, or a Project.

        `query` None: the agent is run without one. `Test.findings` has what was noticed without running it.
        Raises InvalidRequest, RateLimited, BadProject, NotPythonText, RefusedRequirements."""
        answer = await sending.send(self._calls, submission.prepare(agent, query, options))
        return translate.submitted(answer)

    async def run(self, agent: Source | Project, query: str | None, **options: Unpack[SubmitOptions]) -> Test:
        """Hands in a test and waits for its end. A failed test is returned, too: see Test.raise_for_failure."""
        return await self.wait((await self.submit(agent, query, **options)).id)

    async def get(self, test_id: str) -> Test:
        """One test with everything that is known of it. Raises NotFound."""
        request = test_service_pb2.GetTestRequest(test_id=test_id)
        return translate.test((await self._calls.unary(self._calls.tests.GetTest, request)).test)

    def list(self, *, limit: int | None = None, **options: Unpack[ListOptions]) -> AsyncListing[Page, Test]:
        """Tests, newest first unless ordered otherwise: iterate over it, or its `pages()`. `limit`: at most so many."""

        async def page(request: test_service_pb2.ListTestsRequest) -> Page:
            return translate.page(await self._calls.unary(self._calls.tests.ListTests, request))

        return AsyncListing(lambda: requests.list_tests(options), page, lambda page: page.tests, limit)

    async def watch(self, test_id: str) -> AsyncGenerator[Update]:
        """How a test stands: at once, then at each change, until it ended. Outlives a lost connection."""
        request = test_service_pb2.WatchTestRequest(test_id=test_id)
        last: object = None
        stream = self._calls.stream(self._calls.tests.WatchTest, lambda: request, endless=True)
        async with aclosing(stream) as messages:
            async for message in messages:
                test = translate.test(message.test)
                if test.standing != last:  # a new connection begins with what was seen before
                    last = test.standing
                    yield Update(test, translate.watch_event(message.event))
                if test.ended:
                    return

    async def watch_tests(self, **options: Unpack[WatchOptions]) -> AsyncGenerator[TestChanges]:
        """Tests that are new or change, until you leave it: your own, for admins everybody's unless narrowed.

        The first one is empty: from it on nothing is missed, so list them then. Goes on after a lost connection."""
        told = Told()
        request = changes.request(options)
        stream = self._calls.stream(self._calls.tests.WatchTests, lambda: request, endless=True)
        async with aclosing(stream) as messages:
            async for message in messages:
                yield told.take(message)

    async def wait(self, test_id: str, *, timeout: float | timedelta | None = None) -> Test:
        """The test when it ended. Raises TimeoutError after `timeout` (seconds); the test goes on then."""
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        async with asyncio.timeout(seconds), aclosing(self.watch(test_id)) as updates:
            async for update in updates:
                if update.test.ended:
                    return update.test
        raise stream_ended_early()

    def logs(
        self,
        test_id: str,
        *,
        follow: bool = False,
        from_seq: int = 1,
        tail: int | None = None,
        min_level: LogLevel | str | None = None,
        streams: Iterable[LogStream | str] = (),
        text: str = "",
        match_case: bool = False,
        to_seq: int | None = None,
    ) -> AsyncLogs:
        """Output of a test: what there is, or with `follow` all of it as it comes. Goes on after a lost connection.

        Iterate over it for lines, or over its `batches()`. Afterwards `.complete` says whether these were all lines.
        `tail`: begin with the last so many stored lines (at most 10,000) instead of at `from_seq`. `to_seq`: the last
        number of interest. `text`: only lines with this in them (at most 200 characters), whatever their case unless
        `match_case`; not with `tail`.
        """
        lines = requests.LogFilter(text, match_case, min_level, tuple(streams))
        wanted = requests.LogSelection(test_id, follow, tail, lines)
        return AsyncLogs(self._calls, wanted, LogCursor(next_seq=from_seq, last_seq=to_seq))

    async def search_logs(
        self,
        test_id: str,
        *,
        text: str = "",
        match_case: bool = False,
        min_level: LogLevel | str | None = None,
        streams: Iterable[LogStream | str] = (),
        from_seq: int = 1,
        step: int = 500,
    ) -> LogSearch:
        """Where in the whole output of a test the lines of a filter are: how many, the numbers of every `step`-th of
        them (1 to 10,000; 1: of all), and the first error. Escapes such as colours are no part of the text. Raises
        InvalidRequest, NotFound."""
        wanted = requests.LogFilter(text, match_case, min_level, tuple(streams))
        request = requests.search_logs(test_id, from_seq, step, wanted)
        return log_messages.log_search(await self._calls.unary(self._calls.tests.SearchLogs, request))

    async def files(self, test_id: str) -> tuple[TestFile, ...]:
        """The files of a test: of its project, its inputs, and what the agent left in /work/out. Raises NotFound."""
        return (await self.get(test_id)).files

    async def download(
        self,
        test_id: str,
        name: str,
        to: str | os.PathLike[str] | None = None,
        *,
        save_as: str = "",
        kind: FileKind | str = FileKind.OUTPUT,
        overwrite: bool = False,
    ) -> Path:
        """Puts one file of a test into a folder (else the current one), or at the path `to`, and says where it is.

        `save_as`: its path in the folder, in place of its own, even where a folder is called so (which is refused).
        It is checked, and there all at once. Raises NotFound, FailedPrecondition (it was removed), DownloadFailed, also
        when there is such a file and no `overwrite`."""
        with fetching.arriving(to, name, save_as, overwrite=overwrite) as arriving:
            await fetching.fetch(self._calls, fetching.request(test_id, name, kind), arriving)
            return arriving.finish()

    async def read_file(self, test_id: str, name: str, *, kind: FileKind | str = FileKind.OUTPUT) -> bytes:
        """The content of one file of a test. Raises as `download`."""
        content = fetching.InMemory()
        await fetching.fetch(self._calls, fetching.request(test_id, name, kind), content)
        return content.content()

    async def cancel(self, test_id: str, reason: str = "") -> Cancelled:
        """Stops a test, waiting or running; harmless when it ended. Raises NotFound."""
        request = test_service_pb2.CancelTestRequest(test_id=test_id, reason=reason)
        answer = await self._calls.unary(self._calls.tests.CancelTest, request)
        return Cancelled(translate.test(answer.test), translate.cancel_outcome(answer.outcome))

    async def retry(self, test_id: str, query: str | None = None, *, request_id: str | None = None) -> Test:
        """Repeats a test that has ended, with another query if given: a new test, the next of its chain.

        Raises NotFound, FailedPrecondition while the test has not ended."""
        request = requests.retry(test_id, query, request_id)
        return translate.test((await self._calls.unary(self._calls.tests.RetryTest, request)).test)

    async def chain(self, test_id: str) -> tuple[Test, ...]:
        """A test with all its retries, the original first, whichever of them is named. Raises NotFound."""
        request = requests.chain(test_id)
        answer = await self._calls.unary(self._calls.tests.GetRetryChain, request)
        return tuple(translate.test(test) for test in answer.tests)

    async def archive(
        self,
        test_ids: Iterable[str] = (),
        *,
        older_than: timedelta | None = None,
        everybody: bool = False,
        validate_only: bool = False,
        **options: Unpack[FilterOptions],
    ) -> Archived:
        """Puts tests away that ended: these, at most 1,000, or without ids all of your own that match `options` and
        ended so long ago (7 days if not said). For admins: `user_id` for those of another user, `everybody` for all.

        Lists leave them out then unless told to `include_archived`; everything else stays. `validate_only` counts and
        changes nothing. May take minutes. Raises InvalidRequest, PermissionDenied."""
        request = requests.archive(test_ids, older_than, options, everybody=everybody, validate_only=validate_only)
        answer = await self._calls.unary(self._calls.tests.ArchiveTests, request, timeout=requests.ARCHIVE_S)
        return Archived(answer.archived_count, tuple(answer.skipped_test_ids))

    async def agent_stats(self, agent_id: str = "", test_id: str = "", *, user_id: str = "") -> AgentStats:
        """How the tests of an agent went, and one of them against the others: give either or both. An
        admin may name the user whose agent is meant. Raises NotFound, PermissionDenied."""
        from assay import report_messages

        request = test_service_pb2.GetAgentStatsRequest(agent_id=agent_id, test_id=test_id, user_id=user_id)
        answer = await self._calls.unary(self._calls.tests.GetAgentStats, request)
        return report_messages.agent_stats(answer)

    def agents(
        self, *, runs: int = 0, user_id: str = "", limit: int | None = None, **paging: Unpack[PageOptions]
    ) -> AsyncListing[AgentPage, Agent]:
        """Agents, the one with the newest test first: iterate over it, or over its `pages()`.

        `runs`: how many of the newest ended tests of each are told, at most 100. `user_id`: for admins, else all."""
        from assay import report_messages

        async def page(request: test_service_pb2.ListAgentsRequest) -> AgentPage:
            return report_messages.agent_page(await self._calls.unary(self._calls.tests.ListAgents, request))

        def request() -> test_service_pb2.ListAgentsRequest:
            return test_service_pb2.ListAgentsRequest(runs=runs, user_id=user_id, **paging)

        return AsyncListing(request, page, lambda page: page.agents, limit)

    async def account(self) -> Account:
        """Who you are, your limits and what is left of them. Uses nothing up."""
        from assay.account import account
        from assay.v1 import account_service_pb2

        request = account_service_pb2.GetAccountRequest()
        return account(await self._calls.unary(self._calls.account.GetAccount, request))

    async def queue_status(self) -> QueueStatus:
        """How the queue stands."""
        request = queue_service_pb2.GetQueueStatusRequest()
        return translate.queue_status((await self._calls.unary(self._calls.queue.GetQueueStatus, request)).status)

    def queue_list(
        self, *, limit: int | None = None, **paging: Unpack[PageOptions]
    ) -> AsyncListing[QueuePage, QueueEntry]:
        """What waits, in the order in which slots are granted: iterate over it, or over its `pages()`, of which the
        first one has what holds a slot, too. Tests of others have no names, but for admins."""

        async def page(request: queue_service_pb2.ListQueueRequest) -> QueuePage:
            return translate.queue_page(await self._calls.unary(self._calls.queue.ListQueue, request))

        return AsyncListing(
            lambda: queue_service_pb2.ListQueueRequest(**paging), page, lambda page: page.waiting, limit
        )

    async def watch_queue(self) -> AsyncGenerator[QueueStatus]:
        """How the queue stands: at once, then when it changes, until you leave it. Goes on after a lost connection."""
        request = queue_service_pb2.WatchQueueRequest()
        last: QueueStatus | None = None
        stream = self._calls.stream(self._calls.queue.WatchQueue, lambda: request, endless=True)
        async with aclosing(stream) as messages:
            async for message in messages:
                status = translate.queue_status(message.status)
                if last is None or status.figures != last.figures:  # a new connection begins with what was seen before
                    last = status
                    yield status
