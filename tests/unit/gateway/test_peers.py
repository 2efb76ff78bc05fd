import pytest

from services.gateway.peers import UNIX, peer_of


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("ipv4:10.0.0.1:5000", "10.0.0.1"),
        ("ipv6:%5B::1%5D:5000", "::/64"),
        ("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:5000", "2001:db8:1:2::/64"),
        ("ipv6:%5B2001:db8:1:2:ffff::9%5D:80", "2001:db8:1:2::/64"),
        ("ipv6:%5Bfe80::1%25eth0%5D:80", "fe80::/64"),
        ("ipv6:%5B::ffff:10.0.0.1%5D:5000", "10.0.0.1"),
        ("unix:", UNIX),
        ("unix:/tmp/x.sock", UNIX),
        ("unix-abstract:x", UNIX),
        ("ipv6:nonsense:1", "nonsense"),
        ("", ""),
    ],
)
def test_an_address_is_one_holder_whatever_its_port(address: str, peer: str) -> None:
    assert peer_of(address) == peer
