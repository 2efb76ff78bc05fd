"""WatchTests: one bus subscription and one reader of the store for all who watch lists here, however many they are.

Events say which tests have changed; those are read by their ids, each once for everybody, and told a few times a
second. Nobody waits for a slow client: what does not fit into its next message it reads in the list.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from typing import Final

import structlog

from assay.v1 import test_service_pb2 as pb
from services.gateway.caller import Caller
from services.gateway.errors import ShuttingDown, Violations
from services.gateway.history.filters import wanted_by
from services.gateway.history.listing import MOST_BYTES, weight
from services.gateway.ports import Feed, Message, Tests
from services.gateway.streams.lifecycle import Streams
from services.gateway.translate import BASIC, api_test
from shared.ids import TestId, UserId
from shared.store.connect import StoreError
from shared.store.documents import Execution
from shared.store.listing import Wanted

log = structlog.get_logger()

EVENTS: Final = "test.*.*.*"
PAUSE_S: Final = 0.25
"""Between two reads, and between two messages to one client."""
MOST_TOLD: Final = 100
"""Tests in a message."""
MOST_CHANGED: Final = 1_000
"""Tests that wait to be read."""
AT_ONCE: Final = 100
WHOLE_AT_ONCE: Final = 10
"""Tests that are read in one go; whole ones carry code and answers."""
RETRY_S: Final = 1.0
_HERE: Final = {"user_id", "own", "agent_id", "labels"}


def concerns(wanted: Wanted, test: Execution) -> bool:
    """Whether this is one of the tests that are watched."""
    return (
        wanted.user_id in {None, test.user_id}
        and wanted.agent_id in {"", test.agent_id}
        and all(_has(test, key, value) for key, value in wanted.labels)
    )


def _has(test: Execution, key: str, value: str) -> bool:
    """An empty value: the label exists."""
    return f"{key}={value}" in test.labels if value else any(label.startswith(f"{key}=") for label in test.labels)


class _Watcher:
    """One client's side: the tests that have changed since its last message, bounded however slow it is."""

    def __init__(self, wanted: Wanted, view: int) -> None:
        self.wanted = wanted
        self.view = view
        self._tests: dict[TestId, Execution] = {}
        self._bytes = 0
        self._more = False
        self._closing = False
        self._something = asyncio.Event()

    def see(self, test: Execution) -> None:
        """The test has changed; of two looks at it the newer one counts."""
        if not concerns(self.wanted, test):
            return
        before = self._tests.get(test.id)
        size = self._bytes + self._size(test) - (self._size(before) if before else 0)
        if (before is None and len(self._tests) >= MOST_TOLD) or (self._tests and size > MOST_BYTES):
            self.miss()
            return
        self._tests[test.id] = test
        self._bytes = size
        self._something.set()

    def miss(self) -> None:
        """Something has changed that it cannot be told of."""
        self._more = True
        self._something.set()

    def close(self) -> None:
        self._closing = True
        self._something.set()

    async def changes(self) -> pb.WatchTestsResponse:
        """What has changed, as soon as something has. Raises ShuttingDown."""
        await self._something.wait()
        if self._closing:
            raise ShuttingDown
        self._something.clear()
        tests, more = self._tests, self._more
        self._tests, self._bytes, self._more = {}, 0, False
        return pb.WatchTestsResponse(tests=[api_test(test, self.view) for test in tests.values()], more=more)

    def _size(self, test: Execution) -> int:
        return weight(test) if self.view > BASIC else 0


class Changes(Streams):
    """Everybody who watches lists of tests on this gateway."""

    def __init__(self, feed: Feed, tests: Tests, *, pause_s: float = PAUSE_S) -> None:
        super().__init__()
        self._feed = feed
        self._tests = tests
        self._pause_s = pause_s
        self._watchers: dict[UserId | None, set[_Watcher]] = {}
        """By whose tests they may see; None: everybody's."""
        self._changed: dict[TestId, UserId] = {}
        self._something = asyncio.Event()
        self._somebody = asyncio.Event()
        self._hearing = asyncio.Event()
        self._reconnected = asyncio.Event()
        feed.when_reconnected(self._reconnected.set)

    def close(self) -> None:
        super().close()
        self._hearing.set()  # nobody goes on waiting for it

    @property
    def watched(self) -> int:
        """How many watch."""
        return sum(map(len, self._watchers.values()))

    async def watch(self, request: pb.WatchTestsRequest, caller: Caller) -> AsyncGenerator[pb.WatchTestsResponse]:
        """An empty message when nothing is missed any more, then what changes, for ever.

        Raises InvalidRequest, Forbidden, ShuttingDown."""
        watcher = _Watcher(_wanted(request, caller), request.view or BASIC)
        self._somebody.set()
        self._owner()
        await self._hearing.wait()
        self._owner()
        with self._watching(watcher):
            told = time.monotonic()
            yield pb.WatchTestsResponse()
            while True:
                await asyncio.sleep(told + self._pause_s - time.monotonic())
                message = await watcher.changes()
                told = time.monotonic()
                yield message

    @contextmanager
    def _watching(self, watcher: _Watcher) -> Iterator[None]:
        scope = watcher.wanted.user_id
        watchers = self._watchers.setdefault(scope, set())
        watchers.add(watcher)
        try:
            yield
        finally:
            watchers.discard(watcher)
            if not watchers and self._watchers.get(scope) is watchers:
                del self._watchers[scope]

    def _sides(self) -> list[_Watcher]:
        return [watcher for watchers in self._watchers.values() for watcher in watchers]

    def _of(self, user: UserId) -> list[_Watcher]:
        """Those who may see this user's tests."""
        return [*self._watchers.get(user, ()), *self._watchers.get(None, ())]

    def _work(self) -> Iterable[Coroutine[object, object, None]]:
        return self._listen(), self._read_on()

    async def _listen(self) -> None:
        await self._somebody.wait()
        while True:
            self._reconnected.clear()
            try:
                async with self._subscribed():
                    for watcher in self._sides():  # what was told while nobody was connected went by
                        watcher.miss()
                    self._hearing.set()
                    await self._reconnected.wait()
            except Exception as error:  # noqa: BLE001 - the bus is away
                log.warning("tests_not_followed", error=repr(error))
                await asyncio.sleep(RETRY_S)

    @asynccontextmanager
    async def _subscribed(self) -> AsyncIterator[None]:
        subscription = await self._feed.follow(EVENTS, self._heard)
        try:
            yield
        finally:
            with contextlib.suppress(Exception):  # a connection that is closed has no subscriptions
                await subscription.unsubscribe()

    async def _heard(self, message: Message) -> None:
        _, _, user, test = message.subject.split(".")
        watchers = self._of(UserId(user))
        if not watchers:
            return
        if len(self._changed) < MOST_CHANGED or test in self._changed:
            self._changed[TestId(test)] = UserId(user)
            self._something.set()
        else:
            for watcher in watchers:
                watcher.miss()

    async def _read_on(self) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            while self._changed:
                await self._read(whole=any(watcher.view > BASIC for watcher in self._sides()))
            await asyncio.sleep(self._pause_s)

    async def _read(self, *, whole: bool) -> None:
        """Reads some of the tests that have changed, and tells who watches them."""
        names = dict(islice(self._changed.items(), WHOLE_AT_ONCE if whole else AT_ONCE))
        for name in names:  # before they are read: one that changes meanwhile is read again
            del self._changed[name]
        try:
            found = await self._tests.get_many(names, whole=whole)
        except StoreError as error:  # it is away; they are read when it is back
            log.warning("changed_tests_not_read", error=repr(error))
            self._changed = {**names, **self._changed}
            await asyncio.sleep(RETRY_S)
            return
        except Exception:  # a test that another version has stored: it must not hold up the others for ever
            log.exception("changed_tests_not_understood", tests=list(names))
            for user in set(names.values()):
                for watcher in self._of(user):
                    watcher.miss()
            return
        for test in found.values():
            for watcher in self._of(test.user_id):
                if whole or watcher.view <= BASIC:
                    watcher.see(test)
                else:  # it came while this was read, and wants to see more of it
                    watcher.miss()


def _wanted(request: pb.WatchTestsRequest, caller: Caller) -> Wanted:
    violations = Violations()
    wanted = wanted_by(request.filter, caller, violations)
    for field, _ in request.filter.ListFields():
        if field.name not in _HERE:
            violations.add(f"filter.{field.name}", "must be empty: a test that stops fulfilling it is of interest, too")
    violations.raise_if_any()
    return wanted
