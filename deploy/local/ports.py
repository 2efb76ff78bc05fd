"""Ports of local mode: fixed numbers of its own on loopback, the next free one where one is taken.

What was chosen is remembered in the data folder, so that an address printed yesterday is right today.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

LOOPBACK = "127.0.0.1"
FILE = "ports.json"
TRIES = 200


class NoFreePort(Exception):
    """No port near the wanted one is free."""


@contextmanager
def reserved(folder: Path, wanted: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """One free port per name: the one used last, else the wanted one, else the next free one after it.

    Until the context ends no other local mode on this machine takes them, even before a server listens there.
    Raises NoFreePort.
    """
    memory = folder / FILE
    last = _remembered(memory)
    chosen: dict[str, int] = {}
    with ExitStack() as claims:
        for name, default in wanted.items():
            for port in (last.get(name, default), *range(default, default + TRIES)):
                if is_free(port) and (claim := _claim(port)):
                    claims.enter_context(claim)
                    chosen[name] = port
                    break
            else:
                raise NoFreePort(f"none of the ports {default} to {default + TRIES - 1} is free for {name}")
        memory.write_text(json.dumps(last | chosen, indent=2) + "\n", "utf-8")
        yield chosen


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT is no hindrance
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _claim(port: int) -> socket.socket | None:
    """A name that the kernel gives to one process at a time and takes back when it ends, however it ends.

    Between looking for a free port and a server's listening there, a second local mode would find it free as well.
    """
    claim = socket.socket(socket.AF_UNIX)
    try:
        if sys.platform == "linux":
            claim.bind(f"\0assay-port-{port}")  # the abstract namespace: no file (unix(7))
    except OSError:
        claim.close()
        return None
    return claim


def _remembered(memory: Path) -> dict[str, int]:
    try:
        read = json.loads(memory.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in read.items() if isinstance(v, int)} if isinstance(read, dict) else {}
