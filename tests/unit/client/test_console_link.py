import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from assay.console_link import Console, find_console, sign_in_link
from assay.errors import AssayError, NotConfigured, Unauthenticated

LOCAL = {
    "address": "127.0.0.1:7450",
    "api_key": "local-key",
    "console": "http://127.0.0.1:7470",
    "console_socket": "/somewhere/.assay/console.sock",
}


def write_local(folder: Path, **content: str) -> None:
    (folder / ".assay").mkdir()
    (folder / ".assay" / "client.json").write_text(json.dumps(content), encoding="utf-8")


def look(folder: Path, address: str | None = None, **environment: str) -> Console:
    return find_console(address, environment=environment, directory=folder)


def test_the_console_of_local_mode_is_asked_through_its_socket(tmp_path: Path) -> None:
    write_local(tmp_path, **LOCAL)
    for found in (
        look(tmp_path),
        look(tmp_path, "127.0.0.1:7450"),
        look(tmp_path, ASSAY_ADDRESS="127.0.0.1:7450"),
        look(tmp_path, ASSAY_CONSOLE_URL="http://127.0.0.1:7470/"),
    ):
        assert found == Console(LOCAL["console"], "local-key", LOCAL["console_socket"])
    assert "local-key" not in repr(look(tmp_path))


def test_the_key_of_local_mode_goes_to_no_other_console(tmp_path: Path) -> None:
    write_local(tmp_path, **LOCAL)
    with pytest.raises(NotConfigured, match="ASSAY_API_KEY"):
        look(tmp_path, ASSAY_CONSOLE_URL="https://assay.example.com")
    own = look(tmp_path, ASSAY_CONSOLE_URL="https://assay.example.com/", ASSAY_API_KEY="mine")
    assert own == Console("https://assay.example.com", "mine")


@pytest.mark.parametrize(
    "given", [{"address": "prod:443"}, {"ASSAY_ADDRESS": "prod:443"}], ids=["argument", "variable"]
)
def test_another_server_has_another_console(tmp_path: Path, given: dict[str, str]) -> None:
    write_local(tmp_path, **LOCAL)
    with pytest.raises(NotConfigured, match="prod:443"):
        look(tmp_path, **given)


def test_nothing_known_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match=r"assay dev.*ASSAY_CONSOLE_URL"):
        look(tmp_path)
    write_local(tmp_path, address="127.0.0.1:7450", api_key="local-key")
    with pytest.raises(NotConfigured, match="no console"):
        look(tmp_path)


BAD = {
    "unencrypted": "http://assay.example.com",
    "no scheme": "assay.example.com",
    "another scheme": "file:///etc/passwd",
    "with a path": "https://assay.example.com/console",
    "with a user": "https://user@assay.example.com",
    "with no port": "https://assay.example.com:x",
}


@pytest.mark.parametrize("url", BAD.values(), ids=BAD)
def test_a_key_is_sent_to_no_such_address(tmp_path: Path, url: str) -> None:
    with pytest.raises(NotConfigured):
        look(tmp_path, ASSAY_CONSOLE_URL=url, ASSAY_API_KEY="mine")


@contextmanager
def answering(status: int, body: str, **headers: str) -> Iterator[tuple[str, list[str]]]:
    """A console that answers so, and the keys that it was shown."""
    keys: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/signin/codes"
            keys.append(self.headers["authorization"])
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", keys
        finally:
            server.shutdown()
            thread.join()


def test_a_link_has_the_code_and_where_to_go_and_not_the_key() -> None:
    with answering(200, '{"code": "a-code-of-one-time", "expiresInS": 120}') as (url, keys):
        link = sign_in_link(Console(url, "mine"), "/tests/tst_1?a=b&c")
    assert link == f"{url}/signin/code?code=a-code-of-one-time&to=%2Ftests%2Ftst_1%3Fa%3Db%26c"
    assert keys == ["Bearer mine"]


def test_a_refusal_is_the_error_of_the_sdk() -> None:
    refusal = '{"code": "UNAUTHENTICATED", "message": "This key is not known."}'
    with answering(401, refusal) as (url, _), pytest.raises(Unauthenticated, match="not known"):
        sign_in_link(Console(url, "mine"))


STRANGERS = {
    "a page": (200, "<html>"),
    "a list": (200, "[]"),
    "no code": (200, "{}"),
    "a code that leads elsewhere": (200, '{"code": "x&to=//evil.example"}'),
    "an error page": (502, "<html>"),
}


@pytest.mark.parametrize(("status", "body"), STRANGERS.values(), ids=STRANGERS)
def test_what_is_no_console_is_told_apart(status: int, body: str) -> None:
    with answering(status, body) as (url, _), pytest.raises(AssayError, match="no console of Assay"):
        sign_in_link(Console(url, "mine"))


def test_the_key_is_not_carried_on_to_where_an_answer_points() -> None:
    with answering(200, '{"code": "a-code-of-one-time"}') as (elsewhere, keys):  # noqa: SIM117 - two servers
        with answering(307, "", Location=f"{elsewhere}/signin/codes") as (url, _), pytest.raises(AssayError):
            sign_in_link(Console(url, "mine"))
    assert keys == []


def test_no_console_says_where_it_was_looked_for() -> None:
    with pytest.raises(AssayError, match=r"No console answers at http://127\.0\.0\.1:1:"):
        sign_in_link(Console("http://127.0.0.1:1", "mine"))
