"""The orchestrator's end of the keeper: hands out networks, takes them back, keeps some ready, starts the keeper
again when it is gone.

A network that was given back unused is ready at once, so the tests that need none cost none, and a burst soon has as
many ready as it runs tests at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import shutil
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from services.orchestrator.runtimes.egress.line import PATH, WAIT_S, KeeperLine, KeeperOptions, NoNetwork
from services.orchestrator.runtimes.egress.ruleset import Allowed, additions, own_addresses, ruleset
from shared.domain.destinations import Destination

log = structlog.get_logger(__name__)

PROGRAMS: Final = {"slirp4netns": "slirp4netns", "nft": "nftables"}
"""What the keeper starts, and the Debian package that it is in."""

_FIB_TRIE: Final = Path("/proc/net/fib_trie")
_SPARES: Final = 2  # as many as the fork server keeps processes
_REFRESH_S: Final = 30.0  # how long a name of the settings keeps its address, and the host its own
_NAME_S: Final = 3.0  # for the address of a name; tests wait for it now and then
_LONGEST_LOG: Final = 1 << 20  # bytes: slirp4netns says some words for each network
_PATIENCE: Final = 5  # that are not made in a row: then it is said


@dataclass(slots=True)
class Network:
    """A network namespace for one task."""

    number: int
    net: str
    """path of the namespace"""
    life: str
    """path of the pipe that keeps it connected while somebody holds it open for writing"""
    userns: str
    """path of the user namespace that it belongs to; empty where we may enter it without that"""
    keeper: KeeperLine
    edition: int
    """of the rules that it was made with"""
    opened: bool = False
    """whether it reaches more than others"""


@dataclass(slots=True)
class Networks:
    """All of them."""

    options: KeeperOptions
    allowed: tuple[Destination, ...] = ()
    """what every test may reach beside the internet"""
    _spares: int = 0  # until it is known that one can be made
    _keeper: KeeperLine | None = None
    _rules: str = ""
    _edition: int = 0
    _ready: deque[Network] = field(default_factory=deque)
    _in_use: int = 0
    _most_in_use: int = 0
    _coming: int = 0  # that the keeper was told to make, or looks at whether they can be used again
    _failed: int = 0
    _waiting: deque[asyncio.Future[Network]] = field(default_factory=deque)
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _timer: asyncio.TimerHandle | None = None
    _refreshed: float = 0.0
    _known: dict[Destination, list[Allowed]] = field(default_factory=dict)

    async def open(self) -> None:
        """Starts the keeper and makes the first network. Raises NoNetwork where that cannot be."""
        missing = [package for program, package in PROGRAMS.items() if shutil.which(program, path=PATH) is None]
        if missing:
            raise NoNetwork(f"not installed (Debian and Ubuntu packages: {', '.join(missing)})")
        self.give_back(await self.take(), unused=True)
        self._spares = _SPARES

    async def take(self, hosts: Sequence[Destination] = (), within: Sequence[Destination] = ()) -> Network:
        """A network, opened for hosts that the operator named, and for what lies within ranges that they named. Raises
        NoNetwork."""
        self._in_use += 1
        self._most_in_use = max(self._most_in_use, self._in_use)
        network = None
        try:
            network = await self._next()
            if hosts or within:
                await self._open(network, hosts, within)
        except BaseException:
            self._in_use -= 1
            if network is not None:
                network.keeper.send({"do": "drop", "id": network.number})
            raise
        return network

    def give_back(self, network: Network, *, unused: bool) -> None:
        """Of a task that has ended; `unused` where it is certain that nothing of it lives."""
        self._in_use -= 1
        current = network.edition == self._edition  # else it would keep what is no longer allowed, or not yet denied
        wanted = len(self._ready) + self._coming < self._most_wanted
        if unused and current and wanted and not network.opened and network.keeper is self._keeper:
            self._coming += 1
            network.keeper.send({"do": "back", "id": network.number})
        else:
            network.keeper.send({"do": "drop", "id": network.number})

    def close(self) -> None:
        """Lets go. Networks of tasks live on with them."""
        if self._timer:
            self._timer.cancel()
        if self._keeper:
            self._keeper.close()
            self._keeper = None
        self._ready.clear()

    # --- having some ready

    async def _next(self) -> Network:
        async with self._starting:
            if self._keeper is None or self._keeper.lost:
                await self._start()
            await self._refresh()
        if self._ready:
            network = self._ready.popleft()
            self._replenish()
            return network
        future: asyncio.Future[Network] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._replenish()
        try:
            return await asyncio.wait_for(future, WAIT_S)
        except TimeoutError:
            raise NoNetwork("no network was made in time") from None
        finally:
            with contextlib.suppress(ValueError):
                self._waiting.remove(future)

    def _replenish(self) -> None:
        short = len(self._waiting) + self._spares - len(self._ready) - self._coming
        for _ in range(max(0, short)):
            self._make()

    def _make(self) -> None:
        if self._keeper:
            self._coming += 1
            self._keeper.send({"do": "make"})

    async def _start(self) -> None:
        self._ready.clear()
        self._coming = self._failed = 0
        rules = await self._current_rules()
        self._keeper = await KeeperLine.start(self.options, self._heard, self._gone)
        self._hand_rules(self._keeper, rules)
        self._refreshed = asyncio.get_running_loop().time()
        if self._timer is None:
            self._trim()

    async def _refresh(self) -> None:
        """Rules anew where addresses have changed."""
        now = asyncio.get_running_loop().time()
        if self._keeper is None or now < self._refreshed + _REFRESH_S:
            return
        self._refreshed = now
        rules = await self._current_rules()
        if rules != self._rules and self._keeper is not None:
            self._hand_rules(self._keeper, rules)
            self._drop_ready(0)

    def _hand_rules(self, keeper: KeeperLine, rules: str) -> None:
        self._rules = rules
        self._edition += 1
        keeper.send({"do": "rules", "text": rules, "forwards": _forwards(self.allowed), "edition": self._edition})

    def _trim(self) -> None:
        """Lets go of what no burst needs any more."""
        self._drop_ready(self._most_wanted)
        self._most_in_use = self._in_use
        with contextlib.suppress(OSError):
            if self.options.log_file.stat().st_size > _LONGEST_LOG:
                os.truncate(self.options.log_file, 0)  # all who write there do so at its end
        self._timer = asyncio.get_running_loop().call_later(_REFRESH_S, self._trim)

    @property
    def _most_wanted(self) -> int:
        """As many as were in use at once lately, and some more."""
        return self._most_in_use - self._in_use + _SPARES

    def _drop_ready(self, but: int) -> None:
        while len(self._ready) > but:
            network = self._ready.pop()
            network.keeper.send({"do": "drop", "id": network.number})

    # --- what the keeper says

    def _heard(self, keeper: KeeperLine, answer: Mapping[str, Any]) -> None:
        """Takes in an answer of the keeper."""
        if keeper is not self._keeper:
            return
        match answer["is"]:
            case "ready":
                self._coming -= 1
                self._failed = 0
                places = answer["net"], answer["life"], keeper.userns
                self._hand_over(Network(answer["id"], *places, keeper, answer["edition"]))
            case "failed":
                self._coming -= 1
                self._failed += 1
                log.warning("network_not_made", reason=answer["message"])
                if self._failed >= _PATIENCE:
                    self._refuse(answer["message"])
                elif self._waiting:
                    self._make()
            case "used":
                self._coming -= 1
                if self._waiting:
                    self._replenish()

    def _hand_over(self, network: Network) -> None:
        if network.edition != self._edition:  # on its way while the rules changed
            network.keeper.send({"do": "drop", "id": network.number})
            self._replenish()
            return
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(network)
                return
        self._ready.append(network)

    def _refuse(self, reason: str) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_exception(NoNetwork(reason))
        self._waiting.clear()

    def _gone(self, keeper: KeeperLine) -> None:
        """The keeper has ended, and what it had ready with it. The next one who asks starts another."""
        if keeper is self._keeper:
            self._ready.clear()
            self._refuse("the process that keeps networks has ended")

    # --- more than the internet

    async def _open(self, network: Network, hosts: Sequence[Destination], within: Sequence[Destination]) -> None:
        network.opened = True
        text = additions(hosts=await _resolved(hosts, self._known), within=await _resolved(within, self._known))
        order = {"do": "open", "id": network.number, "text": text, "forwards": _forwards(hosts)}
        answer = await network.keeper.ask(order)
        if answer["is"] != "opened":
            raise NoNetwork(answer.get("message", "it could not be opened"))

    async def _current_rules(self) -> str:
        addresses = own_addresses(_FIB_TRIE.read_text())
        return ruleset(allowed=await _resolved(self.allowed, self._known), own_addresses=addresses)


async def _resolved(destinations: Sequence[Destination], known: dict[Destination, list[Allowed]]) -> list[Allowed]:
    """Those that are not on this machine, with names as addresses. A name that has none at the moment keeps those that
    are `known` of it; one that never had any is left out, and said."""
    found: list[Allowed] = []
    for one in destinations:
        if one.loopback:
            continue
        if one.network is not None:
            found.append((one.network, one.port))
            continue
        try:
            asking = asyncio.get_running_loop().getaddrinfo(one.host, one.port, family=socket.AF_INET)
            answers = await asyncio.wait_for(asking, _NAME_S)
        except (OSError, TimeoutError) as error:
            log.warning("destination_without_address", destination=str(one), reason=str(error) or "no answer in time")
        else:
            known[one] = [*dict.fromkeys((ipaddress.IPv4Network(answer[4][0]), one.port) for answer in answers)]
        found += known.get(one, ())
    return found


def _forwards(destinations: Sequence[Destination]) -> list[int | None]:
    """Ports of the loopback that lead to those of this machine, each once: it has several names."""
    return list(dict.fromkeys(one.port for one in destinations if one.loopback))
