"""Parts of Assay that die or stand still under a log that a tab follows: it goes on by itself, no line is missing and
none comes twice, and the tab is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.console import SECRET, Browser, built_page, console
from tests.support.gateway import Stage, lines, staged
from tests.support.servers import RunningServer, free_port, running_mongo
from tests.support.system import started
from tests.support.tabs import Event, Tab, tab
from tests.support.until import until

COUNT, TEXT = 3_000, "x" * 8_000  # 24 MB, more than a tab takes unread

OUTAGE_S = 8.0
"""Longer than the gateway waits for a store."""


def log(test_id: str) -> dict[str, Any]:
    return {"id": "l", "kind": "log", "testId": test_id}


async def long_log(stage: Stage, test_id: str) -> None:
    for first in range(1, COUNT, 300):
        await stage.others.stored(test_id, lines(first, first + 299, TEXT))
    await stage.others.safe()


async def read_on(seen: Tab, seq: int) -> None:
    """To this line, however long the outage takes."""
    async with asyncio.timeout(60):
        while not (seen.seqs() and seen.seqs()[-1] >= seq):
            assert await seen.next() is not None, "the stream has ended"


def errors(seen: Tab) -> list[Event]:
    return [event for event in seen.events if event.kind == "error"]


def assert_words_fit(seen: Tab) -> None:
    """What a tab is told of an outage: it passes, and no address or exception is in it."""
    for error in errors(seen):
        assert (error.feed, error.retry) == ("l", True), error
        assert error.data["retryAfterMs"] > 0
        assert not any(word in error.data["message"] for word in ("127.0.0.1", "Error", "Traceback", "mongo", "nats"))


@asynccontextmanager
async def following(stage: Stage, folder: Path) -> AsyncIterator[tuple[Browser, str]]:
    """A browser that is signed in, and a test that runs."""
    alice = await stage.client()
    test = await alice.submit()
    await stage.others.started(test.id)
    async with console(stage.address, console_page=built_page(folder / "dist")) as front:
        browser = await front.signed_in(alice.key)
        yield browser, test.id


FAILURES: dict[str, tuple[Callable[[RunningServer], None], Callable[[RunningServer], None]]] = {
    "killed": (RunningServer.kill, RunningServer.start),
    "frozen": (RunningServer.freeze, RunningServer.thaw),
}


@pytest.mark.slow
@pytest.mark.parametrize("how", FAILURES)
async def test_a_store_that_fails_in_the_middle_of_a_log(nats_url: str, tmp_path: Path, how: str) -> None:
    fail, mend = FAILURES[how]
    with running_mongo() as mongo:
        async with (
            staged(nats_url, mongo.url, "outage", gateway_look_s=0.3) as stage,
            following(stage, tmp_path) as (browser, test_id),
        ):
            await long_log(stage, test_id)
            async with tab(browser, log(test_id)) as seen:
                await seen.to_seq(1)
                fail(mongo)
                reading = asyncio.create_task(read_on(seen, COUNT))
                try:
                    # One that is killed refuses at once; one that stands still may be back before anybody gives it up.
                    if how == "killed":
                        await until(lambda: errors(seen), timeout=60)
                    else:
                        await asyncio.wait([reading], timeout=OUTAGE_S)
                    assert not reading.done()  # what was under way has come, and the rest waits
                finally:
                    mend(mongo)
                await reading
                await stage.others.wrote(test_id, lines(COUNT + 1, COUNT + 2))
                await read_on(seen, COUNT + 2)
                await stage.others.completed(test_id)
                await stage.others.ended_output(test_id, COUNT + 2)
                await seen.to(lambda event: event.kind == "end")
            assert seen.seqs() == list(range(1, COUNT + 3))
            assert_words_fit(seen)
            assert {event.data["reason"] for event in errors(seen)} <= {"STORE_UNAVAILABLE"}


@pytest.mark.slow
@pytest.mark.parametrize("how", FAILURES)
async def test_a_bus_that_fails_in_the_middle_of_a_log(
    nats_server: RunningServer, mongo_url: str, mongo_database: str, tmp_path: Path, how: str
) -> None:
    fail, mend = FAILURES[how]
    async with (
        staged(nats_server.url, mongo_url, mongo_database, gateway_look_s=0.3) as stage,
        following(stage, tmp_path) as (browser, test_id),
        tab(browser, log(test_id)) as seen,
    ):
        await stage.others.wrote(test_id, lines(1, 3))
        await seen.to_seq(3)
        fail(nats_server)
        try:
            await stage.others.stored(test_id, lines(4, 6))
            await read_on(seen, 6)  # from the store
            async with tab(browser, log(test_id)) as late:
                await read_on(late, 6)
        finally:
            mend(nats_server)
        await until(lambda: stage.others.bus.client.is_connected, timeout=30)
        await stage.others.wrote(test_id, lines(7, 8))
        await read_on(seen, 8)
        await stage.others.completed(test_id)
        await stage.others.ended_output(test_id, 8)
        await seen.to(lambda event: event.kind == "end")
        assert seen.seqs() == list(range(1, 9))
        assert late.seqs() == list(range(1, 7))
        assert not errors(seen) + errors(late)


@pytest.mark.slow
async def test_a_console_that_is_killed_in_the_middle_of_a_log(
    nats_url: str, mongo_url: str, mongo_database: str, tmp_path: Path
) -> None:
    port = free_port()
    async with staged(nats_url, mongo_url, mongo_database) as stage:
        alice = await stage.client()
        test_id = (await alice.submit()).id
        await stage.others.started(test_id)
        await long_log(stage, test_id)
        given = {
            "console_gateway": stage.address,
            "console_port": port,
            "console_page": built_page(tmp_path / "dist"),
            "console_secrets": SECRET,
        }
        seqs: list[int] = []
        last = ""
        browser = Browser(base_url=f"http://127.0.0.1:{port}", headers={"x-assay-console": "1"}, trust_env=False)
        async with browser:
            for lives in range(4):
                with started("console", given) as process:
                    await process.ready()
                    if not lives:
                        await browser.sign_in(alice.key)
                    async with tab(browser, log(test_id), last=last) as seen:
                        await read_on(seen, COUNT if lives == 3 else len(seqs) + 300)
                        process.kill()
                        with pytest.raises(httpx2.TransportError):
                            await seen.to_end()
                    seqs += seen.seqs()
                    last = seen.last_id
            assert seqs == list(range(1, COUNT + 1))
        await until(lambda: stage.listening(test_id) == 0, what="the gateway's streams to end")
