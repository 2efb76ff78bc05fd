"""A gateway in this process on real servers, clients that speak plain gRPC, and the other services played by hand."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from pydantic import SecretStr

from assay.v1 import (
    account_service_pb2_grpc,
    admin_service_pb2_grpc,
    package_service_pb2_grpc,
    queue_service_pb2_grpc,
    test_pb2,
    test_service_pb2,
    test_service_pb2_grpc,
)
from services.gateway.app import GatewayHealth, running
from services.gateway.settings import GatewaySettings
from shared.aws.opening import OpenAws, open_aws
from shared.bus.connect import Bus
from shared.bus.relay import Relay
from shared.clock import SystemClock
from shared.domain.failure import FailureCode
from shared.domain.lifecycle import State
from shared.events.base import Event
from shared.events.letter import Letter
from shared.events.logs import LogLine, LogsAppended, LogsCompleted, OutputPartial, PartialLine, Stream
from shared.events.tests import TestCompleted, TestFailed, TestQueued, TestRequeued, TestRunning, TestScheduled
from shared.ids import TestId, UserId
from shared.store.connect import Database, connected
from shared.store.documents import Chunk, Document, Execution, StoredLine
from shared.store.executions import Executions, Move
from shared.store.keys import ApiKeys, new_secret
from shared.store.logs import LogChunks

CODE = 'def run(query):\n    return "answer to " + query\n'


def settings(nats_url: str, mongo_url: str, database: str, **more: Any) -> GatewaySettings:
    values: dict[str, Any] = {
        "nats_url": SecretStr(nats_url),
        "mongo_url": SecretStr(mongo_url),
        "mongo_database": database,
        "gateway_port": 0,
        "gateway_drain_s": 2.0,
        "gateway_submissions_per_hour": 0,  # tests of the limits set their own
        "gateway_max_pending": 0,
        "gateway_reflection": True,
        **more,
    }
    return GatewaySettings(**values)


@dataclass(frozen=True)
class Client:
    """One user's connection."""

    channel: grpc.aio.Channel
    user: UserId
    key: str

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.key}"),)

    async def call(self, method: str, request: Any, **more: Any) -> Any:
        return await getattr(self._stub(method), method)(request, metadata=self.metadata, **more)

    def stream(self, method: str, request: Any, **more: Any) -> Any:
        return getattr(self._stub(method), method)(request, metadata=self.metadata, **more)

    def _stub(self, method: str) -> Any:
        stubs = (self.tests, self.queue, self.packages, self.account, self.admin)
        return next(stub for stub in stubs if hasattr(stub, method))

    async def upload(self, archive: bytes, *, piece: int = 1 << 20) -> Any:
        pieces = (
            test_service_pb2.UploadArchiveRequest(data=archive[start : start + piece])
            for start in range(0, len(archive), piece)
        )
        return await self.tests.UploadArchive(pieces, metadata=self.metadata)

    async def download(self, test_id: str, kind: Any, path: str) -> tuple[test_pb2.TestFile, bytes]:
        request = test_service_pb2.DownloadFileRequest(test_id=test_id, kind=kind, path=path)
        messages = [message async for message in self.stream("DownloadFile", request)]
        return messages[0].file, b"".join(message.data for message in messages)

    async def submit(self, code: str = CODE, *, request_id: str = "", **spec: Any) -> test_pb2.Test:
        request = test_service_pb2.SubmitTestRequest(
            spec=test_pb2.TestSpec(agent_code=code, **spec), request_id=request_id
        )
        answer: test_pb2.Test = (await self.call("SubmitTest", request)).test
        return answer

    @property
    def tests(self) -> Any:
        return test_service_pb2_grpc.TestServiceStub(self.channel)

    @property
    def packages(self) -> Any:
        return package_service_pb2_grpc.PackageServiceStub(self.channel)

    @property
    def admin(self) -> Any:
        return admin_service_pb2_grpc.AdminServiceStub(self.channel)

    @property
    def account(self) -> Any:
        return account_service_pb2_grpc.AccountServiceStub(self.channel)

    @property
    def queue(self) -> Any:
        return queue_service_pb2_grpc.QueueServiceStub(self.channel)


class Others:
    """Scheduler, orchestrator and logstreamer, moved by the test's hand."""

    def __init__(self, database: Database, bus: Bus, tests: Executions) -> None:
        self.database = database
        self.bus = bus
        self.tests = tests
        self.lines = LogChunks(database)

    async def execution(self, test_id: str) -> Execution:
        found = await self.tests.get(TestId(test_id))
        assert found is not None
        return found

    async def queued(self, test_id: str, *, rank: float = 1.0) -> None:
        test = await self.execution(test_id)
        event = TestQueued(**ids(test), priority=test.input.priority, rank=rank)
        await self._move(test, State.QUEUED, event, by="scheduler", set={"times.queued": now(), "rank": rank})
        await self.database["queue"].insert_one(
            {
                "_id": test.id,
                "user_id": test.user_id,
                "priority": test.input.priority,
                "rank": rank,
                "enqueued_at": now(),
            }
        )

    async def scheduled(self, test_id: str, *, slot: int = 0) -> None:
        test = await self.execution(test_id)
        event = TestScheduled(**{**ids(test), "attempt": test.attempt + 1}, slot=slot)
        await self.database["queue"].delete_one({"_id": test.id})
        await self._move(
            test,
            State.BUILDING,
            event,
            by="scheduler",
            new_attempt=test.attempt + 1,
            set={"times.scheduled": now(), "task": TASK, "logs.until": now() + timedelta(seconds=30)},
        )

    async def runs(self, test_id: str) -> None:
        test = await self.execution(test_id)
        await self._move(test, State.RUNNING, TestRunning(**ids(test)), by="orchestrator", set={"times.started": now()})

    async def requeued(self, test_id: str) -> None:
        """The infrastructure failed under it: it waits for its next attempt."""
        test = await self.execution(test_id)
        event = TestRequeued(**ids(test), code=FailureCode.TASK_LOST, message="m")
        await self._move(test, State.QUEUED, event, by="orchestrator", set={})

    async def started(self, test_id: str) -> None:
        """All the way to RUNNING."""
        await self.queued(test_id)
        await self.scheduled(test_id)
        await self.runs(test_id)

    async def completed(self, test_id: str, response_json: str = '"done"') -> None:
        test = await self.execution(test_id)
        result = {"success": True, "response_json": response_json, "metrics": {"run_ms": 12.5, "cpu_s": 0.01}}
        await self._move(
            test,
            State.COMPLETED,
            TestCompleted(**ids(test), run_ms=12.5),
            by="orchestrator",
            set={"result": result, "times.finished": now()},
        )

    async def failed(self, test_id: str, failure: dict[str, Any]) -> None:
        test = await self.execution(test_id)
        event = TestFailed(**ids(test), code=failure["code"], stage=failure["stage"], message=failure["message"])
        await self._move(test, State.FAILED, event, by="scheduler", set={"failure": failure, "times.finished": now()})

    async def wrote(self, test_id: str, lines: Sequence[StoredLine], *, tell: bool = True) -> None:
        """The logstreamer's part: stored, then told (or the event gets lost)."""
        test = await self.execution(test_id)
        await self.stored(test_id, lines)
        if tell:
            told = tuple(LogLine.model_validate(line.model_dump()) for line in lines)
            await self.publish(LogsAppended(**ids(test), lines=told))

    async def says(self, test_id: str, text: str, *, after: int, stream: Stream = "stdout") -> None:
        """A line has not ended."""
        execution = await self.execution(test_id)
        said = PartialLine(ts=now().timestamp(), stream=stream, level="info", text=text, after=after)
        event = OutputPartial(**ids(execution), lines=(said,))
        await self.bus.client.publish(event.subject, event.model_dump_json().encode())

    async def stored(self, test_id: str, lines: Sequence[StoredLine]) -> None:
        size = sum(len(line.text) for line in lines)
        await self.lines.append(
            Chunk(test_id=TestId(test_id), first=lines[0].seq, last=lines[-1].seq, bytes=size, lines=list(lines))
        )

    async def safe(self) -> None:
        """Waits until what was stored survives a kill of the store: a majority write covers all before it, and lines
        alone are not waited for (ADR 10)."""
        await self.database["safe"].insert_one({})

    async def ended_output(self, test_id: str, lines: int, *, expected: int | None = None, tell: bool = True) -> None:
        """The account of the output. Complete where as many lines came as were expected."""
        test = await self.execution(test_id)
        complete = expected is None or expected == lines
        event = LogsCompleted(**ids(test), expected=expected or lines, received=lines, complete=complete)
        await self.tests.change(
            test.id,
            where={},
            set={
                "logs.ended": True,
                "logs.complete": complete,
                "logs.lines": lines,
                "logs.expected": expected or lines,
            },
            unset=("logs.until",),
            telling=[event] if tell else [],
        )

    async def publish(self, event: Event) -> None:
        letter = Letter.of(event, None)
        await self.bus.jetstream.publish(letter.subject, letter.body, headers=letter.headers)

    async def _move(
        self,
        test: Execution,
        to: State,
        event: Event,
        *,
        by: str,
        set: Document,  # noqa: A002 - the name of the operator
        new_attempt: int | None = None,
    ) -> None:
        assert await self.tests.move(
            Move(
                test_id=test.id,
                source=test.state,
                attempt=test.attempt,
                to=to,
                at=now(),
                by=by,
                telling=(event,),
                new_attempt=new_attempt,
                set=set,
            )
        )


TASK = {
    "runtime": "scripted",
    "launch_token": "token",
    "nonce": "secret",
    "handle": {"token": "token"},
    "log_source": {"kind": "scripted"},
}


def ids(test: Execution) -> dict[str, Any]:
    return {"test_id": test.id, "user_id": test.user_id, "attempt": test.attempt, "at": now()}


def now() -> datetime:
    return SystemClock().now()


def line(seq: int, text: str | None = None, *, stream: str = "stdout", level: str = "info") -> StoredLine:
    return StoredLine(seq=seq, ts=time.time(), stream=stream, level=level, text=text or f"line {seq}")


def lines(first: int, last: int, text: str | None = None) -> list[StoredLine]:
    return [line(seq, text) for seq in range(first, last + 1)]


class Stage:
    """A gateway, its store and its bus."""

    def __init__(
        self, health: GatewayHealth, options: GatewaySettings, others: Others, channels: list[grpc.aio.Channel]
    ) -> None:
        self.health = health
        self.settings = options
        self.others = others
        self._channels = channels

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.health.port}"

    @property
    def live(self) -> Any:
        assert self.health.live is not None
        return self.health.live

    def listening(self, test_id: str) -> int:
        """How many follow this test, and hear what is told of it."""
        channel = self.live._channels.get(test_id)
        return len(channel.followers) if channel is not None and channel.open.is_set() else 0

    async def client(
        self, user: str = "alice", *, role: str = "user", expires_at: datetime | None = None, options: Any = None
    ) -> Client:
        key = new_secret()
        await ApiKeys(self.others.database).add(
            key, user=UserId(user), role=role, now=datetime.now(UTC), expires_at=expires_at
        )
        channel = grpc.aio.insecure_channel(self.address, options=options)
        self._channels.append(channel)
        return Client(channel, UserId(user), key)


@asynccontextmanager
async def staged(
    nats_url: str, mongo_url: str, database: str, *, aws: OpenAws = open_aws, **more: Any
) -> AsyncIterator[Stage]:
    """A gateway at work, with the others beside it. Clients see it end: their connections close after it."""
    options = settings(nats_url, mongo_url, database, **more)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(connected(mongo_url, database, service="test"))
        bus = Bus(nats_url, service="test")
        await stack.enter_async_context(bus.connected())
        relay = Relay(bus, SystemClock())
        tests = Executions(store, relay.tell)
        await stack.enter_async_context(relay.running(tests))
        channels: list[grpc.aio.Channel] = []

        async def close_channels() -> None:
            for channel in channels:
                await channel.close(None)

        stack.push_async_callback(close_channels)
        health = await stack.enter_async_context(running(options, aws=aws))
        yield Stage(health, options, Others(store, bus, tests), channels)


async def refused(call: Any) -> grpc.aio.AioRpcError:
    """The error that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value


def details_of(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    """The google.rpc details of an error, by the name of their type."""
    trailers: Any = error.trailing_metadata()
    status = status_pb2.Status.FromString(dict(trailers or ()).get("grpc-status-details-bin", b""))
    found: dict[str, Any] = {}
    for detail in status.details:
        kind = getattr(error_details_pb2, detail.type_url.rsplit(".", 1)[1])()
        assert detail.Unpack(kind)
        found[type(kind).__name__] = kind
    return found


def violations_of(error: grpc.aio.AioRpcError) -> dict[str, str]:
    """Bad fields and what is wrong with them."""
    bad = details_of(error)["BadRequest"]
    return {violation.field: violation.description for violation in bad.field_violations}


async def collected(stream: Any, *, within_s: float = 15.0) -> list[Any]:
    """Every message of a stream that ends by itself."""
    async with asyncio.timeout(within_s):
        return [message async for message in stream]
