"""Whether agent code is valid Python, asked of a process of its own.

The compiler is C code that holds the interpreter while it works, and nothing promises that hostile code cannot crash
it. So it works elsewhere, under limits; what it takes down is that process. A courtesy to the user: the harness finds
the same errors later, so code that cannot be judged in time is accepted.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import struct
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Final

import structlog

from services.gateway.metrics import UNCHECKED
from services.gateway.submission.code import Looked, Table

log = structlog.get_logger()

PATIENCE_S: Final = 2.0
TOML_PATIENCE_S: Final = 10.0
"""Nobody else reads it later, so it is worth waiting for; the process gives one text a second."""
REMEMBERED: Final = 1024
CRASHED: Final = "takes Python's compiler down: it is nested too deeply or needs too much memory to compile"
_PROGRAM: Final = Path(__file__).with_name("syntax_process.py")
_LENGTH: Final = struct.Struct("!I")
_CRASH: Final = json.dumps({"problem": CRASHED})


class SyntaxChecker:
    """Asks one child process, one question at a time, and remembers the answers by the hash of the code."""

    def __init__(self, *, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._answers: OrderedDict[bytes, Looked] = OrderedDict()
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    async def problem(self, code: str) -> str | None:
        """What is wrong with `code`, in one line; None where nothing is, or where that could not be told in time."""
        return (await self.look(code)).problem or None

    async def look(self, code: str) -> Looked:
        """What is wrong with `code`, in one line, or what is in it; nothing where that could not be told in time."""
        data = code.encode()
        name = hashlib.sha256(data).digest()
        if name in self._answers:
            self._answers.move_to_end(name)
            return self._answers[name]
        try:
            async with asyncio.timeout(self._patience_s), self._turn:
                # A question is answered or its process ended: an answer left behind would be taken for the next one's.
                answer = Looked.model_validate_json(await self._ask(b"P", data) or _CRASH)
        except (TimeoutError, OSError) as error:
            UNCHECKED.inc()
            log.warning("syntax_not_checked", size=len(data), error=repr(error))
            return Looked()
        if answer.problem == CRASHED:
            return answer  # not remembered: the process may have been ended by somebody else
        self._answers[name] = answer
        if len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        return answer

    async def toml(self, data: bytes) -> Table:
        """What a TOML text says; dates as text."""
        try:
            async with asyncio.timeout(TOML_PATIENCE_S), self._turn:
                answer = await self._ask(b"T", data)
            return Table.model_validate(json.loads(answer)) if answer else Table(problem="takes too long to read")
        except (TimeoutError, OSError, ValueError, RecursionError) as error:
            log.warning("toml_not_read", size=len(data), error=repr(error)[:200])
            return Table(problem="could not be read in time; try again")

    async def warm(self) -> None:
        """Starts the process before the first question. Where none can be started, code goes unchecked."""
        try:
            async with self._turn:
                await self._running()
        except OSError as error:
            log.warning("syntax_check_not_started", error=repr(error))

    async def aclose(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def _ask(self, kind: bytes, data: bytes) -> bytes:
        """The answer in JSON; empty where the process ended over it."""
        process = await self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        answered = False
        try:
            process.stdin.write(_LENGTH.pack(len(data)) + kind + data)
            await process.stdin.drain()
            size = _LENGTH.unpack(await process.stdout.readexactly(_LENGTH.size))[0]
            answer = await process.stdout.readexactly(size)
            answered = True
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        finally:
            if not answered:
                await self.aclose()
        return answer

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                "-W",
                "ignore",
                str(_PROGRAM),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={},
            )
        return self._process
