"""The five services as processes of their own, on a nats-server and a mongod of the test's own, each to be killed.

Configured by `ASSAY_*` variables only, as in production; the process runtime with real sandboxes, or another one.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

from assay import AsyncAssay
from assay.retry import RetryPolicy
from shared.clock import SystemClock
from shared.ids import UserId
from shared.store.connect import Database, connected, provision
from shared.store.keys import ApiKeys, new_secret
from tests.support.local_mode import clean_environment
from tests.support.sandboxes import Sandboxes
from tests.support.servers import RunningServer, free_port, in_own_loop, running_mongo, running_nats
from tests.support.until import until

SERVICES = ("gateway", "scheduler", "orchestrator", "logstreamer", "packager")
READY_S = 180.0
PATIENT = RetryPolicy(attempts=240, longest_pause=0.5, stream_attempts=240)
"""For a client that is still there when the gateway is back."""


class Service:
    """One service: a process that may be killed and started again, with the same settings and the same name."""

    def __init__(self, name: str, settings: dict[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, changed: Mapping[str, str] = {}) -> None:
        """`changed` settings are for this time."""
        assert self._process is None, f"the {self.name} runs already"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"services.{self.name}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=clean_environment({**self._settings, **changed}),
                cwd=Path(__file__).parents[2],
            )

    def kill(self) -> None:
        """SIGKILL: it has no time for anything."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM: it drains. Its exit code."""
        return self._end(signal.SIGTERM)

    async def until_ready(self) -> None:
        await until(lambda: asyncio.to_thread(self.is_ready), timeout=READY_S, what=f"the {self.name} is ready")

    def is_ready(self) -> bool:
        """What its probe says. Raises RuntimeError where it has ended by itself."""
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"the {self.name} has ended:\n{self.log.read_text('utf-8')[-4000:]}")
        try:
            port = self._settings["ASSAY_HEALTH_PORT"]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def _end(self, order: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(order)
        try:
            return process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)
            raise


@dataclass(frozen=True)
class Fleet:
    """All of Assay, every part of it in a process of its own."""

    services: dict[str, Service]
    nats: RunningServer
    mongo: RunningServer
    database: str
    address: str
    key: str
    sandboxes: Sandboxes

    @asynccontextmanager
    async def client(self) -> AsyncIterator[AsyncAssay]:
        async with AsyncAssay(self.address, self.key, retry=PATIENT) as client:
            yield client

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Database]:
        """The store itself, for what no client can see."""
        async with connected(self.mongo.url, self.database, service="test") as database:
            yield database

    async def until_ready(self) -> None:
        for service in self.services.values():
            await service.until_ready()

    def said(self) -> str:
        """The last words of each, for a failure's message."""
        return "\n".join(
            f"--- {name}\n" + "\n".join(service.log.read_text("utf-8").splitlines()[-12:])
            for name, service in self.services.items()
        )


@contextmanager
def running_fleet(folder: Path, settings: Mapping[str, str] = {}) -> Iterator[Fleet]:
    """Everything started, and ended in order afterwards. `settings` come on top of those that every fleet has."""
    with ExitStack() as stack:
        nats = stack.enter_context(running_nats())
        mongo = stack.enter_context(running_mongo())
        database, gateway_port = "assay_chaos", free_port()
        tasks = folder / "tasks"
        tasks.mkdir(parents=True)
        for above in (tasks, folder):
            above.chmod(0o711)
        common = {
            "ASSAY_NATS_URL": nats.url,
            "ASSAY_MONGO_URL": mongo.url,
            "ASSAY_MONGO_DATABASE": database,
            "ASSAY_HEALTH_HOST": "127.0.0.1",
            "ASSAY_GATEWAY_PORT": str(gateway_port),
            "ASSAY_PROCESS_ROOT": str(tasks),
            "ASSAY_PROCESS_ISOLATION": "required",
            "ASSAY_SWEEP_INTERVAL_S": "2",
            "ASSAY_GATEWAY_SUBMISSIONS_PER_HOUR": "0",
            "ASSAY_GATEWAY_MAX_PENDING": "0",
            **settings,
        }
        services = {
            name: Service(
                name,
                {**common, "ASSAY_HEALTH_PORT": str(free_port()), "ASSAY_INSTANCE": f"{name}-1"},
                folder / f"{name}.log",
            )
            for name in SERVICES
        }
        key = in_own_loop(_key(mongo.url, database))
        sandboxes = Sandboxes(tasks)
        fleet = Fleet(services, nats, mongo, database, f"127.0.0.1:{gateway_port}", key, sandboxes)
        for service in services.values():
            stack.callback(service.kill)
            service.start()
        in_own_loop(fleet.until_ready())
        sandboxes.look()
        yield fleet


async def _key(url: str, name: str) -> str:
    secret = new_secret()
    async with connected(url, name, service="test") as database:
        await provision(database)
        await ApiKeys(database).add(secret, user=UserId("chaos"), role="user", now=SystemClock().now())
    return secret
