"""The orchestrator's end of the fork server: sends orders, awaits answers, starts it again when it is gone.

Also gives sandboxes a way to our files when the work folder lies where other users may not go (below /root,
say): then the fork server lives in a mount namespace of its own in which the work folder is mounted a second
time, below /run.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, cast

from pydantic import JsonValue

from services.orchestrator.runtimes import standalone

_FORKSERVER: Final = "services.orchestrator.runtimes.forkserver.server"

_SPARES: Final = 2  # two orders at once find processes ready; more only take memory

_WAY: Final = Path("/run/assay")  # the same for all: each fork server sees only its own mount there
_OPEN_THE_WAY: Final = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'


_CLOSED: Final = (
    "other users may not pass through to {root}, and a mount namespace is not to be had ({error}): "
    "move the work folder to a place like /var/lib/assay"
)


class LauncherFailed(Exception):
    """The fork server does not start, or is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """All that the fork server must know to start one process. Paths are absolute."""

    record: str
    """where the process records that it is this task: the link that exists once"""
    context: str
    output: str
    errors: str
    result: str
    status: str
    argv: list[str]
    env: Mapping[str, str]
    facts: Mapping[str, JsonValue]
    """what the record says besides pid, start time and cgroups"""
    cgroup_values: list[dict[str, str]] = field(default_factory=list)
    """what to write into each of the process's cgroups, in the order of the launcher's parents"""
    limits: Mapping[str, int] = field(default_factory=dict)
    """resource limits by their names in the `resource` module"""
    uid: int | None = None
    """the user to become; None for the one that we are, or for one of `uids`"""
    uids: tuple[str, int, int] | None = None
    """a file of locks, the first id and how many there are: the process becomes a user that no other task is"""
    groups: tuple[int, ...] = ()
    """with a user: the groups to be in besides its own"""
    gives: tuple[str, ...] = ()
    """with a user: files and folders that become its own"""
    filter: str = ""
    """a filter of system calls (seccomp.py) for a program that loads it itself, handed over as a descriptor"""
    confine: str = ""
    """a filter to load before the program starts"""
    nice: int = 0
    net: str = ""
    """path of the network namespace to enter; empty for the one of the host"""
    life: str = ""
    """path of the pipe that keeps that network connected while it is held open"""
    userns: str = ""
    """path of the user namespace to enter before, where nobody of us has rights over the network"""
    contents: str = ""
    """the content of files that go along; it leaves the disk when the process starts"""
    folder: str = ""
    lock: str = ""
    """a file to hold a lock on while the process lives; the answer is Busy when another one holds it"""
    unless: str = ""
    """with `lock`: a path whose existence makes the order needless"""
    write_exit_code: bool = False
    """for a program that, unlike bubblewrap, does not write its exit code to `status` itself"""


_FIELDS: Final = tuple(field.name for field in fields(Order))


class Started:
    """The process runs; its record says which it is."""


class Exists:
    """There is a record already: somebody started this task before."""


class Busy:
    """Another process holds the lock, or what it guards has been made."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The system refused."""

    message: str


Answer = Started | Exists | Busy | Failed


class Launcher:
    """One fork server and the orders under way."""

    def __init__(self, root: Path, cgroup_parents: list[str], ptys: Path | None = None) -> None:
        self._root = root
        self._cgroup_parents = cgroup_parents
        self._ptys = ptys
        # Where sandboxes of other users find our files; None when they can take the same path as we do.
        self._way = None if _open_to_others(root) else _WAY
        self._orders: _Orders | None = None
        self.replaced: Callable[[], Awaitable[object]] | None = None
        """Called when another fork server took the place of one that was killed, before it has its first order."""
        self._starting = asyncio.Lock()

    async def open(self) -> None:
        """Starts the fork server. Raises LauncherFailed, also when sandboxes could not reach our files."""
        try:
            if self._way:
                self._way.mkdir(parents=True, exist_ok=True)
            self._orders = await self._connected()
        except (OSError, LauncherFailed) as error:
            raise LauncherFailed(_CLOSED.format(root=self._root, error=error) if self._way else str(error)) from error

    def seen(self, path: Path) -> Path:
        """The same file as sandboxes of other users can reach it."""
        return self._way / path.relative_to(self._root) if self._way else path

    async def start(self, order: Order) -> Answer:
        """Has the process started. Raises LauncherFailed: then only the record tells whether that happened."""
        async with self._starting:
            if self._orders is None or self._orders.lost:
                self._orders = await self._connected()
                if self.replaced:
                    await self.replaced()
        return _read(await self._orders.send({name: getattr(order, name) for name in _FIELDS}))

    def close(self) -> None:
        """Takes no more orders. The fork server stays until the tasks that it started have ended."""
        if self._orders:
            self._orders.close()

    async def _connected(self) -> _Orders:
        ptys = "" if self._ptys is None else str(self.seen(self._ptys))
        program = [*standalone.command(_FORKSERVER), str(_SPARES), ptys, *self._cgroup_parents]
        if self._way:
            opening = ["sh", "-c", _OPEN_THE_WAY, "sh", str(self._root), str(self._way)]
            program = ["unshare", "--mount", "--propagation", "slave", *opening, *program]
        ours, theirs = socket.socketpair()
        with theirs, (self._root / "forkserver.log").open("ab") as log:
            try:
                process = await asyncio.create_subprocess_exec(
                    *program,
                    stdin=theirs.fileno(),
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
                )
                code = await process.wait()  # at once: it leaves our family by forking
            except OSError as error:
                ours.close()
                raise LauncherFailed(f"{program[0]}: {error.strerror}") from error
        if code:
            ours.close()
            raise LauncherFailed(f"the fork server ended with {code}, see {self._root / 'forkserver.log'}")
        _, protocol = await asyncio.get_running_loop().create_connection(_Orders, sock=ours)
        return protocol


class _Orders(asyncio.Protocol):
    """The line to the fork server."""

    def __init__(self) -> None:
        self.lost = False
        self._transport: asyncio.WriteTransport | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._sent = 0
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is one without being a subclass

    def data_received(self, data: bytes) -> None:
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            answer = json.loads(line)
            future = self._waiting.pop(answer["id"], None)
            if future and not future.done():
                future.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the signature is asyncio's
        self.lost = True
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(LauncherFailed("the fork server is gone"))
        self._waiting.clear()

    async def send(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Sends one order and awaits its answer."""
        if self._transport is None or self.lost:
            raise LauncherFailed("the fork server is gone")
        self._sent += 1
        future = asyncio.get_running_loop().create_future()
        self._waiting[self._sent] = future
        self._transport.write(json.dumps({**order, "id": self._sent}).encode() + b"\n")
        answer: dict[str, Any] = await future
        return answer

    def close(self) -> None:
        if self._transport:
            self._transport.close()


def _read(answer: Mapping[str, Any]) -> Answer:
    match answer["answer"]:
        case "started":
            return Started()
        case "exists":
            return Exists()
        case "busy":
            return Busy()
        case _:
            return Failed(answer["message"])


def _open_to_others(root: Path) -> bool:
    """Whether other users can reach what lies below: without root there are none, and all is ours."""
    return os.geteuid() != 0 or all(folder.stat().st_mode & 0o001 for folder in (root, *root.parents))
