"""What local mode starts listens on 127.0.0.1 only, and asks for a secret where something is to be seen."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

import psutil
import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from assay import AsyncAssay
from assay.errors import Unauthenticated
from tests.support.local_mode import LocalMode, local_mode, skip_without_sandbox
from tests.support.nats_servers import lets_in

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMode]:
    skip_without_sandbox()
    with local_mode(tmp_path_factory.mktemp("user") / ".assay") as running:
        yield running


def listening(server: LocalMode) -> dict[int, str]:
    """Where the process and its children listen: the address by the port."""
    own = psutil.Process(server.process.pid)
    sockets = (socket for one in (own, *own.children(recursive=True)) for socket in one.net_connections("inet"))
    return {
        socket.laddr.port: socket.laddr.ip.removeprefix("::ffff:")
        for socket in sockets
        if socket.status == psutil.CONN_LISTEN
    }


def status(port: int, path: str = "/", host: str = "127.0.0.1") -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


async def test_everything_listens_on_loopback_and_asks_who_is_there(server: LocalMode) -> None:
    async with AsyncAssay(server.known["address"], server.known["api_key"]) as client:
        test = await client.run("def run(query):\n    return query\n", "x")
        await client.packages.generate(test.id)  # which starts the S3
    ports: dict[str, int] = json.loads((server.folder / "ports.json").read_text())
    console = urlsplit(server.known["console"]).netloc
    await asyncio.to_thread(status, ports["console"], "/", console)  # which starts it
    assert {"nats", "mongo", "aws", "gateway", "health", "console"} <= set(ports)
    found = listening(server)
    assert set(ports.values()) <= set(found)
    assert set(found.values()) == {"127.0.0.1"}

    assert not await lets_in(ports["nats"], "", "")
    url = f"mongodb://127.0.0.1:{ports['mongo']}/?directConnection=true"
    mongo: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(url)
    async with mongo:
        with pytest.raises(OperationFailure, match="requires authentication"):
            await mongo["assay"]["executions"].find_one()
    assert await asyncio.to_thread(status, ports["aws"], "/assay") == 403
    assert await asyncio.to_thread(status, ports["console"], "/events", console) == 401
    assert await asyncio.to_thread(status, ports["console"], "/events") in {400, 403, 421}  # under another name
    async with AsyncAssay(server.known["address"], "assay_dev_wrong") as stranger:
        with pytest.raises(Unauthenticated):
            await anext(aiter(stranger.list()))


def test_secrets_of_local_mode_belong_to_their_owner(server: LocalMode) -> None:
    secrets = json.loads((server.folder / "credentials.json").read_text())
    for file in server.folder.rglob("*"):
        if file.is_file() and not file.is_relative_to(server.tasks) and file.stat().st_mode & 0o077:
            text = file.read_bytes()
            assert [name for name, secret in secrets.items() if secret.encode() in text] == [], file
    assert not any(secret in server.said for secret in secrets.values())
