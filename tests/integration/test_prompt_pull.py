"""Messages of a pull consumer on a real server: at once, all of them, and soon again after the server was away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats
import pytest
from nats.aio.client import Client
from nats.errors import TimeoutError as NothingCame
from nats.js.api import AckPolicy, ConsumerConfig, StreamConfig

from shared.bus.pull import PromptJetStream, PromptPull
from tests.support.servers import RunningServer
from tests.support.until import until

SUBJECT = "told.something"


@asynccontextmanager
async def pulling(url: str) -> AsyncIterator[tuple[Client, PromptPull]]:
    client = await nats.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=0.05)
    jetstream = PromptJetStream(client)

    async def reconnected() -> None:
        await jetstream.ask_again()

    client._reconnected_cb = reconnected
    await jetstream.add_stream(StreamConfig(name="TOLD", subjects=["told.>"]))
    config = ConsumerConfig(durable_name="one", filter_subject="told.>", ack_policy=AckPolicy.EXPLICIT)
    await jetstream.add_consumer("TOLD", config)
    pull = await jetstream.pull_subscribe("told.>", durable="one", stream="TOLD")
    assert isinstance(pull, PromptPull)
    try:
        yield client, pull
    finally:
        await client.close()


async def test_a_message_that_comes_after_idle_fetches_is_not_kept_back(fresh_nats_url: str) -> None:
    delays: list[float] = []

    async def consume(pull: PromptPull) -> None:
        while True:
            try:
                messages = await pull.fetch(64, timeout=0.2)
            except NothingCame:
                continue
            for message in messages:
                delays.append(time.monotonic() - float(message.data))
                await message.ack()

    async with pulling(fresh_nats_url) as (client, pull), asyncio.TaskGroup() as tasks:
        consuming = tasks.create_task(consume(pull))
        for number in range(25):
            # Around the end of a fetch, where its successor meets what the server still says about it.
            await asyncio.sleep(0.19 + number * 0.001 if number % 2 else 0.03)
            await client.jetstream().publish(SUBJECT, str(time.monotonic()).encode())
        await until(lambda: len(delays) == 25)
        consuming.cancel()
    # Kept back, it would be for the rest of the limit; the middle one is a millisecond.
    assert sorted(delays)[-4] < 0.1, sorted(delays)


async def test_a_burst_comes_whole_and_once(fresh_nats_url: str) -> None:
    async with pulling(fresh_nats_url) as (client, pull):
        jetstream = client.jetstream()
        await asyncio.gather(*(jetstream.publish(SUBJECT, str(number).encode()) for number in range(1000)))
        seen: list[int] = []
        while len(seen) < 1000:
            for message in await pull.fetch(16, timeout=5):
                seen.append(int(message.data))
                await message.ack()
        assert sorted(seen) == list(range(1000))
        assert not pull._arrived.qsize()


async def test_nothing_to_fetch_is_said_after_the_time_limit(fresh_nats_url: str) -> None:
    async with pulling(fresh_nats_url) as (_, pull):
        with pytest.raises(NothingCame):
            await pull.fetch(8, timeout=0.05)


async def test_after_a_restart_of_the_server_a_waiting_fetch_hears_of_new_messages(nats_server: RunningServer) -> None:
    async with pulling(nats_server.url) as (client, pull), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(pull.fetch(8, timeout=30))
        await until(lambda: pull._asked_at)
        nats_server.kill()
        nats_server.start()
        await until(lambda: client.is_connected and client.stats["reconnects"])
        begun = time.monotonic()
        await client.jetstream().publish(SUBJECT, b"after")
        assert [message.data for message in await waiting] == [b"after"]
        assert time.monotonic() - begun < 5


async def test_a_consumer_that_is_gone_is_not_asked_in_a_tight_loop(fresh_nats_url: str) -> None:
    async with pulling(fresh_nats_url) as (client, pull):
        await client.jetstream().delete_consumer("TOLD", "one")
        before = client.stats["out_msgs"]
        with pytest.raises(NothingCame):
            await pull.fetch(8, timeout=0.3)
        assert client.stats["out_msgs"] - before < 20
