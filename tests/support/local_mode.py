"""Local mode and the `assay` command as their user has them: processes of their own, on data and ports of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deploy.local import tools
from deploy.local.credentials import MONGO_KEY_FILE, USER
from deploy.local.mongo import MongoServer

READY_S = 60.0
COMMAND_S = 120.0
"""A command that takes longer hangs."""
ASSAY = Path(sys.executable).with_name("assay")


def skip_without_sandbox() -> None:
    """Skips the test where this machine cannot run local mode with real sandboxes, and says what is missing."""
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed (Debian package: bubblewrap)")
    if os.geteuid() != 0:
        pytest.skip("limits by cgroup need root here")
    try:
        tools.mongod(), tools.nats_server()
    except tools.ToolMissing as missing:
        pytest.skip(str(missing))


class LocalMode:
    """`python -m deploy.local` on a data folder of its own."""

    def __init__(self, folder: Path, *options: str, **settings: str) -> None:
        self.folder = folder
        self.output = folder.with_suffix(".output")
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "deploy.local", "--data", str(folder), *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=clean_environment(settings),
            )

    @property
    def said(self) -> str:
        return self.output.read_text("utf-8", errors="replace")

    def until_ready(self) -> dict[str, str]:
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if "is ready" in self.said:
                known: dict[str, str] = json.loads((self.folder / "client.json").read_text())
                return known
            assert self.process.poll() is None, self.said
            time.sleep(0.02)
        raise AssertionError(f"not ready within {READY_S} s:\n{self.said}")

    @property
    def known(self) -> dict[str, str]:
        """Address and key, as the command line finds them."""
        known: dict[str, str] = json.loads((self.folder / "client.json").read_text())
        return known

    @property
    def mongo_url(self) -> str:
        """The store itself, for what no client can see."""
        password = json.loads((self.folder / "credentials.json").read_text())["mongo_password"]
        port = json.loads((self.folder / "ports.json").read_text())["mongo"]
        return MongoServer(self.folder / "mongo", port, USER, password, self.folder / MONGO_KEY_FILE).url

    @property
    def tasks(self) -> Path:
        """The work folder of the process runtime."""
        return self.folder / "tasks"

    def children(self) -> list[int]:
        return [json.loads(file.read_text())["pid"] for file in (self.folder / "run").glob("*.pid")]

    def end(self, order: signal.Signals) -> int:
        self.process.send_signal(order)
        return self.process.wait(60)


@contextmanager
def local_mode(folder: Path, *options: str, **settings: str) -> Iterator[LocalMode]:
    """Local mode while the block lasts; ended in order."""
    running = LocalMode(folder, *options, **settings)
    try:
        running.until_ready()
        yield running
    finally:
        if running.process.poll() is None:
            running.end(signal.SIGTERM)


def clean_environment(more: Mapping[str, str] = {}) -> dict[str, str]:
    """What a user's shell has, without this shell's own choice of a server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    return {**kept, "NO_COLOR": "1", **more}


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON value it is."""
        return json.loads(self.out)

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Standard output as one JSON object a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> dict[str, Any]:
        """What `--json` leaves on standard error."""
        error: dict[str, Any] = json.loads(self.err)["error"]
        return error


class Started:
    """A command at work. What it says goes to files, so that one may look at any time and miss nothing."""

    def __init__(self, words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            self._out, self._err = os.dup(out.fileno()), os.dup(err.fileno())
        self._process = subprocess.Popen(
            words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=self._out, stderr=self._err
        )

    @property
    def said(self) -> str:
        """Its standard output so far."""
        return _read(self._out)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def ended(self, within: float = COMMAND_S) -> Ran:
        """The command when it has ended."""
        try:
            code = self._process.wait(within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"still there after {within} s: {self._process.args!r}\n{self.said}") from None
        ran = Ran(code, self.said, _read(self._err))
        os.close(self._out)
        os.close(self._err)
        return ran


def _read(fd: int) -> str:
    return os.pread(fd, os.fstat(fd).st_size, 0).decode("utf-8")


@dataclass(frozen=True)
class Command:
    """The `assay` command in a folder where it finds its server by itself, like a user's."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    def start(self, *words: str | Path) -> Started:
        """Starts it and comes back at once."""
        return Started([str(ASSAY), *map(str, words)], self.folder, clean_environment(self.settings))

    def __call__(self, *words: str | Path) -> Ran:
        return self.start(*words).ended()

    def file(self, name: str, text: str) -> Path:
        """A file beside the user."""
        path = self.folder / name
        path.write_text(text, "utf-8")
        return path
