"""Real servers for tests: a nats-server and a mongod on free ports of loopback, with data in a temporary folder.

Every one is ended by its own pid, and dies with the test process if that is killed. Without passwords: what
depends on them is tested on `deploy.local` itself.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from deploy.local.emulator import EmulatorServer
from deploy.local.lifeline import tied_to_us
from deploy.local.mongo import MongoServer
from deploy.local.nats import NatsServer
from shared.aws.settings import Key

T = TypeVar("T")
AWS_KEY = Key("ASSAYTESTSASSAYTESTS", "a secret of the tests")
START_S = 30.0  # generous: a machine under load, not a figure


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RunningServer:
    """A server process that a test may kill, freeze, and start again on the same port and data."""

    def __init__(self, server: NatsServer | MongoServer | EmulatorServer, log: Path) -> None:
        self._server = server
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def start(self) -> None:
        assert self._process is None, "the server runs already"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                tied_to_us(self._server.command()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=self._server.environment() if isinstance(self._server, EmulatorServer) else None,
            )
        in_own_loop(self._ready())

    def last_words(self) -> str | None:
        """The end of its log where it died by itself, and it may then be started again; None while it lives."""
        if self._process is None or self._process.poll() is None:
            return None
        code, self._process = self._process.returncode, None
        return f"{self._log.read_text('utf-8', errors='replace')[-2000:]}\n(exit code {code})"

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: what a crash looks like to its clients."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    async def _ready(self) -> None:
        async with asyncio.timeout(START_S):
            ready = asyncio.ensure_future(self._server.ready())
            try:
                while not ready.done():
                    await asyncio.wait([ready], timeout=0.2)
                    if self._process is None or self._process.poll() is not None:
                        raise RuntimeError(
                            f"the server ended while it started:\n{self._log.read_text('utf-8')[-4000:]}"
                        )
                await ready
            finally:
                ready.cancel()

    def _end(self, order: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(order)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)


@contextlib.contextmanager
def running(server: NatsServer | MongoServer | EmulatorServer, log: Path) -> Iterator[RunningServer]:
    """This server, until the block ends: then it is killed, for its data goes, too."""
    process = RunningServer(server, log)
    try:
        process.start()
        yield process
    finally:
        process.kill()


@contextlib.contextmanager
def running_nats() -> Iterator[RunningServer]:
    """A nats-server with JetStream: 0.02 s, so one per test is fine."""
    with _folder("nats") as folder, running(NatsServer(folder / "data", free_port()), folder / "log") as server:
        yield server


@contextlib.contextmanager
def running_mongo() -> Iterator[RunningServer]:
    """A one-node replica set: 0.7 s and 190 MiB, so one per test session; take one of your own only to kill it."""
    with (
        _folder("mongo") as folder,
        # Each test drops its database. Kept for five minutes, thousands of those take all files that a process may
        # open, and a mongod that cannot open one ends itself.
        running(MongoServer(folder / "data", free_port(), history_s=0), folder / "log") as server,
    ):
        yield server


@contextlib.contextmanager
def running_emulator() -> Iterator[RunningServer]:
    """An emulator of AWS for its S3: 0.8 s and 55 MiB, so one per test session."""
    with (
        _folder("aws") as folder,
        running(EmulatorServer(folder / "data", free_port(), *AWS_KEY), folder / "log") as server,
    ):
        yield server


def in_own_loop(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end from plain code, whether or not this thread has a loop running."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@contextlib.contextmanager
def _folder(name: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=f"assay-test-{name}-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
