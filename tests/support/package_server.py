"""The server of a package as a plain process, and somebody who asks it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

START_S = 30.0


class Reply(NamedTuple):
    """What came back."""

    status: int
    body: Any
    headers: Mapping[str, str]


class PackageServer:
    """A running server.py."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self._log = log

    @property
    def said(self) -> str:
        """Its log so far."""
        return self._log.read_text("utf-8", errors="replace")

    def ask(self, query: object, *, timeout: float = 30) -> Reply:
        return self.send("POST", "/query", json.dumps({"query": query}).encode(), timeout=timeout)

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: float = 30,
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Reply(answer.status, json.loads(answer.read()), dict(answer.headers))
        finally:
            connection.close()

    def end(self) -> int:
        """SIGTERM, and its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextmanager
def serving(folder: Path, *, python: str = sys.executable, ready: bool = True, **env: str) -> Iterator[PackageServer]:
    """The package in `folder` at work, with these variables beside the usual ones."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder.parent / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [python, str(folder / "server.py")],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "PORT": str(port), "HOST": "127.0.0.1", **env},
        )
    server = PackageServer(process, port, log)
    try:
        if ready:
            _await(server)
        yield server
    finally:
        process.kill()
        process.wait()


def _await(server: PackageServer) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            if server.send("GET", "/healthz").status == 200:
                return
        except OSError:
            pass
        assert server.process.poll() is None, server.said
        assert time.monotonic() < deadline, server.said
        time.sleep(0.02)
