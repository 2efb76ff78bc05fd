"""An emulator of AWS (ministack) of our own, started when somebody first needs S3: deployment packages.

Its command line, its environment, and when it is ready. Must not know what is kept in it, nor how requests are signed
(`emulator_gate`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from deploy.local import ports, tools
from deploy.local.child import Child, Program, StartFailed
from deploy.local.credentials import Credentials
from deploy.local.tools import ToolMissing

if TYPE_CHECKING:
    from shared.aws.connect import Aws
    from shared.aws.settings import AwsSettings

log = structlog.get_logger()

LOOPBACK = "127.0.0.1"
GATE = Path(__file__).with_name("emulator_gate.py")
PORT = 7466
BUCKET = "assay"
FOLDER = "aws"
_FROM_OURS = ("PATH", "LANG", "TMPDIR", "SSL_CERT_FILE")


@dataclass(frozen=True, slots=True)
class EmulatorServer:
    data: Path
    port: int
    access_key: str
    secret_key: str

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def command(self) -> list[str]:
        for folder in (self.data, self.data / "s3", self.data / "state"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        python = Path(tools.emulator()).with_name("python")  # the one that it is installed for
        return [str(python), "-I", str(GATE)]

    def environment(self) -> dict[str, str]:
        """Everything that it is told. It listens everywhere and lets everybody in unless it is told otherwise."""
        return {name: os.environ[name] for name in _FROM_OURS if name in os.environ} | {
            "HOME": str(self.data),
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(self.port),
            "AUTH": "true",
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.data / "s3"),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.data / "state"),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
        }

    async def ready(self) -> None:
        """Returns when it says that it is well."""
        while True:
            try:
                reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
                try:
                    writer.write(b"GET /_ministack/health HTTP/1.0\r\nHost: localhost\r\n\r\n")
                    if b" 200 " in await reader.readline():
                        return
                finally:
                    writer.close()
            except OSError:
                pass
            await asyncio.sleep(0.02)


class Emulator:
    """The child that is not there until somebody asks for it, and then stays."""

    def __init__(self, folder: Path, credentials: Credentials) -> None:
        self._folder = folder
        self._credentials = credentials
        self._lock = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._tasks: asyncio.TaskGroup | None = None
        self._keeping: list[asyncio.Task[None]] = []
        self._server: EmulatorServer | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """It can be asked for; at the end it is ended, where it was started."""
        from shared.background import background, end

        async with self._stack, background() as tasks:
            self._tasks = tasks
            try:
                yield
            finally:
                self._tasks = None
                await end(self._keeping)

    async def open(self, settings: AwsSettings) -> Aws:
        """AWS as the emulator has it, with the bucket of the settings in it. Raises AwsError."""
        from shared.aws.kinds import AwsError, Kind
        from shared.aws.opening import open_aws
        from shared.aws.settings import Key

        try:
            server = await self._started()
        except (ToolMissing, StartFailed, ports.NoFreePort) as error:
            raise AwsError(Kind.INVALID, "start", "", f"the local S3 cannot be started: {error}") from error
        here = settings.model_copy(update={"aws_endpoint_url": server.url})
        aws = await open_aws(here, Key(server.access_key, server.secret_key))
        from shared.aws.objects import Objects

        await Objects(aws, settings.aws_bucket).make_bucket()
        return aws

    async def _started(self) -> EmulatorServer:
        async with self._lock:
            if self._server is None:
                assert self._tasks is not None, "it is asked for outside of `running`"
                async with AsyncExitStack() as stack:
                    chosen = stack.enter_context(ports.reserved(self._folder, {"aws": PORT}))
                    server = EmulatorServer(
                        (self._folder / FOLDER).resolve(),
                        chosen["aws"],
                        self._credentials.aws_access_key,
                        self._credentials.aws_secret_key,
                    )
                    program = Program("ministack", server.command(), server.ready, environment=server.environment())
                    child = Child(program, self._folder)
                    stack.push_async_callback(child.stop)
                    await child.start()
                    self._keeping.append(self._tasks.create_task(child.keep_alive()))
                    self._stack.push_async_exit(stack.pop_all())
                self._server = server
            return self._server
