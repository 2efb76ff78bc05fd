"""The folder of one task: which files there are, and what they say.

Facts on disk are the whole memory of the process runtime, so that another orchestrator can take over at any
moment. Knows nothing of processes: what a record means today is processes.py's business.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.orchestrator.runtimes.processes import Identity

OUTPUT: Final = "output.jsonl"
CONTENTS: Final = "contents"
_PLAN: Final = "plan.json"
_STOPPED: Final = "stopped"
_TOO_LARGE: Final = "too-large"


@dataclass(frozen=True, slots=True)
class Stage:
    """One of the processes that a task consists of, by the names of its files."""

    name: str
    record: str
    context: str
    result: str
    status: str
    errors: str


RUN: Final = Stage("run", "process", "context.json", "test_result.json", "status.json", "errors.txt")
WHEELS: Final = Stage(
    "wheels", "wheels", "wheels-context.json", "wheels-result.json", "wheels-status.json", "wheels-errors.txt"
)
BUILD: Final = Stage(
    "build", "build", "build-context.json", "build-result.json", "build-status.json", "build-errors.txt"
)
STAGES: Final = (RUN, BUILD, WHEELS)
"""The last that was started comes first."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a process wrote down about itself before it became the sandbox."""

    process: Identity
    cgroups: tuple[str, ...]
    sandboxed: bool
    server: Identity
    """the fork server that started it, and removes its cgroups if it still lives at the end"""


@dataclass(frozen=True, slots=True)
class Plan:
    """What must be known of a task beyond its contexts."""

    environment: str | None
    memory_mib: int
    cpu: float
    network: bool
    system_packages: tuple[str, ...] = ()
    """Debian packages whose programs the agent needs"""
    user: str = ""
    """whose test it is"""
    allow_hosts: tuple[str, ...] = ()
    """what it reaches beside the internet: permitted already"""


class TaskFolder:
    """Reads and writes the facts of one task."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def __truediv__(self, name: str) -> str:
        return f"{self.path}/{name}"

    # --- what is to be done

    def create(self) -> None:
        """Makes the folder; only we may look into it."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.path, 0o700)  # noqa: PTH102 - once a launch

    def write_context(self, stage: Stage, context: Mapping[str, Any]) -> None:
        """Writes what the harness will read, whole or not at all."""
        self._write(stage.context, context)

    def write_contents(self, contents: bytes) -> None:
        """Writes the content of the files that go along, whole or not at all."""
        self._write_bytes(CONTENTS, contents)

    @property
    def has_contents(self) -> bool:
        """Whether files go along."""
        return os.path.lexists(self / CONTENTS)

    def read_context(self, stage: Stage) -> dict[str, Any] | None:
        """What the harness would read; None once a process has taken it."""
        return self._read(stage.context)

    def has_context(self, stage: Stage) -> bool:
        """Whether there is something to start for this stage, and nobody has taken it."""
        return os.path.lexists(self / stage.context)

    def write_plan(self, plan: Plan) -> None:
        """Remembers how to go on after the installation: only tasks with requirements need it."""
        self._write(
            _PLAN,
            {
                "environment": plan.environment,
                "memory_mib": plan.memory_mib,
                "cpu": plan.cpu,
                "network": plan.network,
                "system_packages": plan.system_packages,
                "user": plan.user,
                "allow_hosts": plan.allow_hosts,
            },
        )

    def read_plan(self) -> Plan | None:
        """How to go on after the installation; None when there is nothing to install."""
        values = self._read(_PLAN)
        if values is None:
            return None
        several = {name: tuple(values.get(name, ())) for name in ("system_packages", "allow_hosts")}
        return Plan(**{**values, **several})

    def ask_stop(self) -> None:
        """Nothing more is started for this task, even if we crash right now."""
        with contextlib.suppress(FileNotFoundError):  # cleaned up: nothing is left to start
            os.close(os.open(self / _STOPPED, os.O_WRONLY | os.O_CREAT, 0o600))

    @property
    def stop_asked(self) -> bool:
        """Whether somebody asked for the end."""
        return os.path.lexists(self / _STOPPED)

    def note_too_large(self) -> None:
        """Its installation was ended because it took too much of the disk."""
        with contextlib.suppress(FileNotFoundError):
            os.close(os.open(self / _TOO_LARGE, os.O_WRONLY | os.O_CREAT, 0o600))

    # --- what happened

    @property
    def was_too_large(self) -> bool:
        """Whether its installation was ended for that."""
        return os.path.lexists(self / _TOO_LARGE)

    @property
    def is_begun(self) -> bool:
        """Whether this task was handed to us before, and not only half."""
        return any(self.record(stage) for stage in STAGES) or Path(self / OUTPUT).exists() or bool(self.read_plan())

    def record(self, stage: Stage) -> Record | None:
        """The process that was started for a stage."""
        try:
            values = json.loads(os.readlink(self / stage.record))  # noqa: PTH115 - the text of the link is the record
        except OSError:
            return None
        boot = values["boot"]
        server_pid, server_start = values["server"]
        return Record(
            process=Identity(values["pid"], values["start"], boot),
            cgroups=tuple(values["cgroups"]),
            sandboxed=values["sandboxed"],
            server=Identity(server_pid, server_start, boot),
        )

    def status(self, stage: Stage) -> dict[str, Any]:
        """What bubblewrap and the fork server say: `child-pid`, and at the end `exit-code` and `out-of-memory`."""
        values: dict[str, Any] = {}
        for line in (_bytes(self / stage.status) or b"").splitlines():
            with contextlib.suppress(ValueError):  # a line that is being written
                values |= json.loads(line)
        return values

    def result(self, stage: Stage) -> bytes | None:
        """What the harness handed in, as far as it is written: one line of JSON."""
        return (_bytes(self / stage.result, first_line=True) or b"").removesuffix(b"\n") or None

    def outputs(self, stage: Stage) -> bytes | None:
        """What the harness handed in behind its result: the content of files."""
        _, line_end, rest = (_bytes(self / stage.result) or b"").partition(b"\n")
        return rest if line_end else None

    def complaint(self, stage: Stage) -> str:
        """The last words on standard error, of bubblewrap or of the harness."""
        text = (_bytes(self / stage.errors) or b"")[-2000:].decode(errors="replace")
        return text.strip().rpartition("\n")[2]

    # --- the end

    def clear(self) -> None:
        """Removes all but the output. Records go last: until then a second attempt can still find what they name."""
        if not Path(self.path).is_dir():
            return
        os.close(os.open(self / OUTPUT, os.O_WRONLY | os.O_CREAT, 0o644))  # says from now on that this task was here
        records = [stage.record for stage in STAGES]
        names = [name for name in os.listdir(self.path) if name != OUTPUT]  # noqa: PTH208
        for name in sorted(names, key=records.__contains__):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self / name)  # noqa: PTH108

    def remove(self) -> None:
        """Removes the whole folder, as if there had never been a task."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _write(self, name: str, values: Mapping[str, Any]) -> None:
        self._write_bytes(name, json.dumps(values).encode())

    def _write_bytes(self, name: str, content: bytes) -> None:
        temporary = self / f".{name}"
        data = memoryview(content)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            while data:
                data = data[os.write(fd, data) :]
        finally:
            os.close(fd)
        os.replace(temporary, self / name)  # noqa: PTH105

    def _read(self, name: str) -> dict[str, Any] | None:
        data = _bytes(self / name)
        if data is None:
            return None
        values: dict[str, Any] = json.loads(data)
        return values


def _bytes(path: str, *, first_line: bool = False) -> bytes | None:
    """What is in a file, or its first line with its end; None when there is none. Several times a task, and so without
    pathlib."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        parts = []
        while part := os.read(fd, 1 << 20):
            line, end, _ = part.partition(b"\n") if first_line else (part, b"", b"")
            parts.append(line + end)
            if end:
                break
        return b"".join(parts)
    finally:
        os.close(fd)
