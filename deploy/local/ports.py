"""Ports of local mode: fixed numbers of its own on loopback, the next free one where one is taken.

What was chosen is remembered in the data folder, so that an address printed yesterday is right today.
"""

import json
import socket
from collections.abc import Mapping
from pathlib import Path

LOOPBACK = "127.0.0.1"
TRIES = 200


class NoFreePort(Exception):
    """No port near the wanted one is free."""


def choose(folder: Path, wanted: Mapping[str, int]) -> dict[str, int]:
    """One free port per name: the one used last, else the wanted one, else the next free one after it."""
    memory = folder / "ports.json"
    last = _remembered(memory)
    chosen: dict[str, int] = {}
    for name, default in wanted.items():
        taken = set(chosen.values())
        candidates = (last.get(name, default), *range(default, default + TRIES))
        port = next((p for p in candidates if p not in taken and is_free(p)), None)
        if port is None:
            raise NoFreePort(f"none of the ports {default} to {default + TRIES - 1} is free for {name}")
        chosen[name] = port
    memory.write_text(json.dumps(last | chosen, indent=2) + "\n", "utf-8")
    return chosen


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT is no hindrance
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _remembered(memory: Path) -> dict[str, int]:
    try:
        read = json.loads(memory.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in read.items() if isinstance(v, int)} if isinstance(read, dict) else {}
