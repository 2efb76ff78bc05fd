"""Agents that wait until the test lets them go on: what is to be seen while they run is there as long as it takes."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator


class Gate:
    """A place where agents wait, on a port of this machine that tests must be allowed to reach (`settings`)."""

    def __init__(self, port: int = 0) -> None:
        self._listening = socket.create_server(("127.0.0.1", port), backlog=64)
        self._listening.setblocking(False)
        self.port: int = self._listening.getsockname()[1]

    @property
    def settings(self) -> dict[str, str]:
        """What Assay is started with for agents to come here."""
        return {"ASSAY_PROCESS_EGRESS_ALLOW": f"127.0.0.1:{self.port}"}

    def agent(self, before: str, after: str = "return query") -> str:
        """Code of an agent that does `before`, waits, and does `after`: lines of `run(query)`."""
        return (
            "import socket\n\n"
            "def held():\n"
            "    try:\n"
            f'        socket.create_connection(("127.0.0.1", {self.port})).recv(1)\n'
            "    except OSError:\n"
            "        pass  # it is open\n\n"
            "def run(query):\n"
            f"    {before}\n"
            "    held()\n"
            f"    {after}\n"
        )

    def counting(self, every_s: float = 0.2) -> str:
        """Code of an agent that says "number 1", "number 2" … until the gate opens, and answers with the last one."""
        return (
            "import socket\n\n"
            "def run(query):\n"
            f'    gate = socket.create_connection(("127.0.0.1", {self.port}))\n'
            f"    gate.settimeout({every_s})\n"
            "    number = 0\n"
            "    while True:\n"
            "        number += 1\n"
            '        print("number", number, flush=True)\n'
            "        try:\n"
            "            gate.recv(1)\n"
            "            return number\n"
            "        except TimeoutError:\n"
            "            pass\n"
            "        except OSError:\n"
            "            return number\n"
        )

    def open(self) -> None:
        """Lets go on who waits here and who comes later."""
        with contextlib.suppress(OSError):  # nobody waits any more, or it is open
            while True:
                self._listening.accept()[0].close()
        self._listening.close()


@contextlib.contextmanager
def gate(port: int = 0) -> Iterator[Gate]:
    """Open at the end in any case, so that no agent stays."""
    made = Gate(port)
    try:
        yield made
    finally:
        made.open()
