"""The rules of a network as text, and where addresses lead."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from services.orchestrator.runtimes.egress.line import KeeperOptions
from services.orchestrator.runtimes.egress.networks import Networks, _resolved
from services.orchestrator.runtimes.egress.ruleset import additions, is_denied, own_addresses, ruleset
from services.orchestrator.runtimes.egress.urls import of_url, of_urls
from services.orchestrator.runtimes.system_view import resolv_conf
from shared.domain.destinations import parse

FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.1.0.0/24 2 0 2
        |-- 10.1.0.7
           /32 host LOCAL
        |-- 10.1.0.255
           /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
Local:
        |-- 10.1.0.7
           /32 host LOCAL
        |-- 93.184.215.14
           /32 host LOCAL
"""


def test_the_addresses_of_the_machine_are_found_without_its_loopback() -> None:
    assert own_addresses(FIB_TRIE) == ["10.1.0.7", "93.184.215.14"]


def _chain(rules: str, name: str) -> list[str]:
    return rules.split(f" chain {name} {{\n")[1].split("\n }", maxsplit=1)[0].strip().splitlines()


def test_hosts_that_are_allowed_come_before_the_machine_and_ranges_behind_it() -> None:
    network = ipaddress.IPv4Network
    rules = ruleset(
        allowed=[(network("10.1.0.7"), 80), (network("10.0.0.0/8"), None)], own_addresses=["93.184.215.14", "10.1.0.9"]
    )
    assert _chain(rules, "hosts") == ["ip daddr 10.1.0.7/32 meta l4proto { tcp, udp } th dport 80 accept"]
    assert _chain(rules, "ranges") == ["ip daddr 10.0.0.0/8 accept"]
    out = [line.strip() for line in _chain(rules, "out")]
    assert "policy drop" in out[0]
    assert out[1:4] == [
        'oifname "lo" accept',
        "ip daddr 192.0.2.3 meta l4proto { tcp, udp } th dport 53 accept",
        "ip daddr 192.0.2.0/24 reject with icmpx type admin-prohibited",
    ]
    assert out[4:7] == [
        "jump hosts",
        "ip daddr { 93.184.215.14, 10.1.0.9 } reject with icmpx type admin-prohibited",
        "jump ranges",
    ]
    assert all(text in out[7] for text in ("reject", "10.0.0.0/8", "169.254.0.0/16"))
    assert out[8:] == ["meta nfproto ipv4 accept"]


def test_a_network_is_opened_for_hosts_and_for_what_lies_within_ranges() -> None:
    network = ipaddress.IPv4Network
    text = additions(hosts=[(network("10.1.0.7"), 80)], within=[(network("10.2.0.0/16"), None)])
    assert text.splitlines() == [
        "add rule inet assay hosts ip daddr 10.1.0.7/32 meta l4proto { tcp, udp } th dport 80 accept",
        "add rule inet assay ranges ip daddr 10.2.0.0/16 accept",
    ]


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("10.1.2.3:80", True),
        ("0.0.0.0/0", True),
        ("169.254.169.254:80", True),
        ("127.0.0.1:80", True),
        ("localhost:80", True),
        ("93.184.215.14:80", False),
        ("models.intra:80", False),
    ],
)
def test_what_needs_a_permission(text: str, denied: bool) -> None:
    assert is_denied(parse(text)) is denied


@pytest.mark.parametrize(
    ("url", "leads_to"),
    [
        ("http://127.0.0.1:11434", "127.0.0.1:11434"),
        ("http://localhost:11434/v1", "localhost:11434"),
        ("https://user:password@models.intra/v1?x=1", "models.intra:443"),
        ("http://models.intra", "models.intra:80"),
        ("socks5://10.0.0.1:1080", None),
        ("http://[::1]:80", None),
        ("http://a:99999", None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_where_an_address_leads(url: str, leads_to: str | None) -> None:
    found = of_url(url)
    assert (None if found is None else str(found)) == leads_to


def test_addresses_are_found_among_other_words() -> None:
    values = ["http://10.0.0.1:3128", "a http://10.0.0.2/simple http://10.0.0.1:3128", "off"]
    assert [*map(str, of_urls(values))] == ["10.0.0.1:3128", "10.0.0.2:80"]


def test_names_are_asked_elsewhere_and_looked_for_in_the_same_domains() -> None:
    of_host = "# by the network\nnameserver 10.0.0.1\nsearch intra example\noptions ndots:2\nnameserver 10.0.0.2\n"
    assert resolv_conf(of_host, "192.0.2.3") == b"nameserver 192.0.2.3\nsearch intra example\noptions ndots:2\n"


async def test_a_name_that_has_no_address_at_the_moment_keeps_the_last_one() -> None:
    name = parse("no-such-name.invalid:80")
    last = (ipaddress.IPv4Network("10.1.2.3"), 80)
    assert await _resolved([name], {name: [last]}) == [last]
    assert await _resolved([name], {}) == []


async def test_what_is_said_of_networks_does_not_fill_the_disk(tmp_path: Path) -> None:
    log = tmp_path / "networks.log"
    log.write_bytes(bytes((1 << 20) + 1))
    kept = Networks(KeeperOptions(log))
    kept._trim()
    kept.close()
    assert log.stat().st_size == 0
