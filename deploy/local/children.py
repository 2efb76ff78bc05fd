"""The servers that local mode stands on: nats-server and mongod as children, or the ones that the caller names.

Owns which servers there are, where their data is, and the order of things. Must not know streams, collections or
services.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from deploy.local import lifeline, ports
from deploy.local.child import RUN, Child, Program
from deploy.local.credentials import LISTENER, MONGO_KEY_FILE, USER, Credentials
from deploy.local.mongo import MongoServer, errors_in
from deploy.local.nats import NatsServer
from deploy.nats_accounts import Listener, Login, login_of
from shared.bus.rights import SERVICES

log = structlog.get_logger()

# Not the servers' own 4222 and 27017: one of those may well run here, and must not be mistaken for ours.
NATS_PORT, MONGO_PORT = 7422, 7417


@dataclass(frozen=True, slots=True)
class Backing:
    """Where the servers are, credentials included, and which of them are our children."""

    nats_url: str = field(repr=False)
    mongo_url: str = field(repr=False)
    listener_url: str = field(repr=False)
    """NATS for those who only follow events."""
    children: tuple[Child, ...]
    nats_urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    """NATS for each service that has a user of its own; the others have `nats_url`."""


@asynccontextmanager
async def backing_servers(
    folder: Path,
    credentials: Credentials,
    *,
    nats_url: str | None = None,
    mongo_url: str | None = None,
    orphan_grace_s: float = lifeline.ORPHAN_GRACE_S,
) -> AsyncIterator[Backing]:
    """Runs what is not given by URL, both at once, and keeps it alive until the end of the context.

    The caller owns `folder` (see `ownership`). Raises StartFailed, MongoUnusable, ToolMissing or NoFreePort.
    """
    await _end_orphans(folder, orphan_grace_s)  # before ports are chosen: they hold some
    wanted = ({} if nats_url else {"nats": NATS_PORT}) | ({} if mongo_url else {"mongo": MONGO_PORT})
    with ports.reserved(folder, wanted) as chosen:
        children: list[Child] = []
        listener_url, nats_urls = nats_url or "", dict[str, str]()
        if not nats_url:
            own = Login(USER, credentials.nats_password)
            services = [login_of(name, credentials.nats_password_of(name)) for name in SERVICES]
            listener = Listener(LISTENER, credentials.nats_listener_password)
            nats = NatsServer(folder / "nats", chosen["nats"], (own, *services), (listener,))
            children.append(Child(Program("nats-server", nats.command(), nats.ready), folder))
            nats_url, listener_url = nats.url, nats.url_of(listener)
            nats_urls = {login.user: nats.url_of(login) for login in services}
        if not mongo_url:
            key = (folder / MONGO_KEY_FILE).resolve()
            mongo = MongoServer(folder / "mongo", chosen["mongo"], USER, credentials.mongo_password, key)
            children.append(Child(Program("mongod", mongo.command(), mongo.ready, errors_in), folder))
            mongo_url = mongo.url
        async with _kept_alive(children):
            yield Backing(nats_url, mongo_url, listener_url, tuple(children), nats_urls)


@asynccontextmanager
async def _kept_alive(children: Sequence[Child]) -> AsyncIterator[None]:
    # Not a TaskGroup: it would wrap what the body raises. These tasks are ended and awaited right here.
    starting = [asyncio.ensure_future(child.start()) for child in children]
    keeping: list[asyncio.Task[None]] = []
    try:
        await asyncio.gather(*starting)
        keeping = [asyncio.ensure_future(child.keep_alive()) for child in children]
        yield
    finally:
        tasks = [*starting, *keeping]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(child.stop() for child in children))


async def _end_orphans(folder: Path, grace_s: float) -> None:
    """Ends what a run of us that was killed may have left behind; its data would be locked otherwise."""

    async def end(file: Path) -> None:
        pid = await asyncio.to_thread(lifeline.end_recorded, file, grace_s=grace_s)
        if pid is not None:
            log.warning("orphan_ended", child=file.stem, pid=pid)

    await asyncio.gather(*(end(file) for file in (folder / RUN).glob("*.pid")))
