"""The health port: /healthz (the process lives), /readyz (it can work:

every check passes), /metrics (Prometheus text)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], Awaitable[None]]
"""Raises where the thing it looks at does not work."""

CHECK_TIMEOUT_S = 2.0


class Looked(NamedTuple):
    """What a check found: what is wrong (empty where it passed), and how long it took in seconds."""

    name: str
    problem: str
    took_s: float


class Health:
    """What a running service says of itself."""

    def __init__(self, service: str) -> None:
        self.service = service
        self._checks: dict[str, Check] = {}
        self.starting = True
        """It does not take up work yet."""
        self.draining = False
        """It takes up no work any more."""

    def add(self, name: str, check: Check) -> None:
        """A check that must pass for the service to be ready."""
        self._checks[name] = check

    async def problems(self) -> dict[str, str]:
        """What is wrong now, by the name of the check; empty when the service is ready."""
        if self.draining:
            return {self.service: "is shutting down"}
        return {looked.name: looked.problem for looked in await self.look() if looked.problem}

    async def look(self, limit_s: float = CHECK_TIMEOUT_S) -> list[Looked]:
        """Makes all checks at once, each for at most `limit_s` seconds."""
        checks = list(self._checks.items())
        return list(await asyncio.gather(*(look(name, check, limit_s) for name, check in checks)))


async def look(name: str, check: Check, limit_s: float) -> Looked:
    """Makes one check, for at most `limit_s` seconds."""
    began = time.perf_counter()
    problem = ""
    try:
        async with asyncio.timeout(limit_s):
            await check()
    except TimeoutError:
        problem = f"no answer within {limit_s:g} s"
    except Exception as error:  # noqa: BLE001 - a check may fail in any way; all of them mean "not ready"
        problem = f"{type(error).__name__}: {error}"
    return Looked(name, problem, time.perf_counter() - began)


@asynccontextmanager
async def health_port(services: list[Health], *, host: str, port: int) -> AsyncIterator[int]:
    """Serves the health of `services` and yields the port it listens on."""

    async def alive(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "services": [service.service for service in services]})

    async def ready(_: web.Request) -> web.Response:
        found = [await service.problems() for service in services]
        report = {service.service: problems or "ok" for service, problems in zip(services, found, strict=True)}
        return web.json_response(report, status=503 if any(found) else 200)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/healthz", alive)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
