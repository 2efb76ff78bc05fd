import asyncio
from datetime import timedelta

import pytest

from services.gateway import openstreams
from services.gateway.authentication import Authentication
from services.gateway.errors import Unauthenticated
from services.gateway.openstreams import OpenStreams
from shared.clock import SystemClock
from shared.ids import UserId
from shared.store.connect import StoreError
from shared.store.documents import ApiKey
from tests.support.samples import NOW
from tests.support.until import until

KEY = ApiKey(hash="hash", key_id="key_1", user_id=UserId("alice"), created_at=NOW)


class FakeKeys:
    """One key for everybody, and a store that may be away."""

    def __init__(self) -> None:
        self.key = KEY
        self.away = False
        self.silent_for: set[str] = set()
        self.asked = self.asked_now = self.most_asked = 0

    async def find(self, secret: str) -> ApiKey | None:
        if self.away:
            raise StoreError("away")
        if secret in self.silent_for:
            self.asked += 1
            self.asked_now += 1
            self.most_asked = max(self.most_asked, self.asked_now)
            try:
                await asyncio.Event().wait()
            finally:
                self.asked_now -= 1
        return self.key

    async def used(self, key: ApiKey, at: object) -> None:
        """Not of interest."""


class Gate:
    def __init__(self) -> None:
        self.keys = FakeKeys()
        self.seconds = 0.0
        clock = SystemClock()
        authentication = Authentication(self.keys, clock.now, monotonic=lambda: self.seconds)
        self.now = clock.now
        self.streams = OpenStreams(authentication, clock.now)
        self.open = 0

    async def stream(self, secret: str = "one", *, lasts_s: float | None = None) -> None:
        """A stream without a message."""
        until_then = None if lasts_s is None else self.now() + timedelta(seconds=lasts_s)
        async with self.streams.admitted(f"Bearer {secret}", until_then):
            self.open += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.open -= 1

    async def look_later(self) -> None:
        self.seconds += 10
        await self.streams.look()

    async def beside_silent(self, count: int) -> list[asyncio.Task[None]]:
        """Streams of so many keys that cannot be looked up from now on, and last the one of a key that can."""
        silent = [f"silent{number}" for number in range(count)]
        streams = [asyncio.create_task(self.stream(secret)) for secret in (*silent, "last")]
        await until(lambda: self.open == len(streams))
        self.keys.silent_for = set(silent)
        return streams

    def revoke(self) -> None:
        self.keys.key = KEY.model_copy(update={"revoked_at": NOW})


@pytest.fixture
def gate() -> Gate:
    return Gate()


async def test_all_streams_of_a_key_end_with_it(gate: Gate) -> None:
    streams = [asyncio.create_task(gate.stream(secret)) for secret in ("one", "one", "two")]
    await until(lambda: gate.open == 3)
    await gate.look_later()
    assert gate.open == 3
    gate.revoke()
    await gate.look_later()
    ended = await asyncio.gather(*streams, return_exceptions=True)
    assert all(isinstance(error, Unauthenticated) and "revoked" in str(error) for error in ended)
    assert not gate.streams._stays


async def test_a_store_that_is_away_ends_no_stream(gate: Gate) -> None:
    stream = asyncio.create_task(gate.stream())
    await until(lambda: gate.open)
    gate.keys.away = True
    for _ in range(3):
        await gate.look_later()
    assert gate.open == 1
    gate.keys.away = False
    gate.revoke()
    await gate.look_later()
    with pytest.raises(Unauthenticated):
        await stream


async def test_a_key_that_cannot_be_looked_up_holds_up_no_other(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openstreams, "ANSWER_S", 0.05)
    first = asyncio.create_task(gate.stream("first"))
    await until(lambda: gate.open == 1)
    second = asyncio.create_task(gate.stream("second"))
    await until(lambda: gate.open == 2)
    gate.keys.silent_for = {"first"}
    gate.revoke()
    await gate.look_later()
    with pytest.raises(Unauthenticated):
        await second
    assert gate.open == 1
    first.cancel()


async def test_many_keys_that_cannot_be_looked_up_hold_up_no_other(gate: Gate) -> None:
    *streams, last = await gate.beside_silent(openstreams.AT_ONCE - 1)
    gate.revoke()
    look = asyncio.create_task(gate.look_later())
    with pytest.raises(Unauthenticated):
        async with asyncio.timeout(openstreams.ANSWER_S / 2):  # before any of the others is given up
            await last
    assert gate.open == len(streams)
    for task in (look, *streams):
        task.cancel()


async def test_keys_that_could_not_be_looked_up_last_time_are_looked_up_last(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openstreams, "ANSWER_S", 0.05)
    streams = await gate.beside_silent(5 * openstreams.AT_ONCE)
    await gate.look_later()
    monkeypatch.setattr(openstreams, "ANSWER_S", 60.0)
    gate.revoke()
    look = asyncio.create_task(gate.look_later())
    with pytest.raises(Unauthenticated):
        async with asyncio.timeout(30):  # the others would take minutes
            await streams[-1]
    for task in (look, *streams[:-1]):
        task.cancel()


async def test_only_so_many_keys_are_looked_up_at_once_and_all_in_the_end(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openstreams, "ANSWER_S", 0.05)
    streams = await gate.beside_silent(2 * openstreams.AT_ONCE)
    gate.revoke()
    await gate.look_later()
    assert (gate.keys.most_asked, gate.keys.asked) == (openstreams.AT_ONCE, len(streams) - 1)
    with pytest.raises(Unauthenticated):
        await streams[-1]
    for stream in streams[:-1]:
        stream.cancel()


@pytest.mark.parametrize("left_s", [0.05, 0.0, -1.0])
async def test_a_stream_ends_at_the_time_its_key_does_without_a_look(gate: Gate, left_s: float) -> None:
    with pytest.raises(Unauthenticated, match="has expired"):
        await gate.stream(lasts_s=left_s)


async def test_a_stream_that_is_cancelled_is_cancelled_and_nothing_else(gate: Gate) -> None:
    stream = asyncio.create_task(gate.stream(lasts_s=100))
    await until(lambda: gate.open)
    (stay,) = gate.streams._stays["Bearer one"]
    stay.end(Unauthenticated("revoked"))
    stream.cancel()  # the client went in the same moment
    with pytest.raises(asyncio.CancelledError):
        await stream
    assert not gate.streams._stays


async def test_a_time_limit_of_the_streams_own_stays_one(gate: Gate) -> None:
    with pytest.raises(TimeoutError):
        async with gate.streams.admitted("Bearer one", None):
            raise TimeoutError


async def test_who_is_shown_out_twice_goes_once(gate: Gate) -> None:
    stream = asyncio.create_task(gate.stream())
    await until(lambda: gate.open)
    gate.revoke()
    for _ in range(3):
        await gate.look_later()
    with pytest.raises(Unauthenticated):
        await stream
    assert stream.cancelling() == 0
