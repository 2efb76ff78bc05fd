"""`assay dev`: the servers, then the services, then a banner; Ctrl-C ends them in the opposite order."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import uvloop

from deploy.local import ports
from deploy.local.banner import banner
from deploy.local.child import StartFailed
from deploy.local.children import backing_servers
from deploy.local.console import PORT as CONSOLE_PORT
from deploy.local.console import SOCKET as CONSOLE_SOCKET
from deploy.local.console import console
from deploy.local.credentials import load_or_create, write_private
from deploy.local.emulator import Emulator
from deploy.local.lifeline import own_age_s
from deploy.local.mongo import MongoUnusable
from deploy.local.ownership import AlreadyRunning, owned, owner_of
from deploy.local.tools import ToolMissing

GATEWAY_PORT, HEALTH_PORT = 7450, 7480
CLIENT_FILE = "client.json"  # what the SDK and the CLI look for, in this folder and those above it
SOCKET = "gateway.sock"  # for those who read the client file: nobody else can listen there
LONGEST_SOCKET = 100  # unix(7): 108 bytes; gRPC makes a longer name in between
STOP_S = 60.0


class CannotStart(Exception):
    """Local mode cannot start, for a reason that the user can mend."""


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="assay dev",
        description="Runs all of Assay here: five services in one process, beside a nats-server and a mongod.",
        epilog="ASSAY_NATS_URL and ASSAY_MONGO_URL name servers to use instead, ASSAY_PROCESS_ROOT a folder for tasks. "
        "Addresses are local mode's own; every other ASSAY_* variable works as it does for the services one by one.",
    )
    default = Path(os.environ.get("ASSAY_DATA", ".assay"))
    parser.add_argument("--data", type=Path, default=default, help="data folder (default: .assay, or ASSAY_DATA)")
    parser.add_argument("--port", type=int, help=f"gRPC port (default: {GATEWAY_PORT}, or the next free one)")
    levels = ("debug", "info", "warning", "error")
    parser.add_argument("--log-level", choices=levels, default=os.environ.get("ASSAY_LOG_LEVEL", "warning"))
    parser.add_argument(
        "--log-format", choices=("console", "json"), default=os.environ.get("ASSAY_LOG_FORMAT", "console")
    )
    parser.add_argument("--stop", action="store_true", help="end the one that runs here, and wait until it is gone")
    return parser.parse_args(words)


@asynccontextmanager
async def local_mode(folder: Path, *, port: int | None) -> AsyncIterator[str]:
    """Everything at work; yields the gateway's address. Raises CannotStart and what the parts raise."""
    with owned(folder) as ownership, ThreadPoolExecutor(1, "load") as loader:
        credentials = load_or_create(folder)
        nats_url, mongo_url = os.environ.get("ASSAY_NATS_URL"), os.environ.get("ASSAY_MONGO_URL")
        loaded = loader.submit(_load_services)
        async with backing_servers(folder, credentials, nats_url=nats_url, mongo_url=mongo_url) as backing:
            await asyncio.wrap_future(loaded)
            from deploy.local.composition import Place, all_services
            from shared import collector

            wanted = {"health": HEALTH_PORT, "console": CONSOLE_PORT} | ({} if port else {"gateway": GATEWAY_PORT})
            with ports.reserved(folder, wanted) as chosen:
                socket = folder / SOCKET if len(os.fsencode(folder / SOCKET)) <= LONGEST_SOCKET else None
                place = Place(folder, port or chosen["gateway"], chosen["health"], socket)
                emulator = Emulator(folder, credentials)
                async with AsyncExitStack() as stack:
                    await stack.enter_async_context(all_services(backing, place, emulator, api_key=credentials.api_key))
                    address = f"{ports.LOOPBACK}:{place.gateway_port}"
                    gateway = f"unix:{socket}" if socket else address
                    page = await stack.enter_async_context(console(folder, chosen["console"], gateway, credentials))
                    ownership.announce(address, page)
                    known = {"address": address, "api_key": credentials.api_key, "nats_url": backing.listener_url}
                    known |= {"socket": f"unix:{socket}"} if socket else {}
                    known |= {"console": page, "console_socket": str(folder / CONSOLE_SOCKET)}
                    write_private(folder / CLIENT_FILE, json.dumps(known, indent=2) + "\n")
                    print(banner(folder, address, page, place.health_port, backing, own_age_s()), flush=True)
                    collector.calm()
                    try:
                        yield address
                    finally:
                        (folder / CLIENT_FILE).unlink(missing_ok=True)


def _load_services() -> None:
    """Reads the code of all services while the servers start: each takes about half a second."""
    import deploy.local.composition  # noqa: F401


def stop(folder: Path) -> int:
    """Ends the local mode that owns `folder`."""
    owner = owner_of(folder)
    if owner is None or owner.pid is None:
        print("assay dev: nothing runs here.")
        return 0
    os.kill(owner.pid, signal.SIGTERM)  # the lock is held, so this is its pid and not a later process's
    deadline = time.monotonic() + STOP_S
    while owner_of(folder) == owner:
        if time.monotonic() > deadline:
            print(f"assay dev: pid {owner.pid} is still stopping after {STOP_S:g} s.", file=sys.stderr)
            return 1
        time.sleep(0.05)
    print("assay dev: stopped.")
    return 0


async def run(options: argparse.Namespace) -> None:
    if options.port and not ports.is_free(options.port):
        raise CannotStart(f"Port {options.port} is taken. Leave --port out to take the next free one.")
    async with local_mode(options.data.resolve(), port=options.port):
        from shared.service import stop_signal  # not before: its imports would hold the servers' start up

        await stop_signal().wait()
        print("\n  Stopping ... tests that run are looked after again at the next start.", flush=True)
    print("  Stopped.", flush=True)


def main() -> int:
    options = arguments()
    if options.stop:
        return stop(options.data.resolve())
    from shared.telemetry.logging import configure

    configure(level=options.log_level, output=options.log_format, stream=sys.stderr)
    from services.orchestrator.runtimes.host import Unfit
    from shared.descriptors import allow_many
    from shared.errors import Unavailable
    from shared.settings import BadEnvironment

    ours = (AlreadyRunning, CannotStart, StartFailed, MongoUnusable, ToolMissing, ports.NoFreePort)
    expected = (*ours, Unavailable, BadEnvironment, Unfit)
    allow_many()  # before the servers are started: they inherit it
    failed = False
    try:
        uvloop.run(run(options))
    except* expected as errors:
        # Services that start side by side may all say the same.
        for message in dict.fromkeys(str(error) for error in _leaves(errors)):
            print(f"assay dev: {message}", file=sys.stderr)
        failed = True
    return 1 if failed else 0


def _leaves(errors: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    inner = [_leaves(e) if isinstance(e, BaseExceptionGroup) else [e] for e in errors.exceptions]
    return [error for errors in inner for error in errors]


if __name__ == "__main__":
    sys.exit(main())
