"""The output of one test for asyncio: lines as they come, over lost connections. log_blocking.py is its twin for code
without asyncio."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from assay import log_messages, requests
from assay.calls import Calls
from assay.logs import LogCursor, LogLine, LogsComplete, LogUpdate


class AsyncLogs:
    """Output of one test. `complete` is set at the end, if the output has ended by then."""

    def __init__(self, calls: Calls, wanted: requests.LogSelection, cursor: LogCursor) -> None:
        self._calls, self._wanted, self._cursor = calls, wanted, cursor

    @property
    def complete(self) -> LogsComplete | None:
        return self._cursor.complete

    async def __aiter__(self) -> AsyncGenerator[LogLine]:
        async with aclosing(self.batches()) as batches:
            async for batch in batches:
                for line in batch:
                    yield line

    async def batches(self) -> AsyncGenerator[list[LogLine]]:
        """Lines in the groups in which they arrive: cheaper when there are many."""
        async with aclosing(self._updates(partials=False)) as updates:
            async for update in updates:
                yield update.lines

    async def updates(self) -> AsyncGenerator[LogUpdate]:
        """The same, and what lines that have not ended say so far, in order with the lines. Only with `follow`."""
        async with aclosing(self._updates(partials=True)) as updates:
            async for update in updates:
                yield update

    async def _updates(self, *, partials: bool) -> AsyncGenerator[LogUpdate]:
        cursor, wanted = self._cursor, self._wanted
        if wanted.tail is not None:
            answer = await self._calls.unary(self._calls.tests.GetLogs, wanted.tail_request())
            if fresh := cursor.take(*log_messages.log_batch(answer)):
                yield LogUpdate(fresh, [])
            if not wanted.follow or cursor.ended:
                return
        stream = self._calls.stream(
            self._calls.tests.StreamLogs,
            lambda: wanted.stream_request(cursor.next_seq, partials=partials),
            endless=wanted.follow,
        )
        async with aclosing(stream) as messages:
            async for message in messages:
                fresh = cursor.take(*log_messages.log_batch(message))
                said = [log_messages.partial_line(one) for one in message.partial_lines]
                if fresh or said:
                    yield LogUpdate(fresh, said)
                if cursor.ended:
                    return
