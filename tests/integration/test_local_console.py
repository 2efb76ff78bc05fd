"""The console of local mode: there when somebody comes, signed in by `assay open`, and gone with local mode."""

import json
import os
import re
import signal
import socket
import stat
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from deploy.local import lifeline, tools
from deploy.local.console import ConsoleServer
from tests.support.local_mode import Command, LocalMode, local_mode
from tests.support.until import until


@pytest.fixture(autouse=True, scope="module")
def skip_without_servers() -> None:
    try:
        tools.mongod(), tools.nats_server()
    except tools.ToolMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMode]:
    # A path that is too long for a socket by itself.
    folder = tmp_path_factory.mktemp("user") / ("long-" * 20) / ("path-" * 20) / ".assay"
    folder.parent.mkdir(parents=True)
    with local_mode(folder) as running:
        yield running


@pytest.fixture(scope="module")
def assay(local: LocalMode) -> Command:
    return Command(local.folder.parent)


def console_pid(local: LocalMode) -> int | None:
    """Of the console, if it runs."""
    try:
        pid: int = json.loads((local.folder / "run" / "console.pid").read_text())["pid"]
    except FileNotFoundError:
        return None
    return pid if lifeline.started_at(pid) else None


def get(address: str, **headers: str) -> tuple[HTTPResponse, bytes]:
    """One request, as a browser sends it, without following where it leads."""
    parts = urlsplit(address)
    connection = HTTPConnection("127.0.0.1", parts.port, timeout=30)  # browsers know where *.localhost leads
    try:
        connection.request("GET", address.partition(parts.netloc)[2], headers={"Host": parts.netloc, **headers})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def sign_in(link: str) -> str:
    """The session's cookie. Empty where the link signs nobody in."""
    response, _ = get(link)
    assert response.status == 303
    return "; ".join(
        f"{name}={morsel.value}" for name, morsel in SimpleCookie(response.headers["set-cookie"] or "").items()
    )


def session(local: LocalMode, cookie: str) -> dict[str, Any]:
    _, body = get(f"{local.known['console']}/session", Cookie=cookie)
    answer: dict[str, Any] = json.loads(body)
    return answer


def test_it_runs_from_the_first_connection_on_and_again_after_its_death(local: LocalMode, assay: Command) -> None:
    assert local.known["console"] in local.said
    assert console_pid(local) is None
    cookie = sign_in(assay("open", "--print").out.strip())
    assert session(local, cookie)["userId"] == "dev"

    before = console_pid(local)
    assert before is not None
    os.kill(before, signal.SIGKILL)
    assert get(f"{local.known['console']}/healthz")[0].status < 500
    assert console_pid(local) not in {None, before}
    assert session(local, cookie)["userId"] == "dev", "a session outlives the console that made it"


def test_a_link_signs_in_once_and_shows_the_test(local: LocalMode, assay: Command) -> None:
    ran = assay("open", "tst_1", "--print")
    link = ran.out.strip()
    assert (ran.code, ran.err) == (0, "")
    assert link.startswith(f"{local.known['console']}/signin/code?code=")
    assert local.known["api_key"] not in link
    response, _ = get(link)
    assert response.headers["location"] == "/tests/tst_1"
    assert sign_in(link) == "", "a second time"


def test_nobody_else_can_speak_through_the_socket_that_gets_the_key(local: LocalMode) -> None:
    path = Path(local.known["console_socket"])
    assert path == local.folder / "console.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_its_name_cannot_be_guessed_and_it_answers_to_no_other(local: LocalMode) -> None:
    parts = urlsplit(local.known["console"])
    assert re.fullmatch(r"assay-[0-9a-f]{12}\.localhost", parts.hostname or "")
    for usual in ("127.0.0.1", "localhost"):
        response, body = get(f"http://{usual}:{parts.port}/")
        assert response.status == 421
        assert b"assay open" in body
        assert (parts.hostname or "").encode() not in body + response.headers.as_bytes()


def test_it_is_told_where_things_are_and_else_what_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOSTS", "URL", "GATEWAY_CA_FILE", "GATEWAY"):
        monkeypatch.setenv(f"ASSAY_CONSOLE_{name}", "of-the-user")
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        server = ConsoleServer(tcp, unix, "unix:/gateway.sock", "secret")
        told = server.program().environment or {}
        url = server.url
    assert told["ASSAY_CONSOLE_HOSTS"] == "of-the-user"
    assert (told["ASSAY_CONSOLE_URL"], told["ASSAY_CONSOLE_GATEWAY"]) == (url, "unix:/gateway.sock")
    assert "ASSAY_CONSOLE_GATEWAY_CA_FILE" not in told


def test_a_wrong_key_gets_no_link(local: LocalMode) -> None:
    ran = Command(local.folder.parent, {"ASSAY_API_KEY": "assay_wrong"})("open", "--print")
    assert (ran.code, ran.out) == (2, "")
    assert "assay_wrong" not in ran.err


def test_a_browser_is_opened_where_there_is_one_and_else_the_address_is_to_be_opened(
    local: LocalMode, tmp_path: Path
) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    without_screen = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "BROWSER": ""}
    opened = Command(local.folder.parent, without_screen | {"BROWSER": f"{browser} %s"})("open")
    assert (opened.code, opened.err) == (0, "")
    assert (tmp_path / "opened").read_text() == opened.out
    told = Command(local.folder.parent, without_screen)("open")
    assert (told.code, told.err) == (0, "Open this address in a browser.\n")


def test_a_console_that_cannot_start_says_why_and_lets_nobody_wait(tmp_path: Path) -> None:
    with local_mode(tmp_path / "data", ASSAY_CONSOLE_MAX_STREAMS="0") as broken:
        with pytest.raises(OSError, match=r"reset|closed|Remote end"):
            get(f"{broken.known['console']}/")
        assert "console_not_started" in broken.said
        assert "ASSAY_CONSOLE_MAX_STREAMS" in broken.said
        assert broken.process.poll() is None, "all else goes on"


def test_ctrl_c_ends_it_in_order(tmp_path: Path) -> None:
    local = LocalMode(tmp_path / "data")
    try:
        address = local.until_ready()["console"]
        assert get(f"{address}/")[0].status in {200, 503}
        pid = console_pid(local)
        assert pid is not None
        assert local.end(signal.SIGINT) == 0
        assert lifeline.started_at(pid) is None
        assert "service_stopped" in (local.folder / "logs" / "console.log").read_text()
        assert list((local.folder / "run").iterdir()) == []
        assert not (local.folder / "console.sock").exists()
    finally:
        local.end(signal.SIGKILL)


async def test_after_a_kill_nothing_is_left_and_who_takes_its_port_gets_no_key(tmp_path: Path) -> None:
    local, assay = LocalMode(tmp_path / ".assay"), Command(tmp_path)
    try:
        known = local.until_ready()
        assert assay("open", "--print").code == 0
        pid = console_pid(local)
        assert pid is not None
    finally:
        local.end(signal.SIGKILL)
    await until(lambda: lifeline.started_at(pid) is None, timeout=20)
    assert (local.folder / "client.json").exists(), "the address is still known"
    with socket.create_server(("127.0.0.1", int(known["console"].rpartition(":")[2]))) as impostor:
        impostor.settimeout(0.5)
        refused = assay("open", "--print")
        assert (refused.code, refused.out) == (2, "")
        assert "No console answers" in refused.err
        with pytest.raises(TimeoutError):
            impostor.accept()
    again = LocalMode(local.folder)
    try:
        assert again.until_ready()["console"] == known["console"]
    finally:
        again.end(signal.SIGKILL)
