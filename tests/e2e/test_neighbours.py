"""Agents side by side: what one does to itself does nothing to the others, and none sees another."""

from __future__ import annotations

import asyncio
import socket
import textwrap
import threading
from collections.abc import Iterator

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from assay import AsyncAssay, Test, TestState
from tests.support.local_mode import LocalMode
from tests.support.outcomes import passed_with_all_its_lines, talker
from tests.support.sandboxes import Sandboxes
from tests.support.until import until

pytestmark = pytest.mark.slow

EATER = "def run(query):\n    return len(bytearray(b'x') * (1 << 30))\n"
BOMB = """
import os, signal, time

def run(query):
    forks = 0
    try:
        while True:
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                os.setsid()
                time.sleep(60)
                os._exit(0)
            forks += 1
    except OSError as refused:
        return [forks, type(refused).__name__]
"""
ENDLESS_BOMB = """
import os, signal

def run(query):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        try:
            os.fork()
        except OSError:
            pass
"""


async def run(client: AsyncAssay, code: str, query: str = "x", **options: object) -> Test:
    """The test at its end."""
    test = await client.submit(textwrap.dedent(code), query, **options)  # type: ignore[arg-type]
    return await client.wait(test.id, timeout=60)


async def test_a_memory_limit_ends_its_own_test_only(client: AsyncAssay) -> None:
    neighbours = [await client.submit(talker(0.2), f"neighbour {number}") for number in range(4)]
    eater = await run(client, EATER, memory_mib=256)
    assert eater.state is TestState.FAILED
    assert eater.failure is not None
    assert (eater.failure.code, eater.attempt) == ("OUT_OF_MEMORY", 1)
    assert "memory" in eater.failure.hint
    for neighbour in neighbours:
        await until(lambda: _logs_ended(client, neighbour.id), timeout=30)  # noqa: B023 - awaited at once
        passed_with_all_its_lines(await client.get(neighbour.id))


async def test_what_fits_into_the_limit_is_let_alone(client: AsyncAssay) -> None:
    test = await run(client, "def run(query):\n    return len(bytearray(b'x') * (150 << 20))\n", memory_mib=256)
    assert test.response == 150 << 20
    assert test.result is not None
    assert test.result.metrics.peak_memory_bytes > 150 << 20


async def test_a_fork_bomb_stops_at_its_limit_and_leaves_nothing(server: LocalMode, client: AsyncAssay) -> None:
    sandboxes = Sandboxes(server.tasks)
    sandboxes.look()
    idle = len(sandboxes.groups())
    bomb, neighbour = await asyncio.gather(run(client, BOMB), run(client, talker(), "neighbour"))
    assert bomb.passed, bomb.failure
    forks, refusal = bomb.response
    assert 50 <= forks <= 64
    assert refusal == "BlockingIOError"
    assert neighbour.passed
    await until(lambda: not [one for one in sandboxes.processes() if "--unshare" in one or "test_runner" in one])
    await until(lambda: len(sandboxes.groups()) <= idle, timeout=20)


async def test_a_fork_bomb_that_never_ends_is_cancelled(client: AsyncAssay) -> None:
    test = await client.submit(ENDLESS_BOMB, "x")
    await until(lambda: _is_running(client, test.id), timeout=30)
    await client.cancel(test.id, "enough")
    ended = await client.wait(test.id, timeout=40)
    assert ended.failure is not None
    assert ended.failure.code == "CANCELLED"
    assert (await run(client, talker(), "afterwards")).passed


@pytest.fixture
def listening(gate_port: int) -> Iterator[int]:
    """A server of this machine, on the port of its loopback that tests may reach."""
    with socket.create_server(("127.0.0.1", gate_port)) as server:
        accepting = threading.Thread(target=_accept, args=(server,), daemon=True)
        accepting.start()
        yield server.getsockname()[1]


async def test_the_network_is_there_unless_switched_off(client: AsyncAssay, listening: int) -> None:
    code = f"""
        import socket
        def run(query):
            try:
                socket.create_connection(("127.0.0.1", {listening}), 3).close()
            except OSError as error:
                return type(error).__name__
            return "connected"
    """
    with_network, without = await asyncio.gather(run(client, code), run(client, code, network=False))
    assert (with_network.response, without.response) == ("connected", "ConnectionRefusedError")


async def test_two_agents_do_not_see_each_other(server: LocalMode, client: AsyncAssay) -> None:
    first = await client.submit(
        textwrap.dedent("""
            import time
            def run(query):
                for folder in ("/work", "/tmp", "/dev/shm"):
                    open(folder + "/left-by-" + query, "w").close()
                print("left", flush=True)
                time.sleep(8)
        """),
        "the-first",
        env={"SECRET": "of-the-first"},
    )
    await until(lambda: _has_lines(client, first.id), timeout=30)
    second = await run(
        client,
        """
        import os
        def run(query):
            def text(path):
                try:
                    return open(path, errors="replace").read()
                except OSError:
                    return ""
            found = [os.path.join(top, name) for top, _, names in os.walk("/") for name in names
                     if "left-by" in name and not top.startswith("/proc")]
            pids = [name for name in os.listdir("/proc") if name.isdigit()]
            return {
                "files": found,
                "processes": len(pids),
                "secrets": [pid for pid in pids if "of-the-first" in text(f"/proc/{pid}/environ")],
                "home": os.path.exists("/root") or os.path.exists("/home"),
            }
        """,
    )
    assert second.response == {"files": [], "processes": 2, "secrets": [], "home": False}
    await client.cancel(first.id)
    assert (await client.wait(first.id, timeout=30)).state is TestState.FAILED


async def test_the_servers_beside_it_are_out_of_reach_and_ask_everybody_for_a_password(
    server: LocalMode, client: AsyncAssay
) -> None:
    mongo = int(server.mongo_url.rpartition(":")[2].partition("/")[0])
    nats = int(server.known["nats_url"].rpartition(":")[2])
    gateway = int(server.known["address"].rpartition(":")[2])
    test = await run(
        client,
        f"""
        import socket
        def run(query):
            found = []
            for port in {(mongo, nats, gateway)}:
                try:
                    socket.create_connection(("127.0.0.1", port), 3).close()
                    found.append("connected")
                except OSError as error:
                    found.append(type(error).__name__)
            return found
        """,
    )
    assert test.response == ["ConnectionRefusedError"] * 3
    reader, writer = await asyncio.open_connection("127.0.0.1", nats)
    assert (await reader.readline()).startswith(b"INFO ")
    writer.write(b'CONNECT {"verbose":false}\r\nSUB > 1\r\nPING\r\n')
    assert b"Authorization Violation" in await reader.read(4096)
    writer.close()
    stranger: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(
        f"mongodb://127.0.0.1:{mongo}/?directConnection=true"
    )
    async with stranger:
        with pytest.raises(OperationFailure):
            await stranger["assay"]["executions"].find_one({})


def _accept(server: socket.socket) -> None:
    try:
        while True:
            server.accept()[0].close()
    except OSError:  # closed: the test is over
        return


async def _logs_ended(client: AsyncAssay, test_id: str) -> bool:
    return (await client.get(test_id)).logs.ended


async def _is_running(client: AsyncAssay, test_id: str) -> bool:
    return (await client.get(test_id)).state is TestState.RUNNING


async def _has_lines(client: AsyncAssay, test_id: str) -> bool:
    return bool([line async for line in client.logs(test_id)])
