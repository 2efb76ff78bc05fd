"""The rules of a test's network namespace, as nftables reads them: pure text from values.

They are made before the agent is there, in a namespace over which it has no rights.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final

from services.orchestrator.runtimes.egress.addresses import NAME_SERVER, SUBNET
from shared.domain.destinations import Destination

DENIED: Final = (
    "0.0.0.0/8",  # this network (RFC 1122); Linux takes 0.0.0.0 for itself
    "10.0.0.0/8",  # private (RFC 1918)
    "34.118.224.0/20",  # Services of a cluster on GKE, where nobody chose another range
    "100.64.0.0/10",  # carriers' shared space (RFC 6598); clouds have metadata servers in it
    "127.0.0.0/8",
    "169.254.0.0/16",  # link-local (RFC 3927): metadata servers of clouds
    "172.16.0.0/12",  # private (RFC 1918)
    "192.0.0.0/24",  # protocol assignments (RFC 6890): metadata of a cloud
    "192.168.0.0/16",  # private (RFC 1918)
    "198.18.0.0/15",  # measurements inside networks (RFC 2544)
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, and broadcast
    "168.63.129.16/32",  # the platform's address in a cloud's virtual networks
)
"""What a test reaches only by permission: sources beside each."""

_DENIED: Final = tuple(map(ipaddress.IPv4Network, (*DENIED, SUBNET)))
_ONE: Final = 32  # bits that are the same in all addresses of a range of one
_HOSTS, _RANGES = "hosts", "ranges"  # chains

Allowed = tuple[ipaddress.IPv4Network, int | None]


def is_denied(destination: Destination) -> bool:
    """Whether a test reaches it by permission only. A name is known by its address alone, so it is not; but
    localhost."""
    network = destination.network
    if network is None:
        return destination.loopback
    return any(network.overlaps(denied) for denied in _DENIED)


def ruleset(*, allowed: Iterable[Allowed], own_addresses: Sequence[str]) -> str:
    """The rules; `own_addresses` are those of the host, which are denied like its loopback, public or not. Of what is
    allowed, a single address may be one of them; a range does not mean the host because it happens to lie in there.

    Whatever is allowed: at the addresses of the namespace there is the name server's port only, for slirp4netns carries
    all that is sent there to the host's name server, which may be the host's loopback."""
    allowed = list(allowed)
    hosts = [one for one in allowed if one[0].prefixlen == _ONE]
    ranges = [one for one in allowed if one[0].prefixlen < _ONE]
    denied = ipaddress.collapse_addresses(map(ipaddress.IPv4Network, DENIED))
    reject = "reject with icmpx type admin-prohibited"
    lines = [
        "table inet assay {",
        *_chain(_HOSTS, hosts),
        *_chain(_RANGES, ranges),
        " chain out {",
        "  type filter hook output priority 0; policy drop;",
        '  oifname "lo" accept',
        f"  ip daddr {NAME_SERVER} meta l4proto {{ tcp, udp }} th dport 53 accept",
        f"  ip daddr {SUBNET} {reject}",
        f"  jump {_HOSTS}",
        *([f"  ip daddr {{ {', '.join(own_addresses)} }} {reject}"] if own_addresses else []),
        f"  jump {_RANGES}",
        f"  ip daddr {{ {', '.join(map(str, denied))} }} {reject}",
        "  meta nfproto ipv4 accept",
        " }",
        "}",
    ]
    return "\n".join(lines) + "\n"


def additions(*, hosts: Iterable[Allowed], within: Iterable[Allowed]) -> str:
    """What opens a namespace that has its rules for more: hosts that the operator named, the host itself perhaps among
    them, and what lies within ranges that they named."""
    rules = [(_HOSTS, rule) for rule in _matches(hosts)] + [(_RANGES, rule) for rule in _matches(within)]
    return "".join(f"add rule inet assay {chain} {rule} accept\n" for chain, rule in rules)


def _chain(name: str, allowed: Iterable[Allowed]) -> list[str]:
    return [f" chain {name} {{", *(f"  {rule} accept" for rule in _matches(allowed)), " }"]


def _matches(allowed: Iterable[Allowed]) -> Iterable[str]:
    for network, port in allowed:
        ports = "" if port is None else f" meta l4proto {{ tcp, udp }} th dport {port}"
        yield f"ip daddr {network}{ports}"


def own_addresses(fib_trie: str) -> list[str]:
    """The addresses of this machine but its loopback, from the text of /proc/net/fib_trie."""
    found: dict[str, None] = {}
    address = ""
    for line in fib_trie.splitlines():
        words = line.split()
        if words[:1] == ["|--"]:
            address = words[1]
        elif words[:3] == ["/32", "host", "LOCAL"] and not address.startswith("127."):
            found[address] = None
    return [*found]
