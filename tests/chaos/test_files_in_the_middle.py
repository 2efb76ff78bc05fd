"""SIGKILL for the orchestrator again and again while tests with files end: every test has its files, each once."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from tests.support.fleet import Fleet
from tests.support.outcomes import lived_once

pytestmark = pytest.mark.slow

MANY = 30
AGENT = """
import time
from pathlib import Path

def run(query):
    data = Path("/work/in/seed.txt").read_bytes()
    time.sleep(0.2)
    for number in range(3):
        Path(f"/work/out/{number}.bin").write_bytes((data + query.encode()) * 20000)
    return query
"""


async def test_an_orchestrator_that_dies_loses_no_output(fleet: Fleet) -> None:
    service = fleet.services["orchestrator"]
    async with fleet.client() as client:
        submitted = [
            await client.submit(
                AGENT, f"number {number}", inputs={"seed.txt": f"seed {number} "}, labels={"flow": "files"}
            )
            for number in range(MANY)
        ]
        for _ in range(3):
            await asyncio.sleep(0.7)
            service.kill()
            service.start()
            await service.until_ready()
        for number, test in enumerate(submitted):
            ended = await client.wait(test.id, timeout=120)
            lived_once(ended)
            assert ended.passed, ended.failure
            assert [file.path for file in ended.output_files] == ["0.bin", "1.bin", "2.bin"]
            expected = f"seed {number} number {number}".encode() * 20000
            assert {file.sha256 for file in ended.output_files} == {hashlib.sha256(expected).hexdigest()}
            assert await client.read_file(test.id, "1.bin") == expected
