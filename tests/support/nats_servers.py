"""The nats-servers that tests of permissions run on: the one of local mode, and a newer one where there is one."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import NamedTuple

from deploy.local import tools

NEWER = "ASSAY_TEST_NATS_SERVER"
"""Variable with the path of a newer nats-server: Debian's is 2.9, production has 2.12."""


class NatsProgram(NamedTuple):
    name: str
    path: Path


def nats_programs() -> list[NatsProgram]:
    found = [NatsProgram("debian", Path(tools.nats_server()))] if shutil.which("nats-server") else []
    newer = os.environ.get(NEWER)
    return [*found, NatsProgram("newer", Path(newer))] if newer else found


async def lets_in(port: int, user: str, password: str) -> bool:
    """Whether this login is taken. By hand, as a client that is refused leaves its socket open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        login = json.dumps({"verbose": False} | ({"user": user, "pass": password} if user else {}))
        writer.write(f"CONNECT {login}\r\nPING\r\n".encode())
        async with asyncio.timeout(5):
            await reader.readline()  # INFO
            said = await reader.readline()
    finally:
        writer.close()
    assert said in {b"PONG\r\n", b"-ERR 'Authorization Violation'\r\n"}, said
    return said == b"PONG\r\n"
