"""Somebody who speaks to an HTTP server in bytes of their own choosing."""

from __future__ import annotations

import json
import socket
from typing import Any, NamedTuple, Self


class Answer(NamedTuple):
    """One answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The name of the error."""
        said: Any = json.loads(self.body)
        return str(said["error"]["code"])


class Wire:
    """A connection. `timeout` in seconds is for each read."""

    def __init__(self, port: int, *, timeout: float = 20, source: str = "") -> None:
        self._socket = socket.create_connection(
            ("127.0.0.1", port), timeout=timeout, source_address=(source, 0) if source else None
        )
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def half_close(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def answer(self) -> Answer:
        """The next one. Raises EOFError where the connection ends before it."""
        while b"\r\n\r\n" not in self._received:
            self._more()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        status = int(first.split(" ")[1])
        length = 0 if status == 100 else int(headers["content-length"])
        while len(self._received) < length:
            self._more()
        body, self._received = self._received[:length], self._received[length:]
        return Answer(status, headers, body)

    @property
    def socket(self) -> socket.socket:
        return self._socket

    def ended(self) -> bool:
        """Waits for the end: True where it comes with nothing before it."""
        try:
            return self._received == b"" and self._socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _more(self) -> None:
        piece = self._socket.recv(65536)
        if not piece:
            raise EOFError
        self._received += piece


def request(line: str, *headers: str, body: bytes = b"", host: str = "Host: x") -> bytes:
    """A request as it should be, but for what is given."""
    lines = [line, *([host] if host else []), *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def query(text: str = "hi", *headers: str) -> bytes:
    body = json.dumps({"query": text}).encode()
    return request("POST /query HTTP/1.1", f"Content-Length: {len(body)}", *headers, body=body)
