"""Follows a test: its states and its output from two streams, told as one story in the right order.

Owns the order of the story and its end; what it looks like is the teller's business.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import aclosing
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from assay.cli import files_text, result_text, text
from assay.cli.jsontext import json_text
from assay.cli.screen import open_screen
from assay.cli.session import FAILED, PASSED
from assay.logs import LogLine, LogsComplete, LogStream, PartialLine
from assay.tests import Test, TestState, Update

if TYPE_CHECKING:
    from assay.client import AsyncAssay

# How long the last lines may take after the end: CloudWatch is drained for 60 s at most.
DRAIN_S = 75.0
SOON_S = 0.5  # after which it is worth saying that one waits for them


_IMPLIED = {
    LogStream.BUILD: TestState.BUILDING,
    LogStream.STDOUT: TestState.RUNNING,
    LogStream.STDERR: TestState.RUNNING,
}


class Teller(Protocol):
    """Tells the story to somebody. `looks_on`: also wants to know what lines that have not ended say so far."""

    looks_on: bool

    def submitted(self, test: Test) -> None: ...
    def update(self, update: Update) -> None: ...
    def lines(self, batch: Sequence[LogLine]) -> None: ...
    def open_lines(self, partials: Sequence[PartialLine]) -> None: ...
    def draining(self) -> None: ...
    def ended(self, test: Test, logs: LogsComplete | None, *, with_logs: bool) -> None: ...
    def left(self, test_id: str) -> None: ...
    def close(self) -> None: ...


async def follow_test(
    client: AsyncAssay, test_id: str, teller: Teller, *, submitted: Test | None = None, with_logs: bool = True
) -> int:
    """Tells the test's story to its end; the exit code says how it ended. Cancelled, it leaves the test alone."""
    try:
        if submitted is not None:
            teller.submitted(submitted)
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(_read(client, test_id, teller)) if with_logs else None
            test = await _watch(client, test_id, teller)
            complete = await _last_lines(reading, teller) if reading is not None else None
        teller.ended(test, complete, with_logs=with_logs)
    except asyncio.CancelledError:
        teller.left(test_id)
        raise
    finally:
        teller.close()
    return PASSED if test.passed else FAILED


async def _watch(client: AsyncAssay, test_id: str, teller: Teller) -> Test:
    last: Update | None = None
    async with aclosing(client.watch(test_id)) as updates:
        async for update in updates:
            last = update
            teller.update(update)
    assert last is not None, "a watch ends with the last state"
    return last.test


async def _read(client: AsyncAssay, test_id: str, teller: Teller) -> LogsComplete | None:
    logs = client.logs(test_id, follow=True)
    if not teller.looks_on:
        async with aclosing(logs.batches()) as batches:
            async for batch in batches:
                teller.lines(batch)
        return logs.complete
    async with aclosing(logs.updates()) as updates:
        async for lines, partials in updates:
            if lines:
                teller.lines(lines)
            if partials:
                teller.open_lines(partials)
    return logs.complete


async def _last_lines(reading: asyncio.Task[LogsComplete | None], teller: Teller) -> LogsComplete | None:
    """The end of the output, if it comes in time."""
    done, _ = await asyncio.wait({reading}, timeout=SOON_S)
    if not done:
        teller.draining()
        done, _ = await asyncio.wait({reading}, timeout=DRAIN_S)
    if done:
        return reading.result()
    reading.cancel()
    return None


class StoryTeller:
    """For people: a status line, the output, and at the end the answer or the failure."""

    looks_on = True

    def __init__(self) -> None:
        self._screen = open_screen()
        self._told = TestState.UNKNOWN  # by the server, last
        self._implied: TestState | None = None  # by the output, ahead of the server

    def submitted(self, test: Test) -> None:
        self._screen.show([text.head(test)])
        self._screen.status("submitted")

    def update(self, update: Update) -> None:
        test = update.test
        if test.ended:
            return
        if _rank(test.state) < _rank(self._told):
            self._implied = None  # back in the queue: it starts over
        self._told = test.state
        if self._implied is None or _rank(test.state) > _rank(self._implied) or test.cancellation is not None:
            self._screen.status(test.state.value.lower(), text.place(test))

    def lines(self, batch: Sequence[LogLine]) -> None:
        for implied, group in groupby(batch, key=lambda line: _IMPLIED.get(line.stream)):
            if implied is not None:
                self._imply(implied)
            self._screen.log(list(group))

    def open_lines(self, partials: Sequence[PartialLine]) -> None:
        for said in partials:
            if (implied := _IMPLIED.get(said.stream)) is not None:
                self._imply(implied)
        self._screen.say(partials)

    def draining(self) -> None:
        self._screen.status("ended", "waiting for the last lines")

    def ended(self, test: Test, logs: LogsComplete | None, *, with_logs: bool) -> None:
        self._screen.close()
        answer = list(text.answer(test))
        lines: list[text.Line] = []
        if logs is not None:
            lines.append(text.output(logs))
        elif with_logs:
            lines.append([(f"  the last lines have not come in yet: assay logs -f {test.id}", "warn")])
        for part in (answer, [*text.verdict(test), *result_text.notes(test), *files_text.outputs(test)]):
            lines += [*([[]] if lines and part else []), *part]
        self._screen.show(lines)

    def left(self, test_id: str) -> None:
        self._screen.close()
        print(
            f"\nThe test goes on without you.\n"
            f"  its output:  assay logs -f {test_id}\n"
            f"  its states:  assay watch {test_id}\n"
            f"  stop it:     assay cancel {test_id}",
            file=sys.stderr,
        )

    def close(self) -> None:
        self._screen.close()

    def _imply(self, implied: TestState) -> None:
        """Output tells of a phase, too, and may come before the news of it."""
        if _rank(max(self._told, self._implied or self._told, key=_rank)) < _rank(implied):
            self._implied = implied
            self._screen.status(implied.value.lower())


class JsonTeller:
    """For programs: one JSON object a line."""

    looks_on = False

    def submitted(self, test: Test) -> None:
        self._tell({"event": "submitted", "test": test.to_dict()})

    def update(self, update: Update) -> None:
        if not update.test.ended:
            self._tell({"event": update.event.value.lower(), "test": update.test.to_dict()})

    def lines(self, batch: Sequence[LogLine]) -> None:
        for line in batch:
            self._tell({"event": "log", "line": line.to_dict()})

    def open_lines(self, partials: Sequence[PartialLine]) -> None:
        """Says nothing: a program gets whole lines."""

    def draining(self) -> None:
        """Says nothing: the lines say it themselves."""

    def ended(self, test: Test, logs: LogsComplete | None, *, with_logs: bool) -> None:
        if with_logs:
            self._tell({"event": "logs_complete", "logs": logs.to_dict() if logs else None})
        self._tell({"event": "ended", "passed": test.passed, "test": test.to_dict()})

    def left(self, test_id: str) -> None:
        """Says nothing: its reader sees the stream end without an `ended`."""

    def close(self) -> None:
        sys.stdout.flush()

    def _tell(self, value: dict[str, object]) -> None:
        print(json_text(value), flush=True)


def _rank(state: TestState) -> int:
    return list(TestState).index(state)
