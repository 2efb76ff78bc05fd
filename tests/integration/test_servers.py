import os
import signal
import time
from typing import Any

import nats
import pytest
from pymongo import AsyncMongoClient

from tests.support.servers import RunningServer, free_port, running_nats
from tests.support.until import until


async def test_a_test_gets_a_database_of_its_own_with_majority_writes(mongo_url: str, mongo_database: str) -> None:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_url)
    async with client:
        assert await client[mongo_database]["things"].count_documents({}) == 0
        await client[mongo_database]["things"].insert_one({"_id": 1})
        assert (await client.admin.command("hello"))["setName"] == "assay"


async def test_a_fresh_nats_server_has_jetstream_and_no_stream(fresh_nats_url: str) -> None:
    connection = await nats.connect(fresh_nats_url)
    try:
        assert await connection.jetstream().streams_info() == []
    finally:
        await connection.close()


async def test_a_killed_nats_server_comes_back_with_its_streams(nats_server: RunningServer) -> None:
    connection = await nats.connect(nats_server.url, reconnect_time_wait=0.05)
    try:
        await connection.jetstream().add_stream(name="KEPT", subjects=["kept.>"])
        nats_server.kill()
        await until(lambda: not connection.is_connected)
        nats_server.start()
        await until(lambda: connection.is_connected)
        assert (await connection.jetstream().stream_info("KEPT")).config.name == "KEPT"
    finally:
        await connection.close()


async def test_until_says_what_it_waited_for_and_what_it_saw() -> None:
    with pytest.raises(AssertionError, match=r"not within 0.01 s: a unicorn .* last value: 0"):
        await until(lambda: 0, timeout=0.01, what="a unicorn")


async def test_until_takes_assertions_and_coroutines() -> None:
    looks = iter([1, 2, 3])

    async def third() -> int:
        look = next(looks)
        assert look == 3
        return look

    assert await until(third) == 3


def test_free_ports_differ() -> None:
    assert free_port() != free_port()


def test_a_server_that_died_by_itself_tells_its_last_words_once_and_can_be_started_again() -> None:
    with running_nats() as server:
        assert server.last_words() is None
        os.kill(server.pid, signal.SIGKILL)
        while (words := server.last_words()) is None:
            time.sleep(0.01)
        assert "exit code -9" in words
        assert server.last_words() is None
        server.start()
        assert server.last_words() is None
