"""Where a request to the server of a package ends is never a guess: what two programs could read in two ways is
refused, and the connection ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.package_facts import facts, unpacked
from tests.support.package_server import PackageServer, serving
from tests.support.raw_http import Wire, query, request

ECHO = "def run(q): return q"


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackageServer]:
    with serving(unpacked(facts(agent_code=ECHO), tmp_path_factory.mktemp("echo"))) as server:
        yield server


SMUGGLED = b'POST /query HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{"query": "smuggled"}'
TWICE = ("Content-Length: 15", "Content-Length: 15")
BODY = b'{"query": "hi"}'

REFUSED = {
    "a body for GET": (request("GET /healthz HTTP/1.1", f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED), 400),
    "a body for HEAD": (request("HEAD /healthz HTTP/1.1", "Content-Length: 5", body=b"GET /"), 400),
    "two lengths": (request("POST /query HTTP/1.1", *TWICE, body=BODY), 400),
    "two other lengths": (
        request("POST /query HTTP/1.1", "Content-Length: 15", "content-length: 0", body=BODY),
        400,
    ),
    "a list of lengths": (request("POST /query HTTP/1.1", "Content-Length: 15, 15", body=BODY), 411),
    "a length with a sign": (request("POST /query HTTP/1.1", "Content-Length: +15", body=BODY), 411),
    "a length in hex": (request("POST /query HTTP/1.1", "Content-Length: 0xf", body=BODY), 411),
    "a length with a gap": (request("POST /query HTTP/1.1", "Content-Length: 1_5", body=BODY), 411),
    "a length in other digits": (request("POST /query HTTP/1.1", "Content-Length: \xb2", body=BODY), 411),
    "an empty length": (request("POST /query HTTP/1.1", "Content-Length: ", body=BODY), 411),
    "length and chunks": (
        request(
            "POST /query HTTP/1.1", "Content-Length: 15", "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED
        ),
        400,
    ),
    "chunks": (request("POST /query HTTP/1.1", "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED), 411),
    "hidden chunks": (request("POST /query HTTP/1.1", "Transfer-Encoding: x, chunked", body=b"0\r\n\r\n"), 411),
    "chunks for GET": (request("GET /healthz HTTP/1.1", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 411),
    "a bare LF": (b"GET /healthz HTTP/1.1\nHost: x\n\n", 400),
    "a bare LF among lines": (b"GET /healthz HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", 400),
    "a bare LF at the end": (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\n", 400),
    "a bare CR": (b"GET /healthz HTTP/1.1\r\nHost: x\rX: y\r\n\r\n", 400),
    "NUL": (b"GET /healthz HTTP/1.1\r\nHost: x\x00\r\n\r\n", 400),
    "a space before the colon": (request("POST /query HTTP/1.1", "Content-Length : 15", body=BODY), 400),
    "a line that goes on": (request("GET /healthz HTTP/1.1", "X: y", " z"), 400),
    "no colon": (request("GET /healthz HTTP/1.1", "Content-Length 15"), 400),
    "no name": (request("GET /healthz HTTP/1.1", ": x"), 400),
    "no host": (request("GET /healthz HTTP/1.1", host=""), 400),
    "two hosts": (request("GET /healthz HTTP/1.1", "Host: y"), 400),
    "a host that is none": (request("GET /healthz HTTP/1.1", host="Host: x y/z"), 400),
    "two tokens": (request("POST /query HTTP/1.1", "Authorization: a", "Authorization: b", body=BODY), 400),
    "another expectation": (request("POST /query HTTP/1.1", "Expect: 200-ok", "Content-Length: 15"), 417),
    "an address": (request("GET http://x/healthz HTTP/1.1"), 400),
    "a star": (request("OPTIONS * HTTP/1.1"), 400),
    "CONNECT": (request("CONNECT x:443 HTTP/1.1"), 400),
    "a space in the path": (request("GET /health z HTTP/1.1"), 400),
    "two spaces": (request("GET  /healthz HTTP/1.1"), 400),
    "a tab": (request("GET\t/healthz HTTP/1.1"), 400),
    "bytes in the path": (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "an empty line first": (b"\r\n" + request("GET /healthz HTTP/1.1"), 400),
    "HTTP/0.9": (b"GET /healthz\r\n\r\n", 400),
    "HTTP/1.2": (request("GET /healthz HTTP/1.2"), 505),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "HTTP/11.1": (request("GET /healthz HTTP/11.1"), 400),
    "http": (request("GET /healthz http/1.1"), 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), 400),
    "a long line": (request("GET /" + "x" * 20_000 + " HTTP/1.1"), 431),
    "a long header": (request("GET /healthz HTTP/1.1", "X: " + "y" * 20_000), 431),
    "many headers": (request("GET /healthz HTTP/1.1", *(f"X-{number}: y" for number in range(101))), 431),
    "a head without an end": (b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 5000, 431),
    "too long a length": (request("POST /query HTTP/1.1", "Content-Length: 99999999999999"), 413),
    "a body that is too large": (request("POST /query HTTP/1.1", "Content-Length: 1048577"), 413),
    "a body for another path": (request("POST /x HTTP/1.1", f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED), 404),
    "a body for another method": (request("PUT /query HTTP/1.1", "Content-Length: 15", body=BODY), 405),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_request_that_could_be_read_in_two_ways_is_refused_once_and_ends_its_connection(
    case: str, echo: PackageServer
) -> None:
    sent, status = REFUSED[case]
    with Wire(echo.port) as wire:
        wire.send(sent)
        answer = wire.answer()
        assert (answer.status, answer.headers["connection"]) == (status, "close"), answer
        assert sent.startswith(b"HEAD") or answer.code
        wire.half_close()
        assert wire.ended(), "there was a second answer"


def test_requests_in_one_piece_are_answered_one_after_the_other(echo: PackageServer) -> None:
    with Wire(echo.port) as wire:
        wire.send(query("1") + request("GET /healthz HTTP/1.1") + query("2") + query("3", "Connection: close"))
        bodies = [wire.answer().body for _ in range(4)]
        assert wire.ended()
    assert [bodies[0], *bodies[2:]] == [b'{"response":"%d"}\n' % number for number in (1, 2, 3)]


def test_a_request_that_comes_byte_by_byte_is_one(echo: PackageServer) -> None:
    with Wire(echo.port) as wire:
        for byte in query("slow"):
            wire.send(bytes([byte]))
        assert wire.answer().body == b'{"response":"slow"}\n'


def test_a_body_is_asked_for_where_a_client_waits_to_be(echo: PackageServer) -> None:
    with Wire(echo.port) as wire:
        wire.send(request("POST /query HTTP/1.1", "Expect: 100-continue", f"Content-Length: {len(BODY)}"))
        assert wire.answer().status == 100
        wire.send(BODY)
        assert wire.answer().body == b'{"response":"hi"}\n'


def test_a_body_that_is_not_wanted_is_not_asked_for(echo: PackageServer) -> None:
    with Wire(echo.port) as wire:
        wire.send(request("POST /query HTTP/1.1", "Expect: 100-continue", "Content-Length: 1048577"))
        assert wire.answer().status == 413


def test_a_body_that_is_too_large_is_not_read(echo: PackageServer) -> None:
    """The refusal is there while the client still sends."""
    with Wire(echo.port) as wire:
        wire.send(request("POST /query HTTP/1.1", "Content-Length: 900000000", body=b"x" * 100_000))
        assert wire.answer().status == 413


def test_head_has_the_head_of_get(echo: PackageServer) -> None:
    with Wire(echo.port) as wire:
        wire.send(request("HEAD /healthz HTTP/1.1", "Connection: close"))
        head = b""
        while b"\r\n\r\n" not in head:
            head += wire.socket.recv(1000)
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert head.endswith(b"\r\n\r\n")
        assert wire.ended()


@pytest.mark.parametrize(("path", "method", "allow"), [("/query", "GET", "POST"), ("/healthz", "DELETE", "GET, HEAD")])
def test_a_method_that_there_is_not_is_told_which_there_are(
    path: str, method: str, allow: str, echo: PackageServer
) -> None:
    with Wire(echo.port) as wire:
        wire.send(request(f"{method} {path} HTTP/1.1"))
        answer = wire.answer()
        assert (answer.status, answer.headers["allow"]) == (405, allow)
        wire.send(query())
        assert wire.answer().status == 200  # the connection goes on


def test_http_1_0_is_answered_once(echo: PackageServer) -> None:
    with Wire(echo.port) as wire:
        wire.send(request("GET /healthz HTTP/1.0", host="") + request("GET /healthz HTTP/1.0", host=""))
        assert wire.answer().status == 200
        assert wire.ended()


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_somebody_else_s_asks_nothing(site: str, echo: PackageServer) -> None:
    with Wire(echo.port) as wire:
        wire.send(query("hi", f"Sec-Fetch-Site: {site}", "Content-Type: text/plain"))
        answer = wire.answer()
    assert (answer.status, answer.code) == (403, "FOREIGN_PAGE")


@pytest.mark.parametrize("origin", ["http://evil.example", "https://x.evil.example", "null", "http://x:81"])
def test_a_page_of_somebody_else_s_asks_nothing_where_browsers_tell_its_origin_only(
    origin: str, echo: PackageServer
) -> None:
    """As they do for http:// on another machine: Sec-Fetch-Site goes to addresses that they trust."""
    with Wire(echo.port) as wire:
        wire.send(query("hi", f"Origin: {origin}", "Content-Type: text/plain"))
        answer = wire.answer()
    assert (answer.status, answer.code) == (403, "FOREIGN_PAGE")


@pytest.mark.parametrize("said", [("Origin: http://x",), ("Origin: https://proxy", "Sec-Fetch-Site: same-origin")])
def test_a_page_of_the_server_s_own_name_asks(said: tuple[str, ...], echo: PackageServer) -> None:
    with Wire(echo.port) as wire:
        wire.send(query("hi", *said))
        assert wire.answer().status == 200


@pytest.mark.parametrize("number", ["9" * 1_000_000, "1e" + "9" * 1000, "-" + "8" * 100_000])
def test_a_number_of_a_million_digits_costs_nothing(number: str, echo: PackageServer) -> None:
    body = f'{{"x": {number}, "query": "hi"}}'.encode()
    with Wire(echo.port) as wire:
        wire.send(request("POST /query HTTP/1.1", f"Content-Length: {len(body)}", body=body))
        assert wire.answer().body == b'{"response":"hi"}\n'
