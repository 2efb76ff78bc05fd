"""The HTTP port: uvicorn as a part of this process, which begins and ends with a block. Knows no route."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from shared.errors import Unavailable

KEEP_ALIVE_S: Final = 30
LARGEST_HEAD: Final = 96 * 1024
"""Request line and headers: feeds of a tab and the cookies of a session, and what a proxy adds."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.listens.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are shared.service's."""
        yield


@asynccontextmanager
async def serving(
    app: ASGIApp, listening: Sequence[socket.socket], *, drain_s: float, draining: Callable[[], None]
) -> AsyncIterator[int]:
    """Serves `app` and yields the port of the first socket. At the end `draining` is called, and requests have
    `drain_s` to end."""
    server = _Server(
        uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            http="h11",
            log_config=None,
            log_level="critical",  # the guard logs what a request ends with
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=math.ceil(drain_s),
            h11_max_incomplete_event_size=LARGEST_HEAD,
        )
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve(sockets=list(listening)))
        await server.listens.wait()
        try:
            yield listening[0].getsockname()[1]
        finally:
            draining()
            server.should_exit = True


def inherited(descriptors: Sequence[int]) -> list[socket.socket]:
    """Sockets that whoever started this process listens on. Raises Unavailable where one of them is none."""
    try:
        return [socket.socket(fileno=descriptor) for descriptor in descriptors]
    except OSError as error:
        raise Unavailable(f"the console was given what is no socket: {error}") from error


def listen(host: str, port: int) -> socket.socket:
    """A socket of our own. Raises Unavailable where the port is taken."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server((str(address[0]), int(address[1])), family=family, backlog=1024)
    except OSError as error:
        raise Unavailable(f"the console cannot listen on {host}:{port}: {error}") from error
