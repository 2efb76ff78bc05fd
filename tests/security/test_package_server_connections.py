"""Clients of a package's server that keep quiet, dawdle or come by the hundred keep nobody else out."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from services.packager.server_src.clients import (
    ASKING,
    CONNECTIONS,
    IDLE,
    SENDING,
    TAKING,
    UNHEARD,
    Client,
    Crowd,
    to_close,
)
from tests.support.package_facts import facts, unpacked
from tests.support.package_server import PackageServer, serving
from tests.support.raw_http import Wire, query, request
from tests.support.until import until

HEALTH = request("GET /healthz HTTP/1.1", "Connection: close")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PackageServer]:
    """With enough patience for a slow machine."""
    with serving(unpacked(facts(agent_code="def run(q): return q"), tmp_path / "unpacked")) as made:
        yield made


def healthy(port: int) -> bool:
    with Wire(port) as wire:
        wire.send(HEALTH)
        return wire.answer().status == 200


QUIET: dict[str, bytes] = {
    "nothing": b"",
    "half a head": b"GET /healthz HTTP/1.1\r\nX: ",
    "half a body": request("POST /query HTTP/1.1", "Content-Length: 1000", body=b"{"),
}


@pytest.mark.parametrize("sent", QUIET)
def test_quiet_connections_do_not_close_the_health_check(sent: str, server: PackageServer) -> None:
    with ExitStack() as stack:
        for _ in range(CONNECTIONS + 200):
            stack.enter_context(Wire(server.port)).send(QUIET[sent])
        assert healthy(server.port)
        with Wire(server.port) as wire:
            wire.send(query())
            assert wire.answer().status == 200


def test_quiet_connections_of_a_new_kind_do_not_either(server: PackageServer) -> None:
    """Those that have asked once, and then stay."""
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            wire = stack.enter_context(Wire(server.port))
            wire.send(request("GET /healthz HTTP/1.1"))
            assert wire.answer().status == 200
        assert healthy(server.port)


async def test_a_quiet_client_is_cut_off(tmp_path: Path) -> None:
    folder = unpacked(facts(agent_code="def run(q): return q"), tmp_path / "unpacked")
    with serving(folder, READ_TIMEOUT_S="0.5") as server, Wire(server.port) as silent, Wire(server.port) as slow:
        slow.send(b"GET /healthz HTTP/1.1\r\n")
        assert silent.ended()
        answer = slow.answer()
        assert (answer.status, answer.code) == (408, "TOO_SLOW")
        slow.half_close()
        assert slow.ended()
        with Wire(server.port) as sending:
            sending.send(QUIET["half a body"])
            answer = sending.answer()
            assert (answer.status, answer.code, answer.headers["connection"]) == (408, "TOO_SLOW", "close")


async def test_a_client_that_sends_a_byte_now_and_then_is_cut_off(tmp_path: Path) -> None:
    """Each byte is in time; all together are not."""
    folder = unpacked(facts(agent_code="def run(q): return q"), tmp_path / "unpacked")
    with serving(folder, READ_TIMEOUT_S="1") as server, Wire(server.port, timeout=0.05) as wire:
        wire.send(b"GET /healthz HTTP/1.1\r\nX: ")

        def refused() -> bool:
            try:
                return wire.answer().status == 408
            except TimeoutError:
                wire.send(b"y")
                return False

        await until(refused)


async def test_a_client_that_takes_no_answers_does_not_hold_up_the_others(tmp_path: Path) -> None:
    folder = unpacked(facts(agent_code="def run(q): return q * 1_000_000"), tmp_path / "unpacked")
    with serving(folder) as server, ExitStack() as stack:
        for _ in range(20):
            taking = stack.enter_context(socket.socket())
            taking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            taking.connect(("127.0.0.1", server.port))
            taking.sendall(query("x"))
        assert healthy(server.port)
        reply = server.ask("x")
        assert (reply.status, len(reply.body["response"])) == (200, 1_000_000)


def test_clients_that_take_no_answers_do_not_close_the_health_check(tmp_path: Path) -> None:
    """They have all places, and each an answer that does not fit into what the kernel holds."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nulimit -n 64\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    folder = unpacked(facts(agent_code="def run(q): return q * 12_000_000"), tmp_path / "unpacked")
    with serving(folder, python=str(python), MAX_RESPONSE_BYTES="20000000") as server, ExitStack() as stack:
        for _ in range(32):
            taking = stack.enter_context(socket.socket())
            taking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            taking.connect(("127.0.0.1", server.port))
            taking.sendall(query("x"))
            assert taking.recv(1, socket.MSG_PEEK)  # the answer is on its way
        assert healthy(server.port)


class Closing(Client):
    """Knows whether it was closed."""

    closed = False

    def close(self) -> None:
        self.closed = True


def test_an_answer_that_nobody_takes_makes_room_for_the_newest() -> None:
    crowd, clients = Crowd(10, 100), [Closing("a"), Closing("b"), Closing("a"), Closing("c")]
    for number, one in enumerate(clients):
        one.does, one.since = TAKING, number
        assert crowd.let_in(one)
    crowd.answer_bytes = 100
    crowd.bound_answers(clients[3])
    assert not any(one.closed for one in clients)
    crowd.answer_bytes = 101
    crowd.bound_answers(clients[3])
    assert [one.closed for one in clients] == [True, False, False, False]


async def test_more_queries_than_there_is_room_for_are_told_so_and_the_health_check_is_open(tmp_path: Path) -> None:
    folder = unpacked(facts(agent_code="import time\ndef run(q): time.sleep(60)"), tmp_path / "unpacked")
    with serving(folder, WORKERS="1", WAIT_S="60") as server, ExitStack() as stack:
        wires = [stack.enter_context(Wire(server.port)) for _ in range(129)]
        for wire in wires:
            wire.send(query("x"))
        assert any_answer(wires) == 503
        assert healthy(server.port)


def any_answer(wires: list[Wire]) -> int:
    """The status of the one that is answered."""
    import select

    by_socket = {wire.socket: wire for wire in wires}
    [ready, *_], _, _ = select.select(list(by_socket), [], [], 20)
    return by_socket[ready].answer().status


def client(peer: str, does: int, since: float) -> Client:
    made = Client(peer)
    made.does, made.since = does, since
    return made


NOW = 1000.0
CHOICES: dict[str, tuple[list[Client], Callable[[list[Client]], Client | None]]] = {
    "the quiet one before the busy ones": (
        [client("a", IDLE, 1), client("a", SENDING, 0), client("a", UNHEARD, 2)],
        lambda clients: clients[2],
    ),
    "the oldest of the quiet ones": ([client("a", UNHEARD, 5), client("a", UNHEARD, 3)], lambda clients: clients[1]),
    "one of the peer that has the most": (
        [client("a", UNHEARD, 0), client("b", UNHEARD, 4), client("b", UNHEARD, 5)],
        lambda clients: clients[1],
    ),
    "one of a flood that has just come before those of others that send and take": (
        [
            client("a", SENDING, 4),
            client("b", UNHEARD, NOW),
            client("b", UNHEARD, NOW - 0.1),
            client("c", TAKING, 3),
            client("d", IDLE, 2),
        ],
        lambda clients: clients[2],
    ),
    "not one that has just come where all are of one peer, as behind a proxy": (
        [client("a", UNHEARD, NOW), client("a", IDLE, 4), client("a", SENDING, 3)],
        lambda clients: clients[1],
    ),
    "not one that has just come": ([client("a", UNHEARD, NOW), client("b", SENDING, 4)], lambda clients: clients[1]),
    "one that does not take its answer before nobody": (
        [client("a", ASKING, 0), client("a", TAKING, 2), client("a", TAKING, 1)],
        lambda clients: clients[2],
    ),
    "one that still sends before one that takes its answer": (
        [client("a", TAKING, 0), client("a", SENDING, 5)],
        lambda clients: clients[1],
    ),
    "never one that waits for its answer": ([client("a", ASKING, 0)], lambda _: None),
    "nobody": ([], lambda _: None),
}


@pytest.mark.parametrize("choice", CHOICES)
def test_who_makes_room(choice: str) -> None:
    clients, expected = CHOICES[choice]
    assert to_close(clients, NOW) is expected(clients)


def test_a_flood_of_one_peer_leaves_room_for_another(server: PackageServer) -> None:
    """All of them have just come; who has the most of them loses one."""
    with ExitStack() as stack:
        other = stack.enter_context(Wire(server.port, source="127.0.0.2"))
        for _ in range(CONNECTIONS + 200):
            stack.enter_context(Wire(server.port))
        other.send(HEALTH)
        assert other.answer().status == 200
