"""A Docker Engine for tests: the one that is there, else one of our own, started as root on its own socket and data.

All test processes of this checkout share it; the last one to leave stops it, by its pid. If that one was killed, the
next one finds the engine running, and stops it in its turn.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import IO, Any, NoReturn

import pytest

from deploy.local.lifeline import end_recorded, record
from deploy.setup.containers import STEPS, engine_at, running_engine
from deploy.setup.steps import PROJECT, TOOLS, CommandFailed, Missing

START_S = 60.0
STOP_S = 30.0
DATA = TOOLS / "docker"
"""Images are kept from run to run; containers are not."""
Say = Callable[[str], None]


class NoContainers(Exception):
    """This machine cannot run containers for tests; the message says why."""


@dataclass(frozen=True, slots=True)
class DockerEngine:
    """The command line of one engine."""

    host: str

    def run(self, *words: str, check: bool = True, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """`docker ...`. Raises AssertionError with what it said where it fails, unless `check` is off."""
        done = subprocess.run(
            ["docker", "--host", self.host, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env=os.environ
            | {"DOCKER_BUILDKIT": "0"},  # Debian's client comes without the builder that it would ask for
        )
        assert not check or done.returncode == 0, f"docker {' '.join(words)}: {done.stderr[-4000:]}"
        return done

    def inspect(self, what: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(self.run("inspect", what).stdout)
        return found[0]

    def has_image(self, name: str) -> bool:
        return self.run("image", "inspect", name, check=False).returncode == 0

    @property
    def gateway(self) -> str:
        """The address of this machine as containers see it, which is one of this machine's own.

        An engine that has just made the bridge names its network only; the bridge then has the first address of it."""
        config = self.inspect("bridge")["IPAM"]["Config"][0]
        return config.get("Gateway") or str(next(ip_network(config["Subnet"], strict=False).hosts()))


def cannot(reason: NoContainers) -> NoReturn:
    """Skips the test that needs containers; with ASSAY_TEST_ECS=required (`make test-ecs`) it fails instead."""
    if os.environ.get("ASSAY_TEST_ECS") == "required":
        pytest.fail(f"no containers for tests: {reason}", pytrace=False)
    pytest.skip(f"no containers for tests: {reason}")


@contextlib.contextmanager
def docker_engine(say: Say) -> Iterator[DockerEngine]:
    """An engine that answers. Raises NoContainers."""
    prepare(say)
    host = running_engine()
    if host is not None:
        if not host.startswith("unix://"):
            raise NoContainers(f"DOCKER_HOST is {host}: containers there cannot reach servers of this machine")
        yield DockerEngine(host)
        return
    if os.geteuid() != 0:
        raise NoContainers(
            "no Docker Engine answers (DOCKER_HOST or /var/run/docker.sock), and only root may start one"
        )
    with _Shared(say) as engine:
        yield engine


def prepare(say: Say) -> None:
    """Installs what is missing, once. Raises NoContainers."""
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "containers.lock").open("w", encoding="utf-8") as others:
        for step in STEPS:
            if not step.needed():
                continue
            fcntl.flock(others, fcntl.LOCK_EX)
            if not step.needed():  # somebody else has done it meanwhile
                continue
            say(f"containers for tests: installing {step.name}, once")
            try:
                step.do()
            except (Missing, CommandFailed) as reason:
                raise NoContainers(f"{step.name}: {reason}") from reason


class _Shared:
    """Our own engine, and who uses it: each user holds a shared lock, who starts or stops it an exclusive one."""

    def __init__(self, say: Say) -> None:
        # The path of a socket has 108 characters at most, and the engine makes longer ones below this folder.
        name = hashlib.sha256(os.fsencode(PROJECT)).hexdigest()[:8]
        self._folder = Path(tempfile.gettempdir()) / f"assay-docker-{name}"
        self._engine = DockerEngine(f"unix://{self._folder}/docker.sock")
        self._say = say
        self._users: IO[str] | None = None
        self._pid: int | None = None

    def __enter__(self) -> DockerEngine:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if self._folder.stat().st_uid != os.geteuid():
            raise NoContainers(f"{self._folder} belongs to somebody else")
        self._users = (self._folder / "users").open("w", encoding="utf-8")
        try:
            while True:
                fcntl.flock(self._users, fcntl.LOCK_EX)
                if not self._answers():
                    self._start()
                fcntl.flock(self._users, fcntl.LOCK_SH)  # not in one step: who left in between may have stopped it
                if self._answers():
                    return self._engine
        except BaseException:
            self._users.close()
            raise

    def __exit__(self, *_: object) -> None:
        assert self._users is not None
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # somebody else still uses it
        else:
            self._stop()
        finally:
            self._users.close()

    def _answers(self) -> bool:
        return engine_at(self._engine.host) is not None

    def _start(self) -> None:
        end_recorded(self._folder / "pid.json", grace_s=STOP_S)  # one that runs and does not answer
        (self._folder / "docker.pid").unlink(missing_ok=True)
        dockerd = shutil.which("dockerd") or shutil.which("dockerd", path="/usr/sbin:/usr/local/sbin")
        if dockerd is None:
            raise NoContainers("dockerd is not installed (Debian package: docker.io)")
        log = self._folder / "log"
        begun = time.monotonic()
        command = [
            *(dockerd, "--host", self._engine.host, "--log-level", "warn", "--shutdown-timeout", "5"),
            *("--data-root", str(DATA), "--exec-root", str(self._folder / "exec")),
            *("--pidfile", str(self._folder / "docker.pid")),
        ]
        with log.open("wb") as output, Path(os.devnull).open("rb") as nothing:
            actions = [
                (os.POSIX_SPAWN_DUP2, source.fileno(), fd) for source, fd in ((nothing, 0), (output, 1), (output, 2))
            ]
            # Not as a child that we watch over: it may outlive us for those who share it.
            pid = os.posix_spawn(dockerd, command, os.environ, file_actions=actions, setsid=True)
        self._pid = pid
        record(self._folder / "pid.json", pid)
        while not self._answers():
            said = log.read_text("utf-8", errors="replace").strip()
            if os.waitpid(pid, os.WNOHANG)[0]:
                raise NoContainers(
                    f"dockerd does not start here: {said.splitlines()[-1] if said else 'it says nothing'}"
                )
            if time.monotonic() > begun + START_S:
                os.kill(pid, signal.SIGKILL)
                raise NoContainers(f"dockerd did not answer within {START_S:.0f} s: {said[-500:]}")
            time.sleep(0.1)
        self._remove_containers()  # of somebody who was killed
        self._say(f"containers for tests: a Docker Engine of our own runs ({time.monotonic() - begun:.1f} s)")

    def _remove_containers(self) -> None:
        if left := self._engine.run("ps", "--all", "--quiet").stdout.split():
            self._engine.run("rm", "--force", "--volumes", *left)

    def _stop(self) -> None:
        with contextlib.suppress(AssertionError):
            self._remove_containers()
        end_recorded(self._folder / "pid.json", grace_s=STOP_S)
        if self._pid is not None:
            os.waitpid(self._pid, os.WNOHANG)
