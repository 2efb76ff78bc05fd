"""A network beside this machine, for tests of what a sandbox reaches: addresses that exist nowhere else, in a network
namespace of their own, with a server on each that says which address it was asked at.

Needs root. The host gets one link and its routes for as long as the test runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PUBLIC = "198.51.100.2"  # RFC 5737: for documentation, so nobody's
PRIVATE = "10.234.56.2"
LINK_LOCAL = "169.254.77.2"
PORT = 8000
OTHER_PORT = 8001
_SERVER = f"""
import socket, sys, threading
def serve(server):
    while True:
        connection, _ = server.accept()
        connection.sendall(connection.getsockname()[0].encode())
        connection.close()
for port in ({PORT}, {OTHER_PORT}):
    server = socket.create_server(("0.0.0.0", port))
    threading.Thread(target=serve, args=(server,), daemon=True).start()
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", {PORT}))
def answer():
    while True:
        _, peer = udp.recvfrom(100)
        udp.sendto(b"udp", peer)
threading.Thread(target=answer, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class SideNetwork:
    """What is there."""

    host_address: str
    """of this machine in it: public, as far as anybody can tell"""


@contextlib.contextmanager
def side_network() -> Iterator[SideNetwork]:
    """Raises PermissionError where links cannot be made."""
    if os.geteuid() != 0:
        raise PermissionError("a network beside this machine needs root")
    with (Path(tempfile.gettempdir()) / "assay-side-network.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the addresses are there once, and tests run beside one another
        yield from _while_it_is_there()


def _while_it_is_there() -> Iterator[SideNetwork]:
    server = subprocess.Popen(
        ["unshare", "--net", sys.executable, "-S", "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdin is not None
    assert server.stdout is not None
    link = f"as{server.pid % 1_000_000}"
    try:
        assert server.stdout.readline() == b"ready\n"
        _ip("link", "add", link, "type", "veth", "peer", "name", "side0", "netns", str(server.pid))
        inside = ["nsenter", "--net", f"--target={server.pid}", "ip"]
        for line in (
            "link set lo up",
            *(f"address add {address}/32 dev side0" for address in (PUBLIC, PRIVATE, LINK_LOCAL)),
            "link set side0 up",
            "route add 198.51.100.1/32 dev side0",
            "route add default via 198.51.100.1 dev side0",
        ):
            subprocess.run([*inside, *line.split()], check=True)
        _ip("address", "add", "198.51.100.1/32", "dev", link)
        _ip("link", "set", link, "up")
        for address in (PUBLIC, PRIVATE, LINK_LOCAL):
            _ip("route", "add", f"{address}/32", "dev", link, "src", "198.51.100.1")
        yield SideNetwork("198.51.100.1")
    finally:
        server.stdin.close()
        server.wait()
        server.stdout.close()
        subprocess.run(["ip", "link", "delete", link], check=False, stderr=subprocess.DEVNULL)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
