from __future__ import annotations

import pytest

from shared.domain.destinations import BadDestination, named, parse, parse_all, refused


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("10.20.0.0/16", "10.20.0.0/16"),
        ("10.20.3.4/16", "10.20.0.0/16"),
        ("10.20.1.7", "10.20.1.7"),
        (" 10.20.1.7:8000 ", "10.20.1.7:8000"),
        ("10.0.0.0/8:443", "10.0.0.0/8:443"),
        ("Models.Intra.:443", "models.intra:443"),
        ("localhost:11434", "localhost:11434"),
        ("my_host-1:1", "my_host-1:1"),
    ],
)
def test_it_is_written_one_way(text: str, written: str) -> None:
    assert str(parse(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":80",
        "localhost",
        "127.0.0.1",
        "127.0.0.0/8",
        "models.intra",
        "models.intra:0",
        "models.intra:65536",
        "models.intra:http",
        "models.intra:\u0661",
        "10.20.1.7:-1",
        "10.20.1",
        "10.20.1.256",
        "300.1.1.1:80",
        "10.20.0.0/33",
        "::1",
        "[::1]:80",
        "http://10.0.0.1:80",
        "a b:80",
        "-a:80",
        "a..b:80",
        "a;b:80",
        "a\nb:80",
        "x" * 64 + ":80",
    ],
)
def test_anything_else_is_refused_with_what_one_looks_like(text: str) -> None:
    with pytest.raises(BadDestination, match=r"\d"):
        parse(text)


def test_several_are_separated_by_commas() -> None:
    assert [*map(str, parse_all("10.0.0.0/8, a.b:1,,"))] == ["10.0.0.0/8", "a.b:1"]
    assert parse_all("") == ()


@pytest.mark.parametrize(
    ("permitted", "wanted", "may"),
    [
        ("10.0.0.0/8", "10.1.2.3:80", True),
        ("10.0.0.0/8", "10.0.0.0/8", True),
        ("10.0.0.0/8", "0.0.0.0/0", False),
        ("10.0.0.0/8", "11.0.0.1:80", False),
        ("10.0.0.0/8:443", "10.1.2.3:443", True),
        ("10.0.0.0/8:443", "10.1.2.3:80", False),
        ("10.0.0.0/8:443", "10.1.2.3", False),
        ("0.0.0.0/0", "127.0.0.1:27017", False),  # the machine itself is permitted by its ports only
        ("0.0.0.0/0", "localhost:27017", False),
        ("127.0.0.1:80", "localhost:80", True),
        ("localhost:80", "127.0.0.1:80", True),
        ("127.0.0.1:80", "127.0.0.1:81", False),
        ("a.b:80", "a.b:80", True),
        ("a.b:80", "c.b:80", False),
        ("10.0.0.0/8", "a.b:80", False),  # whatever its address is
    ],
)
def test_what_permits_what(permitted: str, wanted: str, may: bool) -> None:
    assert (refused([parse(wanted)], [parse(permitted)]) == []) is may


@pytest.mark.parametrize(
    ("wanted", "permitted", "is_named"),
    [
        ("10.0.0.7:80", "10.0.0.0/8", False),
        ("10.0.0.7:80", "10.0.0.0/8, 10.0.0.7:80", True),
        ("10.0.0.7:80", "10.0.0.7", True),
        ("10.0.0.7:80", "10.0.0.7:81", False),
        ("10.0.0.0/24", "10.0.0.0/24", False),
        ("models.intra:443", "models.intra:443", True),
        ("127.0.0.1:11434", "127.0.0.0/8:11434", True),
        ("127.0.0.1:11434", "0.0.0.0/0", False),
    ],
)
def test_a_host_is_named_where_no_range_is_needed_to_permit_it(wanted: str, permitted: str, is_named: bool) -> None:
    assert named(parse(wanted), parse_all(permitted)) is is_named
