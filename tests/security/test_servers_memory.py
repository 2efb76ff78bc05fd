"""mongod does not answer strangers with its memory (CVE-2025-14847).

A compressed message says how long it is without compression. Versions with the hole believe it, and read the rest of
the message from whatever was in memory before; their complaint about that quotes it. No login is needed.
"""

from __future__ import annotations

import asyncio
import re
import struct
import subprocess
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from deploy.local import tools
from deploy.local.mongo import NOT_COMPRESSING, MongoServer
from shared.advisories import MONGODB, holes_of
from tests.support.servers import free_port, running

OP_MSG, OP_COMPRESSED, ZLIB = 2013, 2012, 2
PROBES = range(40, 4_000, 13)
QUOTED = re.compile(rb"field name '(?!a?')|nrecognized BSON type")
"""Words of the complaint about something that nobody sent: our own document has the field `a` only."""
HOLE = "CVE-2025-14847"
BELIEVED = b"InvalidBSON"
"""The server looked behind the end of what it was sent."""


def installed() -> str:
    told = subprocess.run([tools.mongod(), "--version"], capture_output=True, text=True, check=True).stdout
    return told.split("db version v")[1].split()[0]


class Talkative(MongoServer):
    """As mongod is without our option."""

    def command(self) -> list[str]:
        return [word for word in super().command() if word not in NOT_COMPRESSING]


def lying(claimed: int) -> bytes:
    """A message whose document claims to be `claimed` bytes long and has eleven."""
    document = struct.pack("<i", claimed) + b"\x10a\x00\x01\x00\x00\x00"
    packed = zlib.compress(struct.pack("<I", 0) + b"\x00" + document)
    body = struct.pack("<iiB", OP_MSG, claimed + 500, ZLIB) + packed
    return struct.pack("<iiii", 16 + len(body), 1, 0, OP_COMPRESSED) + body


async def answer(port: int, message: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(message)
        async with asyncio.timeout(5):
            length, _, _, kind = struct.unpack("<iiii", await reader.readexactly(16))
            body = await reader.readexactly(length - 16)
            return zlib.decompress(body[9:]) if kind == OP_COMPRESSED else body
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""  # it hung up
    finally:
        writer.close()


async def leaks(port: int, probes: Sequence[int]) -> list[bytes]:
    return [said for claimed in probes if QUOTED.search(said := await answer(port, lying(claimed)))]


async def test_a_message_that_lies_about_its_size_is_told_nothing(tmp_path: Path) -> None:
    with running(MongoServer(tmp_path / "data", free_port()), tmp_path / "log") as server:
        answers = [await answer(server.port, lying(claimed)) for claimed in PROBES]
    assert [said for said in answers if QUOTED.search(said) or BELIEVED in said] == []


async def test_the_probe_finds_memory_where_compression_is_on(tmp_path: Path) -> None:
    if not any(hole.id == HOLE for hole in holes_of(MONGODB, installed())):
        pytest.skip("the mongod here has the hole no more")
    with running(Talkative(tmp_path / "data", free_port()), tmp_path / "log") as server:
        assert await leaks(server.port, PROBES)
