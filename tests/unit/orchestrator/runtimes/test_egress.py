"""The rules of a network as text, and where addresses lead."""

from __future__ import annotations

import ipaddress

import pytest

from services.orchestrator.runtimes.egress.networks import _resolved
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


def test_what_is_allowed_comes_before_what_is_denied_and_the_machine_is_denied_like_the_rest() -> None:
    rules = ruleset(allowed=[(ipaddress.IPv4Network("10.1.0.7"), 80)], own_addresses=["93.184.215.14"]).splitlines()
    accepts = next(place for place, line in enumerate(rules) if "10.1.0.7/32" in line)
    denies = next(place for place, line in enumerate(rules) if "reject" in line)
    assert accepts < denies
    assert rules[accepts].split() == [
        "ip",
        "daddr",
        "10.1.0.7/32",
        "meta",
        "l4proto",
        "{",
        "tcp,",
        "udp",
        "}",
        "th",
        "dport",
        "80",
        "accept",
    ]
    assert "93.184.215.14/32" in rules[denies]
    assert "policy drop" in rules[2]


def test_an_open_network_gets_a_rule_before_all_others() -> None:
    text = additions([(ipaddress.IPv4Network("10.0.0.0/8"), None)])
    assert text == "insert rule inet assay out ip daddr 10.0.0.0/8 accept\n"


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
