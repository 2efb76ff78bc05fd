"""The life of a service's process: settings from the environment, logs, the health port, signals, an orderly end."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeVar

import structlog
import uvloop

from shared import collector
from shared.descriptors import allow_many
from shared.errors import AssayError
from shared.settings import BadEnvironment, ProcessSettings
from shared.telemetry.health import Health, health_port
from shared.telemetry.logging import configure

DRAIN_LIMIT_S: Final = 45.0
"""Longer than any orderly end takes with the servers away: handlers 10 s, NATS 15 s, calls of MongoDB 5 s each."""

Settings = TypeVar("Settings", bound=ProcessSettings)
log = structlog.get_logger()


def main(name: str, running: Callable[[Settings], AbstractAsyncContextManager[Health]], kind: type[Settings]) -> None:
    """Runs one service until SIGTERM or SIGINT. Exits with 2 where the environment is wrong."""
    try:
        settings = kind()
    except BadEnvironment as error:
        sys.stderr.writelines(f"{name}: {line}\n" for line in str(error).splitlines())
        sys.exit(2)
    configure(level=settings.log_level, output=settings.log_format)
    allow_many()
    try:
        uvloop.run(_serve(name, running, settings))
    except* AssayError as errors:
        log.error("service_ended", service=name, error="; ".join(str(error) for error in _each(errors)))
        sys.exit(1)


def _each(errors: BaseExceptionGroup[AssayError]) -> Iterator[AssayError]:
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _each(error)
        else:
            yield error


async def _serve(
    name: str, running: Callable[[Settings], AbstractAsyncContextManager[Health]], settings: Settings
) -> None:
    stopping = stop_signal()
    health = Health(name)
    async with health_port([health], host=settings.health_host, port=settings.health_port) as port:
        health.draining = True  # alive, and not ready before it is
        await _until_stopped(name, running(settings), health, stopping, port)


async def _until_stopped(
    name: str, running: AbstractAsyncContextManager[Health], outer: Health, stopping: asyncio.Event, port: int
) -> None:
    async with running as inner:
        outer.add(name, lambda: _all_well(inner))
        outer.draining = False
        collector.calm()
        log.info("service_ready", service=name, health_port=port)
        await stopping.wait()
        outer.draining = True
        log.info("service_draining", service=name)
        asyncio.get_running_loop().call_later(DRAIN_LIMIT_S, _give_up, name)
    log.info("service_stopped", service=name)


def _give_up(name: str) -> None:
    """Ends a process that does not end by itself: it would keep its replacement waiting, and loses nothing by it."""
    left = [" > ".join(_awaiting(task.get_coro())) for task in asyncio.all_tasks()]
    log.error("service_not_drained", service=name, after_s=DRAIN_LIMIT_S, tasks=left)
    os._exit(os.EX_SOFTWARE)


def _awaiting(work: object) -> Iterator[str]:
    """Which coroutines of a task await one another, from the outermost to the one that does not go on."""
    while work is not None:
        if inspect.iscoroutine(work):
            frame, awaited = work.cr_frame, work.cr_await
        elif inspect.isasyncgen(work):
            frame, awaited = work.ag_frame, work.ag_await
        else:  # a step of an asynchronous generator hides which one it is of, except from the garbage collector
            work = next(filter(inspect.isasyncgen, gc.get_referents(work)), None)
            continue
        if frame:
            yield f"{frame.f_code.co_qualname}:{frame.f_lineno}"
        work = awaited


async def _all_well(health: Health) -> None:
    problems = await health.problems()
    if problems:
        raise RuntimeError("; ".join(f"{name}: {problem}" for name, problem in problems.items()))


def stop_signal() -> asyncio.Event:
    """Set on the first SIGTERM or SIGINT; the second one ends the process at once."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def first(number: signal.Signals) -> None:
        stopping.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, first, number)
    return stopping
