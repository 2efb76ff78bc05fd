"""An emulator of AWS (ministack) as a process of its own, whose ECS runs tasks in containers of a real engine.

What it does otherwise than AWS stands in docs/howto/test-with-containers.md.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from deploy.local.lifeline import tied_to_us
from deploy.setup.containers import EMULATOR
from tests.support.docker_engine import DockerEngine

START_S = 30.0
REGION = "us-east-1"


class Emulator:
    """May be killed and started again on the same port and state, like the services of this machine's tests."""

    def __init__(self, engine: DockerEngine, folder: Path) -> None:
        self.engine = engine
        self.log = folder / "log"
        self._folder = folder
        # The one address that is the same for this machine and for a container: pre-signed addresses hold it.
        self._address = engine.gateway
        self._port = _free_port(self._address)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{self._address}:{self._port}"

    def start(self) -> None:
        assert self._process is None, "the emulator runs already"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                tied_to_us([str(EMULATOR / "bin" / "ministack")]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self._folder,
                env=self._environment(),
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            said = self.log.read_text("utf-8", errors="replace")[-3000:]
            assert self._process.poll() is None, f"the emulator ended while it started:\n{said}"
            assert time.monotonic() < deadline, f"the emulator did not answer within {START_S:.0f} s:\n{said}"
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL: its objects survive, its clusters and tasks do not."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM: it writes its state down."""
        self._end(signal.SIGTERM)

    def _environment(self) -> dict[str, str]:
        own = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR", "SSL_CERT_FILE") if name in os.environ}
        return own | {
            "HOME": str(self._folder),
            "GATEWAY_PORT": str(self._port),
            "BIND_HOST": self._address,  # it knows no passwords: not for the rest of the network
            "DOCKER_HOST": self.engine.host,
            "MINISTACK_DOCKER_TIMEOUT": "120",
            "MINISTACK_REGION": REGION,
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self._folder / "s3"),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self._folder / "state"),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
        }

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _end(self, order: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(order)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)


@contextlib.contextmanager
def running_emulator(engine: DockerEngine) -> Iterator[Emulator]:
    """One with nothing in it yet."""
    with tempfile.TemporaryDirectory(prefix="assay-test-aws-", ignore_cleanup_errors=True) as folder:
        emulator = Emulator(engine, Path(folder))
        try:
            emulator.start()
            yield emulator
        finally:
            emulator.kill()


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
