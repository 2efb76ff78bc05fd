"""The server from its start to its end, and the question whether it is well."""

from __future__ import annotations

import os
import signal
import threading

from services.packager.server_src.http_service import HttpService, in_thread
from services.packager.server_src.pool import Pool
from services.packager.server_src.reports import say
from services.packager.server_src.settings import Settings


def serve(settings: Settings) -> int:
    """Until SIGTERM; the exit code."""
    import asyncio

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    empty = [name for name in settings.needed if not os.environ.get(name)]
    if empty:
        say("WARNING", f"not set, although the agent was tested with it: {', '.join(empty)}")
    pool = Pool(settings)
    try:
        pool.start()
    except RuntimeError as error:
        say("CRITICAL", f"the agent cannot be loaded: {error}")
        return 1
    asyncio.run(_answer_until(stop, pool))
    return 0


async def _answer_until(stop: threading.Event, pool: Pool) -> None:
    settings = pool.settings
    server = await HttpService(pool).listen(settings.host, settings.port)
    say("INFO", f"answering on port {server.sockets[0].getsockname()[1]}")
    await in_thread(stop.wait)
    say("INFO", "stopping")
    server.close()
    await in_thread(lambda: pool.drain(settings.grace_s))


def check(settings: Settings) -> int:
    """For HEALTHCHECK: 0 when the server in this container is well."""
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        return int(opener.open(f"http://127.0.0.1:{settings.port}/healthz", timeout=3).status != 200)
    except OSError as error:
        print(error)
        return 1
