import pytest
from starlette.requests import Request
from starlette.responses import Response

from services.console.signin import cookies
from services.console.signin.cookies import MOST, PIECE


def asked(host: str, **sent: str) -> Request:
    cookie = "; ".join(f"{name}={value}" for name, value in sent.items())
    headers = [(b"host", host.encode()), (b"cookie", cookie.encode())]
    return Request({"type": "http", "scheme": "http", "path": "/", "query_string": b"", "headers": headers})


def kept(response: Response) -> dict[str, str]:
    """What a browser keeps of an answer."""
    lines = [value.decode() for name, value in response.raw_headers if name == b"set-cookie"]
    assert all(len(line) < 4096 for line in lines)
    return {line.split("=", 1)[0]: line.split(";", 1)[0].split("=", 1)[1] for line in lines}


@pytest.mark.parametrize("size", [1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, PIECE * MOST])
def test_a_value_comes_back_whatever_its_size(size: int) -> None:
    value, response = "v" * (size - 1) + "e", Response()
    cookies.write(response, "name", value, asked("localhost"), seconds=60)
    assert cookies.read(kept(response), "name") == value


def test_what_a_longer_value_has_left_is_no_part_of_a_shorter_one() -> None:
    jar: dict[str, str] = {}
    for size in (2 * PIECE + 5, PIECE - 5):
        response = Response()
        cookies.write(response, "name", "v" * size, asked("localhost"), seconds=60)
        jar |= kept(response)
    assert len(jar) == 3
    assert cookies.read(jar, "name") == "v" * (PIECE - 5)


def test_a_value_that_is_too_large_is_refused() -> None:
    with pytest.raises(cookies.TooManyPieces):
        cookies.write(Response(), "name", "v" * (PIECE * MOST + 1), asked("localhost"), seconds=60)


@pytest.mark.parametrize(
    ("host", "secure"),
    [
        ("localhost:7470", False),
        ("127.0.0.1:7470", False),
        ("[::1]:7470", False),
        ("assay.localhost", False),
        ("assay.example.com", True),
        ("10.0.0.7:7470", True),
        ("127.0.0.1.example.com", True),
    ],
)
def test_a_cookie_crosses_a_network_by_tls_only(host: str, secure: bool) -> None:
    response = Response()
    cookies.write(response, "name", "v", asked(host), seconds=60)
    assert ("Secure" in response.headers["set-cookie"]) is secure


def test_every_piece_is_removed() -> None:
    response = Response()
    cookies.remove(response, "name", asked("localhost", name="a", name_1="b", name_3="c", other="d"))
    assert set(kept(response)) == {"name", "name_1", "name_3"}
