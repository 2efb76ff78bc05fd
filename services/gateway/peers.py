"""Who is at the other end of a connection, as far as its address tells: for limits, never for rights."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import unquote

UNIX: Final = "unix"
"""Everybody who comes through the unix socket."""
_SITE_BITS: Final = 64
"""One customer of a provider has at least so much of IPv6 (RFC 6177), and takes another address for each call."""


def peer_of(address: str) -> str:
    """The holder of limits behind gRPC's `ipv4:10.0.0.1:5000`, `ipv6:%5B::1%5D:5000` or `unix:...`: no port in it."""
    kind, _, rest = address.partition(":")
    if kind == "ipv4":
        return rest.rpartition(":")[0]
    if kind == "ipv6":
        return _site(unquote(rest).rpartition(":")[0].strip("[]").partition("%")[0])
    return UNIX if kind.startswith("unix") else kind


def _site(host: str) -> str:
    try:
        found = ip_address(host)
    except ValueError:
        return host
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or IPv6Network((found, _SITE_BITS), strict=False))
