"""The output of one test for code without asyncio. Same methods and meaning as AsyncLogs in log_client.py."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

from assay import log_messages, requests
from assay.blocking_calls import BlockingCalls
from assay.logs import LogCursor, LogLine, LogsComplete, LogUpdate


class Logs:
    """Output of one test. `complete` is set at the end, if the output has ended by then."""

    def __init__(self, calls: BlockingCalls, wanted: requests.LogSelection, cursor: LogCursor) -> None:
        self._calls, self._wanted, self._cursor = calls, wanted, cursor

    @property
    def complete(self) -> LogsComplete | None:
        return self._cursor.complete

    def __iter__(self) -> Generator[LogLine]:
        for batch in self.batches():
            yield from batch

    def batches(self) -> Generator[list[LogLine]]:
        """Lines in the groups in which they arrive: cheaper when there are many."""
        with closing(self._updates(partials=False)) as updates:
            for update in updates:
                yield update.lines

    def updates(self) -> Generator[LogUpdate]:
        """The same, and what lines that have not ended say so far, in order with the lines. Only with `follow`."""
        with closing(self._updates(partials=True)) as updates:
            yield from updates

    def _updates(self, *, partials: bool) -> Generator[LogUpdate]:
        cursor, wanted = self._cursor, self._wanted
        if wanted.tail is not None:
            answer = self._calls.unary(self._calls.tests.GetLogs, wanted.tail_request())
            if fresh := cursor.take(*log_messages.log_batch(answer)):
                yield LogUpdate(fresh, [])
            if not wanted.follow or cursor.ended:
                return
        stream = self._calls.stream(
            self._calls.tests.StreamLogs,
            lambda: wanted.stream_request(cursor.next_seq, partials=partials),
            endless=wanted.follow,
        )
        with closing(stream) as messages:
            for message in messages:
                fresh = cursor.take(*log_messages.log_batch(message))
                said = [log_messages.partial_line(one) for one in message.partial_lines]
                if fresh or said:
                    yield LogUpdate(fresh, said)
                if cursor.ended:
                    return
