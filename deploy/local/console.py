"""The web console of local mode: we hold its sockets, and it is started when somebody first connects.

Owns where it listens, what it is told and when it runs. Must not import it: local mode stays as quick and as small as
it is without a console.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from deploy.local.child import FIRST_PAUSE_S, LONGEST_PAUSE_S, SETTLED_S, Child, Program, StartFailed
from deploy.local.credentials import Credentials
from deploy.local.tools import PROJECT

log = structlog.get_logger()

LOOPBACK = "127.0.0.1"
PORT = 7470
SOCKET = "console.sock"
"""For those who hold the key: nobody but its owner can listen or connect there."""
PAGE = PROJECT / "services" / "console" / "web" / "dist" / "index.html"
BACKLOG = 128
_GATEWAY = "ASSAY_CONSOLE_GATEWAY"  # and its TLS files: here it is reached by its socket


@dataclass(frozen=True, slots=True)
class ConsoleServer:
    """What the console is started with."""

    tcp: socket.socket
    unix: socket.socket
    gateway: str
    """As gRPC names it: HOST:PORT, or unix:PATH."""
    secret: str

    @property
    def url(self) -> str:
        """How browsers reach it: by a name that nobody can guess, which leads to this machine (RFC 6761, 6.3).

        Cookies know no ports. One of 127.0.0.1 would be sent to whatever listens on another port of it, such as an
        agent that has written a link into its answer.
        """
        name = hashlib.sha256(f"console {self.secret}".encode()).hexdigest()[:12]
        return f"http://assay-{name}.localhost:{self.tcp.getsockname()[1]}"

    def program(self) -> Program:
        descriptors = [self.tcp.fileno(), self.unix.fileno()]
        told = {
            "ASSAY_CONSOLE_DESCRIPTORS": ",".join(map(str, descriptors)),
            _GATEWAY: self.gateway,
            "ASSAY_CONSOLE_URL": self.url,
            "ASSAY_CONSOLE_SECRETS": self.secret,
            "ASSAY_HEALTH_HOST": LOOPBACK,
            "ASSAY_HEALTH_PORT": "0",
        }
        ours = {name: value for name, value in os.environ.items() if not name.startswith(_GATEWAY)}
        # -P: a folder called "services" where the user happens to stand is not ours.
        command = [sys.executable, "-P", "-m", "services.console"]
        return Program("console", command, self.ready, environment=ours | told, descriptors=descriptors)

    async def ready(self) -> None:
        """Returns when it answers. The kernel keeps the request until then."""
        with socket.socket() as asking:
            asking.setblocking(False)  # noqa: FBT003 - the name of the method says it
            await asyncio.get_running_loop().sock_connect(asking, self.tcp.getsockname())
            reader, writer = await asyncio.open_connection(sock=asking)
            try:
                writer.write(f"GET /favicon.svg HTTP/1.0\r\nHost: {LOOPBACK}\r\n\r\n".encode())
                await reader.readline()
            finally:
                writer.close()


@asynccontextmanager
async def console(folder: Path, port: int, gateway: str, credentials: Credentials) -> AsyncIterator[str]:
    """The console can be reached; yields its address. At the end it is ended, where it was started."""
    from shared.background import background

    with _listening(folder, port) as (tcp, unix):
        server = ConsoleServer(tcp, unix, gateway, credentials.console_secret)
        child = Child(server.program(), folder)
        try:
            async with background(_serve(server, child)):
                yield server.url
        finally:
            await child.stop()


async def _serve(server: ConsoleServer, child: Child) -> None:
    """Starts the console whenever somebody connects and it does not run. Never returns."""
    pause = FIRST_PAUSE_S
    while True:
        await _somebody_connects(server)
        begun = time.monotonic()
        try:
            await child.start()
        except (StartFailed, OSError) as failed:
            log.error("console_not_started", error=str(failed))
            _hang_up(server)  # rather than to let them wait for what will not come
        else:
            code = await child.ended()
            log.warning("child_died", child=child.name, exit_code=code)
        pause = FIRST_PAUSE_S if time.monotonic() - begun > SETTLED_S else min(pause * 3, LONGEST_PAUSE_S)
        await asyncio.sleep(pause)


async def _somebody_connects(server: ConsoleServer) -> None:
    loop = asyncio.get_running_loop()
    waiting = asyncio.Event()
    for listener in (server.tcp, server.unix):
        loop.add_reader(listener.fileno(), waiting.set)
    try:
        await waiting.wait()
    finally:
        for listener in (server.tcp, server.unix):
            loop.remove_reader(listener.fileno())


def _hang_up(server: ConsoleServer) -> None:
    for listener in (server.tcp, server.unix):
        with contextlib.suppress(OSError):  # there is nobody any more
            while True:
                listener.accept()[0].close()


@contextmanager
def _listening(folder: Path, port: int) -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server((LOOPBACK, port), backlog=BACKLOG) as tcp, socket.socket(socket.AF_UNIX) as unix:
        (folder / SOCKET).unlink(missing_ok=True)  # of one that was killed; the folder is ours
        with _short_path(folder) as short:
            unix.bind(f"{short}/{SOCKET}")
        (folder / SOCKET).chmod(0o600)  # before it listens: others may pass through the folder
        unix.listen(BACKLOG)
        for listener in (tcp, unix):
            listener.setblocking(False)  # noqa: FBT003 - the name of the method says it
        try:
            yield tcp, unix
        finally:
            (folder / SOCKET).unlink(missing_ok=True)


@contextmanager
def _short_path(folder: Path) -> Iterator[str]:
    """Another path to the folder: that of a socket has at most 107 bytes (unix(7))."""
    if sys.platform != "linux":
        yield str(folder)
        return
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
