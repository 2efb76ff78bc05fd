"""What mongod and nats-server count: round trips, written documents, messages, bytes. Asked as their administrator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from nats.aio.client import Client
from nats.js.errors import NotFoundError
from pymongo import AsyncMongoClient

# What services send in the course of a test; the rest is drivers and mongod talking among themselves.
COMMANDS: Final = ("aggregate", "bulkWrite", "count", "delete", "find", "findAndModify", "getMore", "insert", "update")
WRITES: Final = ("insert", "update", "delete")


class Counted(Counter[str]):
    """Numbers by name, which can be subtracted without dropping zeros."""

    def since(self, before: Mapping[str, int]) -> Counted:
        return Counted({name: number - before.get(name, 0) for name, number in self.items()})

    def under(self, prefix: str) -> dict[str, int]:
        """Those whose names begin with `prefix`, without it."""
        return {name.removeprefix(prefix): number for name, number in self.items() if name.startswith(prefix)}


class Servers:
    """Both servers of a local mode."""

    def __init__(self, mongo_url: str, nats_url: str) -> None:
        self.mongo: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_url, w="majority")
        self._nats_url = nats_url

    async def aclose(self) -> None:
        await self.mongo.close()

    async def store(self) -> Counted:
        """`command.*`: round trips; `write.*`: documents and statements; `bytes.in`, `bytes.out`, `bytes.journal`."""
        status = await self.mongo.admin.command("serverStatus")
        counted = Counted()
        for name in COMMANDS:
            counted[f"command.{name}"] = status["metrics"]["commands"].get(name, {}).get("total", 0)
        for name in WRITES:
            counted[f"write.{name}"] = status["opcounters"][name]
        counted["bytes.in"] = status["network"]["bytesIn"]
        counted["bytes.out"] = status["network"]["bytesOut"]
        counted["bytes.journal"] = status["wiredTiger"]["log"]["log bytes written"]
        return counted

    async def bus(self) -> Counted:
        """`message.<domain>.<fact>`: messages in streams; `bytes.<stream>`; `delivered.<consumer>`."""
        client = Client()
        await client.connect(self._nats_url)
        counted = Counted()
        try:
            jetstream = client.jetstream()
            for stream in await jetstream.streams_info():
                name = stream.config.name or ""
                counted[f"bytes.{name}"] = stream.state.bytes
                try:
                    by_subject = (await jetstream.stream_info(name, subjects_filter=">")).state.subjects or {}
                    for consumer in await jetstream.consumers_info(name):
                        delivered = consumer.delivered.consumer_seq if consumer.delivered else 0
                        counted[f"delivered.{consumer.name}"] = delivered
                except NotFoundError:
                    continue
                for subject, messages in by_subject.items():
                    counted[f"message.{'.'.join(subject.split('.', 2)[:2])}"] += messages
        finally:
            await client.close()
        return counted
