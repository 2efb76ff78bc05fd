"""Local mode's servers, with real processes: they start, come back, ask for passwords, and nothing outlives us."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nats
import psutil
import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from deploy.local import lifeline, ports
from deploy.local.child import Child, Program, StartFailed
from deploy.local.children import Backing, backing_servers
from deploy.local.credentials import load_or_create
from deploy.local.mongo import MongoUnusable
from deploy.local.nats import NatsServer
from deploy.local.ownership import AlreadyRunning, owned, owner_of
from tests.support.servers import RunningServer, free_port
from tests.support.until import until

OWNER = """
import asyncio, json, sys
import structlog
from pathlib import Path
from deploy.local.children import backing_servers
from deploy.local.credentials import load_or_create
from deploy.local.ownership import owned

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

async def main(folder):
    with owned(folder) as ownership:
        ownership.announce("127.0.0.1:1")
        async with backing_servers(folder, load_or_create(folder)) as backing:
            print(json.dumps([child.pid for child in backing.children]), flush=True)
            await asyncio.Event().wait()

asyncio.run(main(Path(sys.argv[1])))
"""


@asynccontextmanager
async def servers(folder: Path, *, orphan_grace_s: float = 10.0) -> AsyncIterator[Backing]:
    async with backing_servers(folder, load_or_create(folder), orphan_grace_s=orphan_grace_s) as backing:
        yield backing


@asynccontextmanager
async def mongo_at(url: str) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(url, serverSelectionTimeoutMS=15_000)
    async with client:
        yield client


@asynccontextmanager
async def stranger_on(port: int) -> AsyncIterator[None]:
    """Somebody else's server: it takes connections and hangs up."""
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port):
        yield


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process that owns `tmp_path` and has both servers running, and their pids."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def listening_addresses(port: int) -> set[str]:
    connections = psutil.net_connections("inet")
    return {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN and c.laddr.port == port}


def alive(pid: int) -> bool:
    return lifeline.started_at(pid) is not None


async def nats_says(port: int, to: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(to)
    try:
        return await reader.read()
    finally:
        writer.close()


async def test_both_servers_ask_for_a_password_and_listen_on_loopback_only(tmp_path: Path) -> None:
    async with servers(tmp_path) as backing:
        connection = await nats.connect(backing.nats_url)
        await connection.jetstream().add_stream(name="S", subjects=["s"])
        await connection.close()
        async with mongo_at(backing.mongo_url) as client:
            await client["assay"]["things"].insert_one({"_id": 1})

        nats_port, mongo_port = (
            int(url.rpartition(":")[2].partition("/")[0]) for url in (backing.nats_url, backing.mongo_url)
        )
        assert b"Authorization Violation" in await nats_says(nats_port, b"CONNECT {}\r\nPING\r\n")
        async with mongo_at(f"mongodb://127.0.0.1:{mongo_port}/?directConnection=true") as stranger:
            with pytest.raises(OperationFailure, match="requires authentication"):
                await stranger["assay"]["things"].find_one()
        assert listening_addresses(nats_port) == listening_addresses(mongo_port) == {"127.0.0.1"}


async def _never() -> None:
    await asyncio.Event().wait()


async def test_a_listener_hears_events_and_reads_streams_and_publishes_none(tmp_path: Path) -> None:
    async with servers(tmp_path) as backing:
        refused: list[str] = []

        async def note(error: Exception) -> None:
            refused.append(str(error))

        own = await nats.connect(backing.nats_url)
        listener = await nats.connect(backing.listener_url, error_cb=note)
        try:
            await own.jetstream().add_stream(name="LOGS", subjects=["logs.>"])
            live = await listener.subscribe("logs.>")
            await listener.flush()
            await own.jetstream().publish("logs.appended.dev.tst_1", b"line")
            assert (await live.next_msg(timeout=5)).data == b"line"
            stored = await listener.jetstream(domain="assay").get_msg("LOGS", 1, next=True, subject="logs.>")
            assert stored.data == b"line"

            await listener.publish("logs.appended.dev.tst_1", b"forged")
            await listener.flush()
            await until(lambda: any("permissions violation" in text.lower() for text in refused))
            assert (await own.jetstream().stream_info("LOGS")).state.messages == 1
        finally:
            await listener.close()
            await own.close()


async def test_streams_of_a_version_without_accounts_are_there_again(tmp_path: Path) -> None:
    before = RunningServer(NatsServer(tmp_path / "nats", free_port()), tmp_path / "log")
    before.start()
    own = await nats.connect(before.url)
    await own.jetstream().add_stream(name="LOGS", subjects=["logs.>"])
    await own.jetstream().publish("logs.appended.dev.tst_1", b"line")
    await own.close()
    before.stop()
    async with servers(tmp_path) as backing:
        own = await nats.connect(backing.nats_url)
        assert (await own.jetstream().get_msg("LOGS", 1)).data == b"line"
        await own.close()


async def test_data_and_addresses_are_there_again_at_the_next_start(tmp_path: Path) -> None:
    async with servers(tmp_path) as first, mongo_at(first.mongo_url) as client:
        await client["assay"]["things"].insert_one({"_id": "kept"})
    async with servers(tmp_path) as second, mongo_at(second.mongo_url) as client:
        assert (second.nats_url, second.mongo_url) == (first.nats_url, first.mongo_url)
        assert await client["assay"]["things"].find_one() == {"_id": "kept"}
    assert list((tmp_path / "run").iterdir()) == []


async def test_a_taken_port_moves_the_servers_and_the_replica_set_follows(tmp_path: Path) -> None:
    async with servers(tmp_path) as first, mongo_at(first.mongo_url) as client:
        await client["assay"]["things"].insert_one({"_id": "kept"})
    before = json.loads((tmp_path / "ports.json").read_text())
    async with stranger_on(before["nats"]), stranger_on(before["mongo"]), servers(tmp_path) as moved:
        assert moved.nats_url != first.nats_url
        assert moved.mongo_url != first.mongo_url
        async with mongo_at(moved.mongo_url) as client:
            await client["assay"]["things"].insert_one({"_id": "new"})
            assert await client["assay"]["things"].count_documents({}) == 2


@pytest.mark.parametrize("index", [0, 1], ids=["nats-server", "mongod"])
async def test_a_killed_child_is_started_again_at_the_same_address(tmp_path: Path, index: int) -> None:
    async with servers(tmp_path) as backing:
        child = backing.children[index]
        before = child.pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        await until(lambda: child.restarts == 1, timeout=20)
        assert child.pid not in {None, before}
        connection = await nats.connect(backing.nats_url)
        await connection.close()
        async with mongo_at(backing.mongo_url) as client:
            await client["assay"]["things"].insert_one({"_id": 1})


async def test_servers_given_by_url_are_used_and_none_is_started(tmp_path: Path) -> None:
    credentials = load_or_create(tmp_path)
    async with backing_servers(tmp_path, credentials, nats_url="nats://a:1", mongo_url="mongodb://b:2") as backing:
        assert (backing.nats_url, backing.listener_url, backing.mongo_url) == (
            "nats://a:1",
            "nats://a:1",
            "mongodb://b:2",
        )
        assert backing.children == ()


async def test_data_of_another_password_is_refused_with_the_way_out(tmp_path: Path) -> None:
    async with servers(tmp_path):
        pass
    (tmp_path / "credentials.json").unlink()
    with pytest.raises(MongoUnusable, match="another password"):
        async with servers(tmp_path):
            pass


async def test_an_error_in_the_body_comes_out_as_it_is_and_the_servers_are_gone(tmp_path: Path) -> None:
    pids: list[int] = []

    async def body() -> None:
        async with servers(tmp_path) as backing:
            pids.extend(child.pid or 0 for child in backing.children)
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await body()
    assert len(pids) == 2
    assert not any(alive(pid) for pid in pids)


async def test_a_program_that_ends_at_once_fails_the_start_with_the_end_of_its_log(tmp_path: Path) -> None:
    child = Child(Program("broken", ["sh", "-c", "echo no such option; exit 3"], _never), tmp_path)
    with pytest.raises(StartFailed, match=r"(?s)broken ended with code 3 .*no such option"):
        await child.start()


async def test_a_mongod_that_cannot_start_says_why_in_words(tmp_path: Path) -> None:
    async with servers(tmp_path) as running:
        pid = running.children[1].pid
        assert pid is not None
        (tmp_path / "run" / "mongod.pid").unlink()  # as if it had never been written
        with pytest.raises(StartFailed, match=r"DBPathInUse"):
            async with backing_servers(tmp_path, load_or_create(tmp_path), nats_url="nats://other"):
                pytest.fail("two servers on one data folder")
        assert alive(pid)


def test_a_second_owner_is_refused_with_the_pid_and_address_of_the_first(
    tmp_path: Path, owner: tuple[subprocess.Popen[str], list[int]]
) -> None:
    process, _ = owner
    with pytest.raises(AlreadyRunning, match=rf"pid {process.pid}, serving 127\.0\.0\.1:1") as refused, owned(tmp_path):
        pass
    assert refused.value.owner == owner_of(tmp_path) == (process.pid, "127.0.0.1:1", None)


async def test_children_die_with_a_killed_owner_and_the_folder_is_free_at_once(
    tmp_path: Path, owner: tuple[subprocess.Popen[str], list[int]]
) -> None:
    process, pids = owner
    process.kill()
    process.wait()
    with owned(tmp_path):
        await until(lambda: not any(alive(pid) for pid in pids), timeout=15, what="both children to be gone")


async def test_a_frozen_orphan_is_ended_by_the_next_start(
    tmp_path: Path, owner: tuple[subprocess.Popen[str], list[int]]
) -> None:
    process, pids = owner
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)  # deaf to SIGTERM until it is continued, as a hung server is
    process.kill()
    process.wait()
    assert all(alive(pid) for pid in pids)
    async with servers(tmp_path, orphan_grace_s=0.2) as backing, mongo_at(backing.mongo_url) as client:
        assert not any(alive(pid) for pid in pids)
        await client["assay"]["things"].insert_one({"_id": 1})


def test_a_pid_file_never_ends_another_process_that_got_the_same_pid(tmp_path: Path) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        file = tmp_path / "mongod.pid"
        lifeline.record(file, bystander.pid)
        recorded = json.loads(file.read_text())
        file.write_text(json.dumps(recorded | {"started": "1"}))
        assert lifeline.end_recorded(file) is None
        assert bystander.poll() is None
        assert not file.exists()
    finally:
        bystander.kill()
        bystander.wait()


def test_two_local_modes_never_choose_the_same_port(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    wanted = {"nats": free_port()}
    with ports.reserved(tmp_path / "a", wanted) as first, ports.reserved(tmp_path / "b", wanted) as second:
        assert first != second
    with ports.reserved(tmp_path / "b", wanted) as again:
        assert again == second, "the one used last comes first"


def test_secrets_are_made_once_and_nobody_else_reads_them(tmp_path: Path) -> None:
    first = load_or_create(tmp_path)
    assert load_or_create(tmp_path) == first
    assert (tmp_path / "api-key").read_text().strip() == first.api_key
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert first.api_key not in repr(first)


def test_damaged_secrets_are_reported_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text("{")
    with pytest.raises(SystemExit, match="damaged"):
        load_or_create(tmp_path)
    assert (tmp_path / "credentials.json").read_text() == "{"
