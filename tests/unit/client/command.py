"""The `assay` command as a process, for tests of what people see."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

from tests.unit.client.fake_server import KEY

ROOT = Path(__file__).parents[3]


class Ran(NamedTuple):
    code: int
    out: str
    err: str


class Cli:
    """The command in a process of its own, in an empty folder, with nothing of the environment that runs the tests."""

    def __init__(self, address: str, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "client"),
            "ASSAY_ADDRESS": address,
            "ASSAY_API_KEY": KEY,
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "TZ": "UTC",
        }
        self.agent = folder / "echo.py"
        self.agent.write_text("def run(query): return query", encoding="utf-8")

    async def start(self, *arguments: str, **streams: Any) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "assay",
            *arguments,
            cwd=self.folder,
            env=self.environment,
            **{"stdin": pipe, "stdout": pipe, "stderr": pipe, **streams},
        )

    async def __call__(self, *arguments: str, stdin: str = "") -> Ran:
        process = await self.start(*arguments)
        out, err = await asyncio.wait_for(process.communicate(stdin.encode()), 30)
        assert process.returncode is not None
        return Ran(process.returncode, out.decode(), err.decode())
