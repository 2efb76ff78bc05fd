"""A small server that speaks the part of Ollama's HTTP API that agents use: chat (streamed or whole), list of models.

It answers with words of its own and counts tokens by words. What it was asked is kept for the test to look at.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CREATED_AT = "2025-01-01T00:00:00.000000Z"


@dataclass
class Ollama:
    """A running server: where it is, what it knows, what it was asked."""

    url: str = ""
    models: Sequence[str] = ("llama3.2", "qwen3:0.6b")
    pause_s: float = 0.0
    """between two words of a streamed answer"""
    requests: list[dict[str, Any]] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def answer(self, request: dict[str, Any]) -> list[str]:
        """The words of the answer to the last message."""
        question = request["messages"][-1]["content"] if request.get("messages") else ""
        return f"You asked: {question} My answer is 42.".split(" ")

    def knows(self, model: str) -> bool:
        """As Ollama does, `name` means `name:latest`."""
        return model in self.models or model.removesuffix(":latest") in self.models


@contextmanager
def running_ollama(port: int = 0, **changes: Any) -> Iterator[Ollama]:
    """Serves on that port of loopback, or a free one, until the block ends."""
    ollama = Ollama(**changes)

    class Handler(_Handler):
        served = ollama

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="ollama")
    thread.start()
    ollama.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield ollama
    finally:
        ollama.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10  # seconds a kept connection may be idle: nobody waits for it at the end
    served: Ollama

    def do_GET(self) -> None:
        if self.path == "/api/tags":
            self._whole({"models": [{"name": name, "model": name, "size": 1} for name in self.served.models]})
        elif self.path == "/api/version":
            self._whole({"version": "0.12.0"})
        elif self.path == "/":
            self._whole({"status": "Ollama is running"})
        else:
            self._whole({"error": "404 page not found"}, HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            request = json.loads(body)
            model = str(request["model"])
        except (ValueError, KeyError, TypeError):
            self._whole({"error": "missing request body"}, HTTPStatus.BAD_REQUEST)
            return
        self.served.requests.append(request)
        if self.path != "/api/chat":
            self._whole({"error": "404 page not found"}, HTTPStatus.NOT_FOUND)
        elif not self.served.knows(model):
            self._whole({"error": f"model '{model}' not found"}, HTTPStatus.NOT_FOUND)
        elif request.get("stream", True):
            self._stream(request)
        else:
            words = self.served.answer(request)
            self._whole({**_part(model, " ".join(words)), **_end(request, words)})

    def _stream(self, request: dict[str, Any]) -> None:
        words = self.served.answer(request)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for number, word in enumerate(words):
                self._chunk(_part(request["model"], word if number == 0 else f" {word}"))
                if self.served.stopping.wait(self.served.pause_s):
                    return
            self._chunk({**_part(request["model"], ""), **_end(request, words)})
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # an agent may leave in the middle

    def _chunk(self, value: dict[str, Any]) -> None:
        line = json.dumps(value).encode() + b"\n"
        self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        self.wfile.flush()

    def _whole(self, value: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass


def _part(model: str, text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {"model": model, "created_at": CREATED_AT, "message": message, "done": False}


def _end(request: dict[str, Any], words: Sequence[str]) -> dict[str, Any]:
    asked = sum(len(str(message.get("content", "")).split()) for message in request.get("messages", ()))
    durations = {"total_duration": 5_000_000, "load_duration": 1_000_000, "eval_duration": 3_000_000}
    return {"done": True, "done_reason": "stop", "prompt_eval_count": asked, "eval_count": len(words), **durations}
