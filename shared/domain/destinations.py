"""What a test may reach beyond the public internet, as operators and users write it: pure parsing.

10.20.0.0/16            a range
10.20.1.7:8000          one port of one address
models.intra:443        one port of a host, by its name
127.0.0.1:11434         one port of the machine that runs the tests: its loopback
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.(?!-)[A-Za-z0-9_-]{1,63})*\.?")
_LOOPBACK_NAMES: Final = frozenset({"localhost", "ip6-localhost"})


class BadDestination(ValueError):
    """Not a destination; the message says what one looks like."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A range of addresses, or a host; all its ports or one."""

    host: str
    """a name, or a range such as 10.0.0.0/8 (an address is a range of one)"""
    port: int | None = None

    @property
    def network(self) -> ipaddress.IPv4Network | None:
        """None for a name."""
        try:
            return ipaddress.IPv4Network(self.host, strict=False)
        except ValueError:
            return None

    @property
    def loopback(self) -> bool:
        """Whether it is on the machine itself."""
        network = self.network
        return self.host in _LOOPBACK_NAMES if network is None else network.is_loopback

    @property
    def is_range(self) -> bool:
        """Whether it has more than one address that somebody wrote down."""
        network = self.network
        return network is not None and network.num_addresses > 1

    def covers(self, wanted: Destination) -> bool:
        """Whether who may reach this may reach `wanted`: names are compared as they are written."""
        if self.port is not None and self.port != wanted.port:
            return False
        if wanted.loopback:  # by its ports only: not by a range that happens to have it
            return self.loopback
        mine, theirs = self.network, wanted.network
        if mine is None or theirs is None:
            return self.host == wanted.host
        return theirs.subnet_of(mine)

    def __str__(self) -> str:
        host = self.host.removesuffix("/32")
        return host if self.port is None else f"{host}:{self.port}"


def parse(text: str) -> Destination:
    """Raises BadDestination."""
    host, colon, number = text.strip().rpartition(":")
    if not colon:
        host, number = text.strip(), ""
    port = None
    if colon:
        if not (re.fullmatch(r"[0-9]{1,5}", number) and 1 <= int(number) <= 65535):
            raise BadDestination(f"{text!r}: behind the colon stands a port from 1 to 65535, as in 10.20.1.7:8000")
        port = int(number)
    try:
        found = Destination(str(ipaddress.IPv4Network(host, strict=False)), port)
    except ValueError:
        if not _NAME.fullmatch(host) or re.fullmatch(r"[\d.]+", host):
            raise BadDestination(
                f"{text!r} is neither a range (10.20.0.0/16) nor an address or name with a port (10.20.1.7:8000, "
                "models.intra:443); IPv6 is not offered"
            ) from None
        found = Destination(host.rstrip(".").lower(), port)
    if port is None and (found.loopback or found.network is None):
        raise BadDestination(f"{text!r} needs a port, as in {host}:8000")
    return found


def parse_all(text: str) -> tuple[Destination, ...]:
    """Destinations separated by commas. Raises BadDestination."""
    return tuple(parse(part) for part in text.split(",") if part.strip())


def refused(wanted: Sequence[Destination], permitted: Sequence[Destination]) -> list[Destination]:
    """Those that nothing permits."""
    return [one for one in wanted if not any(other.covers(one) for other in permitted)]


def named(wanted: Destination, permitted: Sequence[Destination]) -> bool:
    """Whether something permits it that means just this host, and no range that it lies in."""
    return any(other.covers(wanted) for other in permitted if other.loopback or not other.is_range)
