"""The line to the keeper: starts it, sends orders, hands on what it says."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from services.orchestrator.runtimes import standalone

PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
WAIT_S: Final = 15.0
"""Longest wait for the keeper, on a machine that is busy: a network takes 20 ms."""
_KEEPER: Final = "services.orchestrator.runtimes.egress.keeper"

Answer = Mapping[str, Any]


class NoNetwork(Exception):
    """A network cannot be had; the message says why."""


@dataclass(frozen=True, slots=True)
class KeeperOptions:
    """How a keeper runs."""

    log_file: Path
    uid: int | None = None
    """the user that it runs under; None for ours"""
    nice: int = 0
    cgroup_parents: Sequence[str] = ()


class KeeperLine(asyncio.Protocol):
    """The line to one keeper; `heard` is called with what it says, `gone` when it has ended."""

    def __init__(self, heard: Callable[[KeeperLine, Answer], None], gone: Callable[[KeeperLine], None]) -> None:
        self.lost = False
        self.userns = ""
        self.up: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._heard = heard
        self._gone = gone
        self._transport: asyncio.WriteTransport | None = None
        self._asked: dict[int, asyncio.Future[Answer]] = {}
        self._pending = b""

    @classmethod
    async def start(
        cls,
        options: KeeperOptions,
        heard: Callable[[KeeperLine, Answer], None],
        gone: Callable[[KeeperLine], None],
    ) -> KeeperLine:
        """Raises NoNetwork."""
        uid = "-" if options.uid is None else str(options.uid)
        program = [*standalone.command(_KEEPER), uid, str(options.nice), *options.cgroup_parents]
        ours, theirs = socket.socketpair()
        with theirs, options.log_file.open("ab") as errors:
            try:
                process = await asyncio.create_subprocess_exec(
                    *program, stdin=theirs.fileno(), stdout=errors, stderr=errors, cwd="/", env={"PATH": PATH}
                )
                await process.wait()  # at once: it leaves our family by forking
            except OSError as error:
                ours.close()
                raise NoNetwork(f"{program[0]}: {error.strerror}") from error
        _, keeper = await asyncio.get_running_loop().create_connection(lambda: cls(heard, gone), sock=ours)
        try:
            message = await asyncio.wait_for(keeper.up, WAIT_S)
        except TimeoutError:
            message = "the process that keeps networks does not start"
        if message:
            keeper.close()
            raise NoNetwork(message)
        return keeper

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is one without being a subclass

    def data_received(self, data: bytes) -> None:
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            answer: dict[str, Any] = json.loads(line)
            if not self.up.done():
                self.userns = answer.get("userns", "")
                self.up.set_result(answer.get("message", ""))
            elif answer["is"] in {"opened", "shut"}:
                future = self._asked.pop(answer["id"], None)
                if future and not future.done():
                    future.set_result(answer)
            else:
                self._heard(self, answer)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the signature is asyncio's
        self.lost = True
        if not self.up.done():
            self.up.set_result("the process that keeps networks has ended")
        for future in self._asked.values():
            if not future.done():
                future.set_exception(NoNetwork("the process that keeps networks has ended"))
        self._asked.clear()
        self._gone(self)

    def send(self, order: Mapping[str, Any]) -> None:
        """An order; the answers come when they come."""
        if self._transport and not self.lost:
            self._transport.write(json.dumps(order).encode() + b"\n")

    async def ask(self, order: Mapping[str, Any]) -> Answer:
        """An order about one network, and its answer. Raises NoNetwork."""
        if self.lost:
            raise NoNetwork("the process that keeps networks has ended")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked[order["id"]] = future
        self.send(order)
        try:
            return await asyncio.wait_for(future, WAIT_S)
        except TimeoutError:
            raise NoNetwork("the process that keeps networks does not answer") from None
        finally:
            self._asked.pop(order["id"], None)

    def close(self) -> None:
        if self._transport:
            self._transport.close()
