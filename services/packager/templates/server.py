"""Answers queries over HTTP with the agent in agent.py. Needs Python 3.9 or later and nothing else.

    POST /query    {"query": "..."}  ->  {"response": ...}
    GET  /healthz  200 while it can answer, else 503

One process serves HTTP and never loads the agent; the agent lives in worker processes, each of which answers one query
at a time. So a query that takes too long is ended for certain, and a worker that crashes costs one answer and not the
service. What is called in agent.py follows the rules of the test that this package was made of.

Settings are environment variables (README.md), with defaults in agent.json.
"""

# Made from services/packager/server_src/ by deploy/setup/join.py: edit there.

from __future__ import annotations

import hmac
import json
import os
import queue
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Future, Server, StreamReader, StreamWriter
    from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
    from types import CodeType, ModuleType
    from typing import Any, NoReturn


# --- Settings of the server


HERE = os.path.dirname(os.path.abspath(__file__))


class Settings:
    """From the environment, else from agent.json."""

    def __init__(self) -> None:
        with open(os.path.join(HERE, "agent.json"), encoding="utf-8") as file:
            given = json.load(file)
        self.entrypoint: str = given["entrypoint"]
        self.agent_path: str = given["agent_path"]
        """Where the agent's file lies in the folder `project`; empty where agent.py is all there is."""
        self.environment: dict[str, str] = given["environment"]
        self.needed: list[str] = given["needed"]
        self.port = int(os.environ.get("PORT") or given["port"])
        self.host = os.environ.get("HOST") or "0.0.0.0"
        self.workers = int(os.environ.get("WORKERS") or given["workers"])
        self.timeout_s = float(os.environ.get("TIMEOUT_S") or given["timeout_s"])
        self.keep_s = max(60, self.timeout_s + 10) + 15  # an idle connection; longer than a load balancer does
        self.wait_s = float(os.environ.get("WAIT_S") or 10)  # for a free worker, before "busy"
        self.grace_s = float(os.environ.get("STOP_GRACE_S") or 25)  # for running queries, after SIGTERM
        self.read_s = float(os.environ.get("READ_TIMEOUT_S") or 15)  # for a request's head, and then for its body
        self.query_bytes = int(os.environ.get("MAX_QUERY_BYTES") or 1 << 20)
        self.response_bytes = int(os.environ.get("MAX_RESPONSE_BYTES") or 1 << 20)
        self.token = os.environ.get("API_TOKEN") or ""


# --- What the server says: lines of its log, and errors to a client


def say(level: str, text: str) -> None:
    print(f"{level}: {text}", file=sys.stderr, flush=True)


def problem(code: str, message: str) -> dict[str, dict[str, str]]:
    return {"error": {"code": code, "message": message}}


# --- JSON: the C scanner and encoder without the json package, which imports re


class NotJson(Exception):
    """A value that JSON has no form for."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _refuse_object(value: object) -> NoReturn:
    raise TypeError(f"{type(value).__name__} is not JSON")


class _ScannerSettings:
    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_refuse_constant)


try:
    import _json

    quote: Callable[[str], str] = _json.encode_basestring
    _scan = _json.make_scanner(_ScannerSettings())  # type: ignore[arg-type]
    _encode = _json.make_encoder(None, _refuse_object, quote, None, ":", ",", False, False, False)

    def from_json(text: str) -> Any:
        text = text.strip(" \t\r\n")
        try:
            value, end = _scan(text, 0)
            if end == len(text):
                return value
        except (StopIteration, SystemError):  # the C code wants the json package to raise its errors
            pass
        import json

        return json.loads(text, parse_constant=_refuse_constant)  # slow, and says what is wrong

    def to_json(value: Any) -> str:
        return "".join(_encode(value, 0))

except Exception:  # another interpreter than CPython, or one whose private parts have moved
    import json

    def quote(text: str) -> str:
        return json.dumps(text, ensure_ascii=False)

    def from_json(text: str) -> Any:
        return json.loads(text, parse_constant=_refuse_constant)

    def to_json(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


# --- Worker processes, seen from the server


OUTPUT_FOLDER = "/work/out"


class Worker:
    """One process with the agent loaded in it. Used by one thread at a time."""

    def __init__(self, settings: Settings) -> None:
        env = dict(os.environ)
        env.update((name, value) for name, value in settings.environment.items() if not env.get(name))
        env.pop("API_TOKEN", None)
        # As in the test: `python` and what the requirements bring along are found by their names.
        env["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), env.get("PATH", os.defpath)])
        self._folder = work_folder(settings)
        env.update(ASSAY_INPUT_DIR=f"{self._folder}/in", ASSAY_OUTPUT_DIR=f"{self._folder}/out")
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "server.py"), "--worker", str(requests), str(answers)],
            stdin=subprocess.DEVNULL,
            cwd=self._folder,
            env=env,
            pass_fds=(requests, answers),
            start_new_session=True,
        )
        os.close(requests)
        os.close(answers)

    def ask(self, message: dict[str, str | None], seconds: float) -> dict[str, Any]:
        """Its answer to a message. Raises TimeoutError, EOFError."""
        try:
            data = json.dumps(message).encode() + b"\n"
            while data:
                data = data[os.write(self._requests, data) :]
        except BrokenPipeError:
            raise EOFError from None
        return self.hear(seconds)

    def hear(self, seconds: float) -> dict[str, Any]:
        """The next message from it. Raises TimeoutError, EOFError."""
        until = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        heard = b""
        while not heard.endswith(b"\n"):
            left = until - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000 + 1):
                raise TimeoutError
            piece = os.read(self._answers, 65536)
            if not piece:
                raise EOFError
            heard += piece
        try:
            message: dict[str, Any] = json.loads(heard)
        except ValueError:  # the agent has found our pipe
            raise EOFError from None
        return message

    def end(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        os.close(self._requests)
        os.close(self._answers)
        shutil.rmtree(self._folder, ignore_errors=True)


def work_folder(settings: Settings) -> str:
    """A folder for one worker, with the agent's files in it, as in the test: an agent may write where it is."""
    folder = tempfile.mkdtemp(prefix="agent-")
    if settings.agent_path:
        shutil.copytree(os.path.join(HERE, "project"), folder, dirs_exist_ok=True)
    else:
        shutil.copy(os.path.join(HERE, "agent.py"), folder)
    inputs = os.path.join(HERE, "inputs")
    if os.path.isdir(inputs):
        os.symlink(inputs, os.path.join(folder, "in"))
    else:
        os.mkdir(os.path.join(folder, "in"))
    os.mkdir(os.path.join(folder, "out"))
    if os.path.islink(OUTPUT_FOLDER):  # of our image
        os.makedirs(os.path.realpath(OUTPUT_FOLDER), exist_ok=True)
    return folder


# --- All workers, and which of them answers a query


STATUS = {"TIMED_OUT": 504, "AGENT_EXITED": 502}  # everything else that an agent does wrong is a 500


class Pool:
    """The workers. One that is lost is replaced; `alive` says how many have the agent loaded."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.alive = 0
        self.ending = False
        self._idle: queue.LifoQueue[Worker] = queue.LifoQueue()  # the one that answered last is warm
        self._workers: set[Worker] = set()
        self._asked = 0  # queries that have no reply yet
        self._changed = threading.Condition()

    def start(self) -> None:
        """Returns when the first worker is ready. Raises RuntimeError where the agent cannot be loaded."""
        self._add()
        for _ in range(self.settings.workers - 1):
            self._replace()

    def begin(self) -> bool:
        """Before a query; False when there are no more answers. Each `begin` has its `finish`."""
        with self._changed:
            self._asked += not self.ending
            return not self.ending

    def finish(self) -> None:
        with self._changed:
            self._asked -= 1
            self._changed.notify_all()

    def drain(self, seconds: float) -> None:
        """Waits for the queries that have begun, then ends all workers."""
        with self._changed:
            self.ending = True
            if not self._changed.wait_for(lambda: self._asked == 0, seconds):
                say("WARNING", f"ending with {self._asked} queries unanswered")
            workers, self._workers = self._workers, set()
        for worker in workers:
            worker.end()

    def answer(self, query: str | None) -> tuple[int, dict[str, Any]]:
        """The status and the body of the reply."""
        until = time.monotonic() + self.settings.wait_s
        while True:
            try:
                worker = self._idle.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return 503, problem("BUSY", "All workers are busy; ask again.")
            if worker.process.poll() is None:
                break
            self._lose(worker)  # it ended while nobody asked it
        try:
            answer = worker.ask({"query": query}, self.settings.timeout_s)
        except TimeoutError:
            answer = problem("TIMED_OUT", f"The agent did not answer within {self.settings.timeout_s:g} s.")
        except EOFError:
            answer = problem("AGENT_EXITED", "The agent's process ended without an answer.")
        code = answer.get("error", {}).get("code")
        if code in STATUS:
            self._lose(worker)
        else:
            self._idle.put(worker)
        return (STATUS.get(code, 500) if code else 200), answer

    def _add(self) -> None:
        worker = Worker(self.settings)
        with self._changed:
            self._workers.add(worker)
        try:
            ready = worker.hear(self.settings.timeout_s)
        except TimeoutError:
            ready = problem("TIMED_OUT", "it was not loaded in time")
        except EOFError:
            ready = problem("AGENT_EXITED", "its process ended")
        if "error" in ready:
            self._forget(worker)
            raise RuntimeError(ready["error"]["message"])
        with self._changed:
            self.alive += 1
        self._idle.put(worker)

    def _lose(self, worker: Worker) -> None:
        with self._changed:
            self.alive -= 1
        self._forget(worker)
        self._replace()

    def _forget(self, worker: Worker) -> None:
        with self._changed:
            ours = worker in self._workers  # else `drain` has it
            self._workers.discard(worker)
        if ours:
            worker.end()

    def _replace(self) -> None:
        def bring() -> None:
            pause = 0.5
            while not self.ending:
                try:
                    self._add()
                except RuntimeError as error:
                    say("ERROR", f"a worker cannot load the agent: {error}")
                    time.sleep(pause)
                    pause = min(pause * 2, 30)
                else:
                    return

        threading.Thread(target=bring, daemon=True).start()


# --- Which clients stay when there are too many: so many that keep quiet never keep out one that asks


CONNECTIONS = 512
QUERIES = 128  # at once, those that wait for a worker included; each costs a thread
BODY_BYTES = 64 << 20  # of all queries that are being sent
ANSWER_BYTES = 64 << 20  # of all answers that their clients have not taken yet
WRITE_S = 30.0  # for a client to take its answer
LINGER_S = 2.0  # for what a refused client still sends: else it may not get to see why
YOUNG_S = 1.0

UNHEARD, IDLE, SENDING, TAKING, ASKING = range(5)
"""What a client does: has not asked anything yet, asks nothing more for now, sends its query, takes its answer, waits
for it."""


class Client:
    """One connection, as far as the choice goes."""

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.since = time.monotonic()
        self.does = UNHEARD

    def close(self) -> None:
        """Ends the connection at once."""


class Crowd:
    """All connections, and the bytes that lie about for them."""

    def __init__(self, most: int, most_answer_bytes: int) -> None:
        self.query_bytes = 0  # of queries that are being sent
        self.answer_bytes = 0  # of answers that are on their way
        self._most = most
        self._most_answer_bytes = most_answer_bytes
        self._clients: set[Client] = set()

    def let_in(self, client: Client) -> bool:
        """Whether there is a place for it. Where there is none, somebody else has to leave."""
        if len(self._clients) >= self._most and not self._close(self._clients):
            return False
        self._clients.add(client)
        return True

    def let_go(self, client: Client) -> None:
        """It has left."""
        self._clients.discard(client)

    def bound_answers(self, newest: Client) -> None:
        """Where answers lie about that nobody takes, another one's makes room for the newest."""
        if self.answer_bytes > self._most_answer_bytes:
            self._close([client for client in self._clients if client.does == TAKING and client is not newest])

    def _close(self, some: Iterable[Client]) -> bool:
        leaving = to_close(some, time.monotonic())
        if leaving is None:
            return False
        self._clients.discard(leaving)
        leaving.close()
        return True


def to_close(clients: Iterable[Client], now: float) -> Client | None:
    """Who makes room for one more: who has asked nothing for a second; else one of the peer that has the most, so that
    a flood costs its own. Of them not one that has just come, the quietest, the oldest. None while all wait for their
    answers."""
    others = [client for client in clients if client.does != ASKING]
    held: dict[str, int] = {}
    for client in others:
        held[client.peer] = held.get(client.peer, 0) + 1
    if not others:
        return None

    def stays(client: Client) -> tuple[bool, int, bool, int, float]:
        young = now - client.since < YOUNG_S
        return client.does != UNHEARD or young, -held[client.peer], young, client.does, client.since

    return min(others, key=stays)


def most_connections() -> int:
    """As many as the open files of this process allow, beside those of the workers."""
    import resource

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return CONNECTIONS if files == resource.RLIM_INFINITY else max(16, min(CONNECTIONS, files // 2))


# --- HTTP/1.1 as strictly as its rules allow: where a request ends is never a guess


HEAD_BYTES = 16 * 1024  # of a request line and all headers together
HEADERS = 100
LENGTH_DIGITS = 12

REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([!-~]+) HTTP/([0-9])\.([0-9])")
HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([^\x00-\x08\x0a-\x1f\x7f]*)")
# RFC 9112, 2.2: a line ends with CR LF. Others take a bare LF, too, and so disagree on where a request ends.
NOT_IN_HEAD = re.compile(rb"(?<!\r)\n|\r[^\n]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")
ONCE = frozenset({b"authorization", b"content-length", b"content-type", b"expect", b"host", b"transfer-encoding"})


class Refused(Exception):
    """A request that is answered with an error, after which its connection ends: where it ends is not known, or its
    body is not read."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Request:
    """The head of a request. `length`: bytes of its body; None where it says nothing of one."""

    def __init__(self, method: str, target: str, minor: int, headers: dict[bytes, bytes], length: int | None) -> None:
        self.method, self.path, self.minor = method, target.partition("?")[0], minor
        self.headers, self.length = headers, length

    @property
    def last(self) -> bool:
        """Whether its connection ends with it."""
        options = self.headers.get(b"connection", b"").lower().replace(b" ", b"").split(b",")
        return self.minor == 0 or b"close" in options

    @property
    def foreign_page(self) -> bool:
        """Whether a browser says that a page of somebody else's asks, in the name of whoever looks at it. To servers
        without TLS on other machines it says only where the page is from."""
        site = self.headers.get(b"sec-fetch-site")
        if site is not None:
            return site not in (b"none", b"same-origin")
        origin = self.headers.get(b"origin")
        return origin is not None and origin.partition(b"://")[2] != self.headers.get(b"host")

    @property
    def waits(self) -> bool:
        """Whether its body comes once it is asked for."""
        return self.minor > 0 and b"expect" in self.headers


def end_of_head(received: bytes | bytearray) -> int | None:
    """Where the body begins, or None while there is more to come. Raises Refused as soon as none can come of it."""
    end = received.find(b"\r\n\r\n", 0, HEAD_BYTES + 4)
    if NOT_IN_HEAD.search(received, 0, end if end >= 0 else min(len(received), HEAD_BYTES)):
        raise Refused(400, "MALFORMED_REQUEST", "Send HTTP/1.1, with lines that end in CR LF.")
    if end >= 0:
        return end + 4
    if len(received) > HEAD_BYTES:
        raise Refused(431, "TOO_LARGE", f"A request line and its headers have at most {HEAD_BYTES} bytes.")
    return None


def request_of(head: bytes) -> Request:
    """What a head, without the empty line at its end, says. Raises Refused."""
    first, *lines = head.split(b"\r\n")
    found = REQUEST_LINE.fullmatch(first)
    if not found:
        raise Refused(400, "MALFORMED_REQUEST", "Begin with METHOD, path and HTTP/1.1.")
    major, minor = int(found[3]), int(found[4])
    if major != 1 or minor > 1:
        raise Refused(505, "VERSION_NOT_SUPPORTED", "Send HTTP/1.1.")
    if found[2][:1] != b"/":
        raise Refused(400, "MALFORMED_REQUEST", "Ask for a path that begins with /.")
    headers = _headers(lines)
    if (b"host" not in headers and minor == 1) or not HOST.fullmatch(headers.get(b"host", b"")):
        raise Refused(400, "MALFORMED_REQUEST", "Send one Host header.")
    if headers.get(b"expect", b"100-continue").lower() != b"100-continue":
        raise Refused(417, "EXPECTATION_FAILED", "Only 100-continue can be expected.")
    method = found[1].decode("ascii")
    length = _length(headers)
    if length and method not in ("POST", "PUT", "PATCH"):
        raise Refused(400, "MALFORMED_REQUEST", f"Send {method} without a body.")
    return Request(method, found[2].decode("ascii"), minor, headers, length)


def _headers(lines: list[bytes]) -> dict[bytes, bytes]:
    if len(lines) > HEADERS:
        raise Refused(431, "TOO_LARGE", f"Send at most {HEADERS} headers.")
    headers: dict[bytes, bytes] = {}
    for line in lines:
        found = HEADER.fullmatch(line)
        if not found:  # a space before the colon, or a line that goes on: read in several ways
            raise Refused(400, "MALFORMED_REQUEST", "Send headers as `Name: value`, each on one line.")
        name, value = found[1].lower(), found[2].rstrip(b"\t ")
        if name in headers and name in ONCE:
            raise Refused(400, "MALFORMED_REQUEST", f"Send {name.decode('ascii')} once.")
        headers[name] = headers[name] + b", " + value if name in headers else value
    return headers


def _length(headers: dict[bytes, bytes]) -> int | None:
    text = headers.get(b"content-length")
    if b"transfer-encoding" in headers:
        if text is not None:
            raise Refused(400, "MALFORMED_REQUEST", "Send Content-Length without Transfer-Encoding.")
        raise Refused(411, "LENGTH_REQUIRED", "Send the query with a Content-Length.")
    if text is None:
        return None
    if not text.isdigit():
        raise Refused(411, "LENGTH_REQUIRED", "Send the query with a Content-Length.")
    if len(text) > LENGTH_DIGITS:
        raise Refused(413, "TOO_LARGE", "That is too long for a query.")
    return int(text)


# --- One connection: what comes in, what goes out, and how long each may take. Knows nothing of what is asked


REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    411: "Length Required",
    413: "Content Too Large",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}


class Connection(Client):
    """Requests and answers of one client, strictly in turn."""

    def __init__(self, pool: Pool, crowd: Crowd, reader: StreamReader, writer: StreamWriter) -> None:
        super().__init__(str((writer.get_extra_info("peername") or ("",))[0]))
        self._pool, self._crowd, self._reader, self._writer = pool, crowd, reader, writer
        self._received = bytearray()
        writer.transport.set_write_buffer_limits(high=0)  # so that `drain` waits until all of it is on its way

    def close(self) -> None:
        self._writer.transport.abort()

    def end(self) -> None:
        """What was written is with the kernel by now."""
        self._writer.close()

    async def request(self, wait_s: float) -> Request | None:
        """The next one; None where there is none. It may begin within `wait_s`, and then has a time to be there.
        Raises Refused."""
        read_s = self._pool.settings.read_s
        until = time.monotonic() + (read_s if self._received else wait_s)
        while True:
            end = end_of_head(self._received)
            if end is not None:
                head = bytes(self._received[: end - 4])
                del self._received[:end]
                return request_of(head)
            piece = await self._piece(until)
            if piece is None and self._received:
                raise Refused(408, "TOO_SLOW", f"Send a request within {read_s:g} s.")
            if not piece:
                return None
            if not self._received:
                until = time.monotonic() + read_s
            self._received += piece

    async def body(self, request: Request) -> bytes:
        """What belongs to the request. Raises Refused."""
        length, settings, crowd = request.length or 0, self._pool.settings, self._crowd
        self.does = SENDING
        until = time.monotonic() + settings.read_s
        if request.waits and len(self._received) < length:
            await self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        counted = 0
        try:
            while True:
                crowd.query_bytes += len(self._received) - counted
                counted = len(self._received)
                if counted >= length:
                    body = bytes(self._received[:length])
                    del self._received[:length]
                    return body
                if crowd.query_bytes > max(BODY_BYTES, 2 * settings.query_bytes):
                    raise Refused(503, "BUSY", "Too many queries are being sent; ask again.")
                piece = await self._piece(until)
                if piece is None:
                    raise Refused(408, "TOO_SLOW", f"Send the query within {settings.read_s:g} s.")
                if not piece:
                    raise Refused(400, "INVALID_REQUEST", "The body is shorter than it said.")
                self._received += piece
        finally:
            crowd.query_bytes -= counted

    async def reply(self, status: int, value: object, *, last: bool, allow: str = "", head_only: bool = False) -> None:
        """Raises OSError where the client does not take it in time."""
        data = to_json(value).encode("utf-8", "replace") + b"\n"
        lines = [
            f"HTTP/1.1 {status} {REASONS[status]}",
            "Server: agent",
            f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime())}",
            "Content-Type: application/json",
            "X-Content-Type-Options: nosniff",
            f"Content-Length: {len(data)}",
        ]
        if allow:
            lines.append(f"Allow: {allow}")
        if status == 503:
            lines.append("Retry-After: 1")
        if last or self._pool.ending:
            lines.append("Connection: close")
        head = "\r\n".join([*lines, "", ""]).encode("ascii")
        await self._write(head if head_only else head + data)

    async def linger(self) -> None:
        """Reads on for a moment and throws it away: a connection that is closed with something unread is reset, and the
        client may lose the answer."""
        self._received.clear()
        self._writer.write_eof()
        until = time.monotonic() + LINGER_S
        while await self._piece(until):
            pass

    async def _piece(self, until: float) -> bytes | None:
        """What comes next: nothing at the end, None when there is no more time."""
        piece: bytes | None = await _within(until - time.monotonic(), self._reader.read(1 << 16))
        return piece

    async def _write(self, data: bytes) -> None:
        """Raises OSError where the client does not take it in time."""
        self._writer.write(data)
        left = self._writer.transport.get_write_buffer_size()
        self._crowd.answer_bytes += left
        try:
            self._crowd.bound_answers(self)
            if await _within(WRITE_S, _done(self._writer.drain())) is None:
                raise OSError("the client does not take its answer")
        finally:
            self._crowd.answer_bytes -= left


async def _done(work: Awaitable[None]) -> bool:
    await work
    return True


async def _within(seconds: float, work: Awaitable[Any]) -> Any:
    """Its value, or None where it takes longer."""
    import asyncio

    try:
        return await asyncio.wait_for(work, max(seconds, 0.001))
    except asyncio.TimeoutError:
        return None


# --- HTTP: what may be asked, and what the answer is


ALLOWED = {"/query": "POST", "/healthz": "GET, HEAD"}


class HttpService:
    """All connections. One event loop reads and writes; the pool's workers answer."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.asking = 0
        self._crowd = Crowd(most_connections(), max(ANSWER_BYTES, 2 * pool.settings.response_bytes))

    async def listen(self, host: str, port: int) -> Server:
        import asyncio

        return await asyncio.start_server(self._serve, host, port, limit=HEAD_BYTES, backlog=512)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        connection = Connection(self.pool, self._crowd, reader, writer)
        if not self._crowd.let_in(connection):
            connection.close()
            return
        try:
            await self._converse(connection)
        except OSError:
            pass  # a client that left is nobody's fault
        except Exception as error:
            say("ERROR", f"{type(error).__name__}: {error}")
        finally:
            self._crowd.let_go(connection)
            connection.end()

    async def _converse(self, connection: Connection) -> None:
        import asyncio

        wait_s = self.pool.settings.read_s  # for the first request; then as long as a connection may be idle
        while True:
            try:
                request = await connection.request(wait_s)
                if request is None or await self._answered(connection, request):
                    return
            except Refused as refused:
                await connection.reply(refused.status, problem(refused.code, refused.message), last=True)
                await connection.linger()
                return
            wait_s = self.pool.settings.keep_s
            connection.does, connection.since = IDLE, time.monotonic()
            await asyncio.sleep(0)  # one that sends a thousand requests at once is not served before all others

    async def _answered(self, connection: Connection, request: Request) -> bool:
        """Answers it; True where it was the last one. Raises Refused."""
        checked = self.checked(request)
        if checked is not None:
            last = request.last or bool(request.length)  # with its body unread the connection is of no more use
            allow = ALLOWED[request.path] if checked[0] == 405 else ""
            await connection.reply(*checked, last=last, allow=allow, head_only=request.method == "HEAD")
            if request.length:
                await connection.linger()
            return last
        query = _query(await connection.body(request))
        if not self.pool.begin():
            await connection.reply(503, problem("STOPPING", "The service is stopping; ask again."), last=True)
            return True
        try:
            connection.does = ASKING
            status, value = await self.answer(query)
            connection.does, connection.since = TAKING, time.monotonic()  # it holds no place against others any more
            await connection.reply(status, value, last=request.last)
        finally:
            self.pool.finish()
        return request.last

    def checked(self, request: Request) -> tuple[int, object] | None:
        """The answer to a request that asks the agent nothing; None for a query, whose body may then be read."""
        if request.path == "/healthz" and request.method in ("GET", "HEAD"):
            well = self.pool.alive > 0 and not self.pool.ending
            return (200 if well else 503), {
                "status": "ok" if well else "unavailable",
                "workers": self.pool.alive,
            }
        if request.path not in ALLOWED:
            return 404, problem("NOT_FOUND", "There is POST /query and GET /healthz.")
        if request.path == "/healthz" or request.method != "POST":
            return 405, problem("METHOD_NOT_ALLOWED", "Send a POST." if request.path == "/query" else "Send a GET.")
        token = self.pool.settings.token
        given = request.headers.get(b"authorization", b"")
        if token and not hmac.compare_digest(given, b"Bearer " + token.encode("utf-8", "surrogateescape")):
            return 401, problem("UNAUTHENTICATED", "Send the token: Authorization: Bearer ...")
        if not token and request.foreign_page:
            return 403, problem("FOREIGN_PAGE", "Pages of other sites may ask with an API_TOKEN only.")
        limit = self.pool.settings.query_bytes
        if request.length is None:
            return 411, problem("LENGTH_REQUIRED", "Send the query with a Content-Length.")
        if request.length > limit:
            return 413, problem("TOO_LARGE", f"A query has at most {limit} bytes.")
        return None

    async def answer(self, query: str | None) -> tuple[int, object]:
        """What the agent says. Its worker is waited for in a thread, which the end of the server does not wait for."""
        if self.asking >= QUERIES:
            return 503, problem("BUSY", "All workers are busy; ask again.")
        self.asking += 1
        try:
            started = time.monotonic()
            status, value = await in_thread(lambda: self.pool.answer(query))
            say("INFO" if status == 200 else "WARNING", f"query: {status} after {time.monotonic() - started:.3f} s")
            return status, value
        finally:
            self.asking -= 1


def _query(body: bytes) -> str | None:
    """Raises Refused."""
    try:
        # Numbers are of no interest, and long ones take long to read.
        query = json.loads(body, parse_int=_no_number, parse_float=_no_number)["query"]
        if isinstance(query, (str, type(None))):
            return query
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise Refused(400, "INVALID_REQUEST", 'Send JSON: {"query": "..."}')


def _no_number(_text: str) -> int:
    return 0


async def in_thread(work: Callable[[], Any]) -> Any:
    """The value of `work`, from a thread that does not keep the process alive."""
    import asyncio

    loop = asyncio.get_running_loop()
    done: Future[Any] = loop.create_future()

    def tell(method: Callable[[Any], None], value: object) -> None:
        if not done.done():
            method(value)

    def run() -> None:
        try:
            value = work()
        except BaseException as error:
            outcome: tuple[Any, Any] = (done.set_exception, error)
        else:
            outcome = (done.set_result, value)
        try:
            loop.call_soon_threadsafe(tell, *outcome)
        except RuntimeError:
            pass  # the server has ended meanwhile

    threading.Thread(target=run, daemon=True).start()
    return await done


# --- The server from its start to its end, and the question whether it is well


def serve(settings: Settings) -> int:
    """Until SIGTERM; the exit code."""
    import asyncio

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    empty = [name for name in settings.needed if not os.environ.get(name)]
    if empty:
        say("WARNING", f"not set, although the agent was tested with it: {', '.join(empty)}")
    pool = Pool(settings)
    try:
        pool.start()
    except RuntimeError as error:
        say("CRITICAL", f"the agent cannot be loaded: {error}")
        return 1
    asyncio.run(_answer_until(stop, pool))
    return 0


async def _answer_until(stop: threading.Event, pool: Pool) -> None:
    settings = pool.settings
    server = await HttpService(pool).listen(settings.host, settings.port)
    say("INFO", f"answering on port {server.sockets[0].getsockname()[1]}")
    await in_thread(stop.wait)
    say("INFO", "stopping")
    server.close()
    await in_thread(lambda: pool.drain(settings.grace_s))


def check(settings: Settings) -> int:
    """For HEALTHCHECK: 0 when the server in this container is well."""
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        return int(opener.open(f"http://127.0.0.1:{settings.port}/healthz", timeout=3).status != 200)
    except OSError as error:
        print(error)
        return 1


# --- How types and files are named to a reader


PLAIN_MODULES = {
    "builtins",
    "agent",
    "__main__",
}  # whose types need no other name; the agent's own module comes to them


def type_name(kind: type) -> str:
    name = kind.__qualname__.rpartition("<locals>.")[2]
    name = name if kind.__module__ in PLAIN_MODULES else f"{kind.__module__}.{name}"
    return name[:200]


def families_of(target: object) -> set[str]:
    """The packages that its class and its base classes come from."""
    return {str(base.__module__).partition(".")[0] for base in type(target).__mro__}


def attributes_of(target: object) -> dict[Any, Any]:
    """What an object itself holds, without asking it: a proxy of what is not there yet (`flask.request`) would fail."""
    try:
        found = object.__getattribute__(target, "__dict__")
    except Exception:  # slots, or a class that makes something else of it
        return {}
    return found if type(found) is dict else {}


def file_of(module: ModuleType) -> str:
    """The name of its file, or of itself where it has none."""
    return str(getattr(module, "__file__", None) or f"{module.__name__}.py").rpartition("/")[2]


# --- Which frames of a traceback are ours


def is_our_file(name: object) -> bool:
    """Whether code of this file name is the harness, or the server of a package."""
    return name in OUR_FILES


# As compiled, wherever the files lie now: this one, and the one with what most tests do not need (see rest.py).
OUR_FILES = (is_our_file.__code__.co_filename, f"{is_our_file.__code__.co_filename[:-3]}_rest.py")


# --- The parameters of what is called, as Python itself would fill them


POSITIONAL_ONLY, POSITIONAL_OR_KEYWORD, VAR_POSITIONAL, KEYWORD_ONLY, VAR_KEYWORD = range(5)  # as inspect counts them
TAKES_VAR_POSITIONAL, TAKES_VAR_KEYWORD = 0x04, 0x08  # flags of a code object
MOST_WRAPPED = 50  # decorators around one function
LONGEST_DEFAULT = 40  # characters that a default has in a signature that is shown


class Absent:
    """In the place of a default or an annotation that is not there."""


class Parameter:
    """One parameter."""

    __slots__ = ("annotation", "default", "kind", "name")

    def __init__(self, name: str, kind: int, default: object = Absent, annotation: object = Absent) -> None:
        self.name = name
        self.kind = kind
        self.default = default
        self.annotation = annotation

    def __repr__(self) -> str:
        return f"<parameter {self.name}>"

    @property
    def variadic(self) -> bool:
        return self.kind in (VAR_POSITIONAL, VAR_KEYWORD)

    @property
    def required(self) -> bool:
        return self.default is Absent and not self.variadic

    @property
    def positional(self) -> bool:
        return self.kind in (POSITIONAL_ONLY, POSITIONAL_OR_KEYWORD)


def parameters_of(target: Any) -> list[Parameter] | None:
    """What a call of it may hand over, without what is bound already; None where nobody knows (code in C).

    A decorator that takes anything (`*args, **kwargs`) has the parameters of what it wraps; one with parameters of its
    own has those, whatever it says that it wraps: they are what Python will check.
    """
    if type(target) is BoundMethod and type(target.__func__) is PlainFunction:
        own = _own_parameters(target.__func__)
        if own is not None and own and own[0].positional:
            return own[1:]
        if own is not None and own and own[0].kind == VAR_POSITIONAL:
            return own
    for _ in range(MOST_WRAPPED):
        if type(target) is not PlainFunction:
            break
        own = _own_parameters(target)
        if own is not None:
            return own
        if "__signature__" in target.__dict__:
            break
        target = target.__wrapped__
    return _inspected(target)


PlainFunction: Any = type(parameters_of)
BoundMethod: Any = type(Parameter("x", 0).__repr__)


def _own_parameters(function: Any) -> list[Parameter] | None:
    """None where it says that its signature is that of something else, and takes anything."""
    if "__signature__" in function.__dict__:
        return None
    own = read_parameters(function)
    if "__wrapped__" in function.__dict__ and _takes_anything(own):
        return None
    return own


def _takes_anything(own: Sequence[Parameter]) -> bool:
    """Hands on what it gets, beside options of its own: `(*args, langsmith_extra=None, **kwargs)`."""
    variadic = [one.kind for one in own if one.variadic]
    rest = [one for one in own if not one.variadic]
    return (variadic == [VAR_POSITIONAL, VAR_KEYWORD] and not any(one.positional or one.required for one in rest)) or (
        bool(variadic) and not rest
    )


def read_parameters(function: Any) -> list[Parameter]:
    """Of a plain function, as `inspect.signature(function, follow_wrapped=False)` has them."""
    code, annotations = function.__code__, function.__annotations__
    names = code.co_varnames
    count, only = code.co_argcount, code.co_posonlyargcount
    defaults = function.__defaults__ or ()
    first_default = count - len(defaults)
    found = []
    for index, name in enumerate(names[:count]):
        default = defaults[index - first_default] if index >= first_default else Absent
        kind = POSITIONAL_ONLY if index < only else POSITIONAL_OR_KEYWORD
        found.append(Parameter(name, kind, default, annotations.get(name, Absent)))
    last = count + code.co_kwonlyargcount
    if code.co_flags & TAKES_VAR_POSITIONAL:
        found.append(Parameter(names[last], VAR_POSITIONAL, Absent, annotations.get(names[last], Absent)))
    keyword_defaults = function.__kwdefaults__ or {}
    for name in names[count:last]:
        default = keyword_defaults.get(name, Absent)
        found.append(Parameter(name, KEYWORD_ONLY, default, annotations.get(name, Absent)))
    if code.co_flags & TAKES_VAR_KEYWORD:
        name = names[last + bool(code.co_flags & TAKES_VAR_POSITIONAL)]
        found.append(Parameter(name, VAR_KEYWORD, Absent, annotations.get(name, Absent)))
    return found


def _inspected(target: Any) -> list[Parameter] | None:
    import inspect

    try:
        signature = inspect.signature(target)
    except Exception:  # nobody knows, or an object of the agent does anything when asked
        return None
    empty = inspect.Parameter.empty
    return [
        Parameter(
            one.name,
            int(one.kind),
            Absent if one.default is empty else one.default,
            Absent if one.annotation is empty else one.annotation,
        )
        for one in signature.parameters.values()
    ]


def shown_signature(parameters: Sequence[Parameter] | None) -> str:
    """As Python writes it, without annotations: `(query, *, depth=2)`. Empty where it is not known."""
    if parameters is None:
        return ""
    parts: list[str] = []
    star = False
    for index, one in enumerate(parameters):
        before = parameters[index - 1].kind if index else None
        if before == POSITIONAL_ONLY != one.kind:
            parts.append("/")
        star |= one.kind == VAR_POSITIONAL
        if one.kind == KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        prefix = {VAR_POSITIONAL: "*", VAR_KEYWORD: "**"}.get(one.kind, "")
        parts.append(f"{prefix}{one.name}{'' if one.default is Absent else '=' + _shown_default(one.default)}")
    if parameters and parameters[-1].kind == POSITIONAL_ONLY:
        parts.append("/")
    return f"({', '.join(parts)})"


def _shown_default(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # an object of the agent may do anything when asked
        return "..."
    return text if len(text) <= LONGEST_DEFAULT and "\n" not in text else "..."


# --- What agents call their parameter for what they are asked


# What agents call the parameter for what they are asked; the first of them that is there gets it.
QUERY_NAMES = (
    *("query", "question", "user_query", "user_question", "query_text", "question_text", "input_query", "search_query"),
    *("prompt", "user_prompt", "input_prompt", "prompt_text", "message", "user_message", "user_msg", "msg"),
    *("messages", "input_messages", "input", "user_input", "human_input", "input_text", "input_str", "user_text"),
    *("inputs", "input_data", "task", "task_description", "text", "topic", "payload", "event", "request"),
    *("user_request", "body", "problem", "objective", "goal", "instruction", "instructions", "data", "state"),
    *("content", "q", "utterance", "str_or_query_bundle"),
)
HANDLER_NAMES = ("payload", "event")  # of AgentCore and of Lambda: an object whatever the query is
MESSAGES_NAMES = ("messages", "input_messages")
OBJECT_NAMES = ("inputs", "input_data", "request", "body", "data", "state")  # the object, where the query is one


def plain_name(name: str) -> str:
    return name.strip("_").lower()


# --- Models, dataclasses and messages of the agent's own, made of the query


class NotThatType(Exception):
    """The query is no value of the type; the message says what it should be, as in "text like `true`"."""


def json_object(query: str) -> dict[str, Any] | None:
    value = json_value(query)
    return value if isinstance(value, dict) else None


def json_value(query: str) -> Any:
    """None, too, where it is no JSON."""
    if query.lstrip()[:1] not in '{[tfn-0123456789"':
        return None
    try:
        return from_json(query)
    except (ValueError, RecursionError):
        return None


def resolved(annotation: str, scope: Any) -> object:
    """What a late annotation stands for; Absent where its names are not there (imported for type checkers only)."""
    try:
        return eval(annotation, dict(scope))  # the agent's own words, in the agent's own process
    except Exception:
        return Absent


def stripped(annotation: Any) -> Any:
    """Without what says nothing about the value: Annotated, Any, type variables, Required, the name of a NewType."""
    for _ in range(8):
        if annotation is object or type(annotation).__name__ in ("TypeVar", "ParamSpec"):
            return Absent
        if getattr(annotation, "__module__", None) == "typing" and repr(annotation) == "typing.Any":
            return Absent
        if hasattr(annotation, "__metadata__"):
            annotation = annotation.__origin__
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation
    return Absent


def members_of(annotation: Any) -> list[Any] | None:
    """Of a union, however it is written."""
    if type(annotation).__name__ in ("UnionType", "_UnionGenericAlias", "Union"):
        return list(annotation.__args__)
    return None


def field_for_text(required: list[str], names: list[str]) -> str | None:
    """The field that a text goes to: the only one that is required, or the only one with a usual name."""
    if len(required) == 1:
        return required[0]
    usual = [name for name in names if plain_name(name) in QUERY_NAMES]
    return usual[0] if not required and usual else None


def says_text(annotation: Any) -> bool:
    inner = getattr(annotation, "__forward_arg__", annotation)
    if inner in (str, "str") or stripped(inner) is Absent:
        return True
    return any(stripped(member) is str for member in members_of(inner) or ())


def fields_of(kind: Any) -> dict[str, tuple[bool, Any]] | None:
    """name: (required, annotation) of pydantic models and dataclasses; None for other classes."""
    fields = getattr(kind, "model_fields", None)
    if isinstance(fields, dict) and hasattr(kind, "model_validate"):
        return {name: (field.is_required(), field.annotation) for name, field in fields.items()}
    fields = getattr(kind, "__fields__", None)
    if isinstance(fields, dict) and hasattr(kind, "parse_obj"):
        return {name: (bool(field.required), field.outer_type_) for name, field in fields.items()}
    fields = getattr(kind, "__dataclass_fields__", None)
    if isinstance(fields, dict):
        absent = sys.modules["dataclasses"].MISSING
        return {
            name: (field.default is absent and field.default_factory is absent, field.type)
            for name, field in fields.items()
            if field.init
        }
    return None


def record_value(kind: Any, fields: dict[str, tuple[bool, Any]], query: str) -> tuple[object, str]:
    value = json_object(query)
    if value is not None:
        made = made_of(kind, value)
        if value and _has_taken_nothing(made, fields, value):
            raise NotThatType(f"a JSON object with some of {', '.join(list(fields)[:10])} for {type_name(kind)}")
        return made, f"{kind.__name__}(**json(query))"
    key = field_for_text([name for name, (required, _) in fields.items() if required], list(fields))
    if key is not None and says_text(fields[key][1]):
        return made_of(kind, {key: query}), f"{kind.__name__}({key}=query)"
    names = [name for name, (required, _) in fields.items() if required] or list(fields)
    example = ", ".join(f'"{name}": ...' for name in names[:5])
    raise NotThatType(f"a JSON object for {type_name(kind)}, such as {{{example}}}")


def _has_taken_nothing(made: Any, fields: dict[str, tuple[bool, Any]], value: dict[str, Any]) -> bool:
    """Whether a record of defaults was made, and what it was made of passed over."""
    for name in ("model_fields_set", "__fields_set__"):  # pydantic knows; aliases and validators have had their say
        known = getattr(made, name, None)
        if isinstance(known, set):
            return not known
    return value.keys().isdisjoint(fields)


def made_of(kind: Any, data: dict[str, Any]) -> object:
    """A model or a dataclass from JSON data. Raises NotThatType with what does not fit."""
    try:
        for name in ("model_validate", "parse_obj"):
            if hasattr(kind, name):
                return getattr(kind, name)(data)
        scope = vars(sys.modules.get(kind.__module__, kind))
        values = {}
        for name, value in data.items():
            hint = kind.__dataclass_fields__[name].type if name in kind.__dataclass_fields__ else None
            hint = resolved(hint, scope) if isinstance(hint, str) else hint
            nested = isinstance(value, dict) and hasattr(hint, "__dataclass_fields__")
            values[name] = made_of(hint, value) if nested else value
        return kind(**values)
    except NotThatType:
        raise
    except Exception as error:  # what the agent's own class says about it
        raise NotThatType(f"a JSON object that {type_name(kind)} takes ({str(error)[:300]})") from None


def message_of(kind: Any, query: str) -> object | None:
    """A message of somebody who asks, where the class is one that frameworks have."""
    if hasattr(kind, "from_user"):  # haystack
        return kind.from_user(query)  # type: ignore[no-any-return]
    if kind.__module__.partition(".")[0] == "langchain_core" and hasattr(kind, "content"):
        from importlib import import_module

        return import_module("langchain_core.messages").HumanMessage(content=query)  # type: ignore[no-any-return]
    return None


# --- The query as a value of the type that an annotation asks for


WEB_SERVERS = ("fastapi", "starlette", "flask", "quart", "aiohttp", "sanic", "litestar")


def typed_value(annotation: Any, name: str, query: str) -> tuple[object, str]:
    """The query as the type that the annotation of a parameter says. Raises NotThatType."""
    choices = members_of(annotation)
    if choices is not None:
        return _any_of([stripped(one) for one in choices if one is not type(None)], name, query)
    if annotation is None or annotation is type(None):
        raise NotThatType("None")
    if type(annotation).__name__ == "_LiteralGenericAlias":
        return _literal(annotation.__args__, query)
    origin = getattr(annotation, "__origin__", None) or annotation
    if not isinstance(origin, type):
        return query, "query"  # nothing that we know: what an agent asks for is text, most of the time
    _refuse_requests(origin)
    if issubclass(origin, str) or hasattr(origin, "__members__"):
        return _text_type(origin, query)
    scalar = _scalar(origin, query)
    if scalar is not None:
        return scalar
    if _is_a_mapping(origin):
        return _mapping(origin, name, query)
    fields = fields_of(origin)
    if fields is not None:
        return record_value(origin, fields, query)
    if issubclass(origin, _sequences()):
        return _sequence(annotation, origin, name, query)
    message = message_of(origin, query)
    if message is None:
        raise NotThatType(f"a {type_name(origin)}")
    return message, f"{origin.__name__}(query)"


def _literal(choices: Any, query: str) -> tuple[object, str]:
    if query in choices:
        return query, "query"
    value = json_value(query)
    for one in choices:
        if type(one) in (bool, int) and type(value) is type(one) and value == one:
            return one, f"{type(one).__name__}(query)"
    raise NotThatType("one of " + ", ".join(map(repr, choices)))


def _refuse_requests(kind: type) -> None:
    """Of web servers: mappings of a kind, and nothing that a query could be."""
    if kind.__name__ == "Request" and kind.__module__.partition(".")[0] in WEB_SERVERS:
        raise NotThatType(
            "the request of a web server (name a function that takes text as the entry point, -e agent:my_function)"
        )


def _any_of(choices: list[Any], name: str, query: str) -> tuple[object, str]:
    """Of a union: text where that is one of them, else the first that the query is a value of."""
    if Absent in choices or any(one is str for one in choices):
        return query, "query"
    problems = []
    for one in choices:
        try:
            return typed_value(one, name, query)
        except NotThatType as problem:
            problems.append(str(problem))
    raise NotThatType(" or ".join(problems) or "nothing")


def _scalar(kind: Any, query: str) -> tuple[object, str] | None:
    """Numbers, truth, bytes and paths, where the query is just that; None for other types."""
    if kind in (bool, int, float):
        value = json_value(query)
        if type(value) is kind or (kind is float and type(value) is int):
            return kind(value), f"{kind.__name__}(query)"
        raise NotThatType({bool: "true or false", int: "a whole number", float: "a number"}[kind])
    if kind in (bytes, bytearray):
        return kind(query.encode("utf-8", "surrogatepass")), "query.encode()"
    if kind.__module__.partition(".")[0] == "pathlib":
        if "\0" in query:
            raise NotThatType("the path of a file")
        return kind(query), "Path(query)"
    return None


def messages_value(query: str) -> tuple[object, str]:
    value = json_value(query)
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return value, "json(query)"
    return [{"role": "user", "content": query}], '[{"role": "user", "content": query}]'


def _text_type(kind: type, query: str) -> tuple[object, str]:
    """str and what is made of it, and enumerations: by value or by name."""
    if kind is str:
        return query, "query"
    members = getattr(kind, "__members__", {})
    try:
        if query in members:
            return members[query], f"{kind.__name__}(query)"
        number = json_value(query)
        for one in members.values():
            if type(one.value) is int and type(number) is int and one.value == number:
                return one, f"{kind.__name__}(query)"
        return kind(query), f"{kind.__name__}(query)"
    except Exception:
        allowed = [repr(getattr(one, "value", one)) for one in members.values()]
        raise NotThatType(f"one of {', '.join(allowed)}" if allowed else f"a {type_name(kind)}") from None


def _is_a_mapping(kind: type) -> bool:
    from collections.abc import Mapping

    return issubclass(kind, (dict, Mapping)) or hasattr(kind, "__total__")


def _sequences() -> tuple[type, ...]:
    from collections.abc import Iterable

    return (list, tuple, set, frozenset, Iterable)


def _mapping(kind: type, name: str, query: str) -> tuple[object, str]:
    value = json_object(query)
    required = list(getattr(kind, "__required_keys__", ()))
    if value is not None:
        missing = [key for key in required if key not in value]
        if missing:
            raise NotThatType(f"a JSON object with {', '.join(map(repr, sorted(missing)))}")
        return value, "json(query)"
    hints = getattr(kind, "__annotations__", {}) if hasattr(kind, "__total__") else {}
    if hints:
        key = field_for_text(required, list(hints))
        if key in MESSAGES_NAMES:
            return {key: messages_value(query)[0]}, f'{{"{key}": [{{"role": "user", "content": query}}]}}'
        if key is not None and says_text(hints[key]):
            return {key: query}, f'{{"{key}": query}}'
    if name in HANDLER_NAMES:
        return {"prompt": query}, '{"prompt": query}'
    example = ", ".join(f'"{key}": ...' for key in (required or list(hints) or ["..."])[:5])
    raise NotThatType(f"a JSON object, such as {{{example}}}" if "..." not in (required or hints) else "a JSON object")


def _sequence(annotation: Any, kind: type, name: str, query: str) -> tuple[object, str]:
    make: Any = kind if kind in (list, tuple, set, frozenset) else list
    arguments = getattr(annotation, "__args__", ())
    item = stripped(arguments[0]) if arguments else Absent
    value = json_value(query)
    if isinstance(value, list):
        try:
            return make(_item(item, one) for one in value), "json(query)"
        except TypeError:
            raise NotThatType("a JSON array of values that can be in a set") from None
    members = [stripped(one) for one in members_of(item) or [item]]
    if str in members or (item is Absent and name in ("argv", "args")):
        return make([query]), "[query]"
    for member in members:
        if isinstance(member, type) or hasattr(member, "__origin__"):
            message = _message_item(getattr(member, "__origin__", None) or member, query)
            if message is not None:
                return make([message[0]]), message[1]
    if name in MESSAGES_NAMES or (item is Absent and name in ("input", "message")):
        return make(messages_value(query)[0]), messages_value(query)[1]
    raise NotThatType("a JSON array")


def _message_item(kind: Any, query: str) -> tuple[object, str] | None:
    if not isinstance(kind, type):
        return None
    message = message_of(kind, query)
    if message is not None:
        return message, f"[{kind.__name__}(query)]"
    fields = fields_of(kind)
    names = set(fields or getattr(kind, "__annotations__", {}))
    if not {"role", "content"} <= names:
        return None
    data = {"role": "user", "content": query}
    if fields is None:  # a TypedDict
        return data, '[{"role": "user", "content": query}]'
    return made_of(kind, data), f'[{kind.__name__}(role="user", content=query)]'


def _item(kind: Any, value: Any) -> object:
    if isinstance(value, dict) and fields_of(kind) is not None:
        return made_of(kind, value)
    return value


# --- The query as the value that a parameter asks for: by its annotation, else by its name


def value_for(parameter: Parameter, query: str, scope: Any, *, as_object: bool = False) -> tuple[object, str]:
    """The value to hand over, and how it is written in a call. `scope` is what the names of annotations are looked up
    in; `as_object` asks for what a payload is. Raises NotThatType."""
    name = plain_name(parameter.name)
    annotation = parameter.annotation
    if annotation is str or annotation == "str":
        return query, "query"
    if isinstance(annotation, str):
        annotation = resolved(annotation, scope)
    if annotation is not Absent and (annotation := stripped(annotation)) is not Absent:
        return typed_value(annotation, name, query)
    if as_object or name in HANDLER_NAMES:
        value = json_object(query)
        return ({"prompt": query}, '{"prompt": query}') if value is None else (value, "json(query)")
    if name in MESSAGES_NAMES:
        return messages_value(query)
    if name in OBJECT_NAMES and (value := json_object(query)) is not None:
        return value, "json(query)"
    return query, "query"


# --- What the code of a function does with a parameter: told from what is compiled, without running any of it


ASKS_FOR_A_KEY = ("get", "pop", "setdefault", "__getitem__")
SEES_ALL_NAMES = frozenset(("locals", "vars", "eval", "exec"))
MOST_FUNCTIONS = 50  # of a module that are looked at for one entry point


class Uses:
    """What becomes of a parameter: the keys that are asked of it, and whether it is used in any other way."""

    def __init__(self, keys: list[str], *, whole: bool) -> None:
        self.keys = keys
        self.whole = whole

    @property
    def any(self) -> bool:
        return bool(self.keys) or self.whole


def uses_of(function: Any, name: str) -> Uses:
    """Of a parameter of a plain function. What cannot be read uses it whole."""
    code: Any = getattr(function, "__code__", None)
    if not hasattr(code, "co_code") or name not in code.co_varnames:  # its signature may not be true
        return Uses([], whole=True)
    keys: list[str] = []
    whole = _uses_in(code, name, keys)
    return Uses(list(dict.fromkeys(keys)), whole=whole)


def _uses_in(code: Any, name: str, keys: list[str]) -> bool:
    import dis

    whole = not SEES_ALL_NAMES.isdisjoint(code.co_names)
    steps = list(dis.get_instructions(code))
    for index, step in enumerate(steps):
        if not _loads(step, name, is_cell=name in code.co_cellvars):
            continue
        is_last = not isinstance(step.argval, tuple) or step.argval[-1] == name  # what follows is done with it
        key = _key_asked(steps, index) if is_last else None
        if key is None:
            whole = True
        else:
            keys.append(key)
    for inner in code.co_consts:
        if hasattr(inner, "co_code") and name in inner.co_freevars:
            whole = _uses_in(inner, name, keys) or whole
    return whole


def _loads(step: Any, name: str, *, is_cell: bool) -> bool:
    """Whether a step reads the variable. One that functions inside share is loaded in another way to be shared."""
    operation = step.opname
    if "DEREF" in operation:
        return bool(operation.startswith("LOAD") and step.argval == name)
    if is_cell or "LOAD_FAST" not in operation:
        return False
    if isinstance(step.argval, tuple):  # two steps in one
        loaded = step.argval[1:] if operation.startswith("STORE") else step.argval
        return name in loaded
    return bool(step.argval == name)


def _key_asked(steps: list[Any], index: int) -> str | None:
    """`x.get("key")`, `x["key"]` and `"key" in x`."""
    after = steps[index + 1 : index + 3]
    if len(after) == 2 and after[0].opname in ("LOAD_METHOD", "LOAD_ATTR") and after[0].argval in ASKS_FOR_A_KEY:
        return _text_in(after[1])
    if len(after) == 2 and (after[1].opname == "BINARY_SUBSCR" or "[]" in (after[1].argrepr or "")):
        return _text_in(after[0])
    if after and after[0].opname == "CONTAINS_OP" and index:
        return _text_in(steps[index - 1])
    return None


def _text_in(step: Any) -> str | None:
    return step.argval if step.opname.startswith("LOAD_CONST") and isinstance(step.argval, str) else None


def layers_of(function: Any) -> Iterator[tuple[Any, int]]:
    """The plain functions that a call goes through as long as they take anything, the outermost first; and how many
    arguments each gets before those of the call."""
    before = 0
    for _ in range(MOST_FUNCTIONS):
        kind = type(function)
        if kind is BoundMethod:
            function, before = function.__func__, before + 1
        elif kind.__name__ == "partial" and hasattr(function, "func"):
            function, before = function.func, before + len(function.args)
        elif kind is PlainFunction:
            yield function, before
            if "__wrapped__" not in function.__dict__:
                return
            function = function.__wrapped__
        elif kind.__name__ == "_lru_cache_wrapper":
            function = function.__wrapped__
        elif type(vars(kind).get("__call__")) is PlainFunction:
            function, before = vars(kind)["__call__"], before + 1
        else:
            return


def never_read(function: Any, given: int, keywords: Collection[str]) -> str:
    """`*args of wrapper` where a call with so many arguments and these keywords puts some of them where no code looks;
    else empty."""
    for layer, before in layers_of(function):
        code = layer.__code__
        count = code.co_argcount + code.co_kwonlyargcount
        names = code.co_varnames
        by_position = bool(code.co_flags & TAKES_VAR_POSITIONAL)
        if by_position and given + before > code.co_argcount and not uses_of(layer, names[count]).any:
            return f"*{names[count]} of {layer.__code__.co_name}"
        if not code.co_flags & TAKES_VAR_KEYWORD or all(one in names[:count] for one in keywords):
            continue
        rest = names[count + by_position]
        if not uses_of(layer, rest).any:
            return f"**{rest} of {layer.__code__.co_name}"
    return ""


def innermost(function: Any) -> Any:
    """The function whose parameters those of a call are; None where it is not plain."""
    found = None
    for found, _ in layers_of(function):  # noqa: B007 - the last of them
        pass
    return found


def texts_in(function: Any) -> set[str]:
    """What its code has as text, and that of functions of its module which it names."""
    found: set[str] = set()
    seen: set[int] = set()
    waiting = [function]
    while waiting and len(seen) < MOST_FUNCTIONS:
        one = waiting.pop(0)
        if type(one) is not PlainFunction or id(one) in seen:
            continue
        seen.add(id(one))
        for code in _codes_of(one.__code__):
            for const in code.co_consts:
                found.update(text for text in _flat(const) if isinstance(text, str))
            waiting.extend(one.__globals__.get(name) for name in code.co_names)
    return found


def _codes_of(code: CodeType) -> Iterator[CodeType]:
    yield code
    for inner in code.co_consts:
        if hasattr(inner, "co_code"):
            yield from _codes_of(inner)


def _flat(const: object) -> Iterator[object]:
    if isinstance(const, (tuple, frozenset)):
        yield from const
    else:
        yield const


def parses_options_only(function: Any) -> bool:
    """Whether it parses a command line, and what is no option of it goes nowhere."""
    import dis

    code = getattr(function, "__code__", None)
    if code is None or "parse_known_args" not in code.co_names:
        return False
    steps = list(dis.get_instructions(code))
    added = [
        _text_in(steps[index + 1])
        for index, step in enumerate(steps[:-1])
        if step.opname in ("LOAD_METHOD", "LOAD_ATTR") and step.argval == "add_argument"
    ]
    return bool(added) and all(one is not None and one.startswith("-") for one in added)


# --- What handlers of platforms are given: an object, and whether they have looked for the query in it


READ_DICTIONARIES_UNSEEN = ("pydantic_core", "msgspec", "orjson", "ujson")  # compiled: they ask no method for a key
MISSED = object()


class Payload(dict):  # type: ignore[type-arg]  # whatever JSON has
    """A dictionary that knows what was asked of it."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.ours = frozenset(dict.keys(self))
        self.asked: set[str] = set()
        self.whole = False

    def unheard(self) -> list[str]:
        """The keys that were asked for where nobody has asked for one that is there, nor for all of it."""
        if self.whole or not self.ours or not self.ours.isdisjoint(self.asked):
            return []
        return sorted(self.asked)

    def _ask(self, key: object) -> None:
        if isinstance(key, str):
            self.asked.add(key)

    def __getitem__(self, key: Any) -> Any:
        self._ask(key)
        return super().__getitem__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        self._ask(key)
        return super().get(key, default)

    def pop(self, key: Any, default: Any = MISSED) -> Any:
        self._ask(key)
        return super().pop(key) if default is MISSED else super().pop(key, default)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        self._ask(key)
        return super().setdefault(key, default)

    def __contains__(self, key: object) -> bool:
        self._ask(key)
        return super().__contains__(key)

    def __iter__(self) -> Any:
        self.whole = True
        return super().__iter__()

    def keys(self) -> Any:
        self.whole = True
        return super().keys()

    def values(self) -> Any:
        self.whole = True
        return super().values()

    def items(self) -> Any:
        self.whole = True
        return super().items()

    def copy(self) -> Any:
        self.whole = True
        return super().copy()

    def popitem(self) -> Any:
        self.whole = True
        return super().popitem()

    def __or__(self, other: Any) -> Any:
        self.whole = True
        return super().__or__(other)

    def __ror__(self, other: Any) -> Any:
        self.whole = True
        return super().__ror__(other)

    def __repr__(self) -> str:
        self.whole = True
        return super().__repr__()

    def __reduce_ex__(self, _: Any) -> Any:
        self.whole = True
        return dict, (dict(super().items()),)


def is_payload(value: object) -> bool:
    return isinstance(value, Payload)


def payload_of_text(function: Any, query: str) -> tuple[dict[str, object], str]:
    """The prompt, and the query again under every usual name that the code of a handler mentions; `body` is the same as
    JSON text, as web requests have it."""
    mentioned = texts_in(innermost(function))
    value: dict[str, object] = {"prompt": query}
    shown = ['"prompt": query']
    for name in QUERY_NAMES:
        if name not in mentioned or name in ("prompt", "body"):
            continue
        if name in MESSAGES_NAMES:
            value[name] = [{"role": "user", "content": query}]
            shown.append(f'"{name}": [...]')
        else:
            value[name] = query
            shown.append(f'"{name}": query')
    if "body" in mentioned:
        value["body"] = to_json(value)
        shown.append('"body": json')
    return value, f"{{{', '.join(shown)}}}"


def keys_asked_in_vain(function: Any, parameter: str, given: Iterable[str]) -> list[str]:
    """What a handler asks its payload for, where it does nothing else with it and asks for nothing that is there."""
    code = innermost(function)
    uses = None if code is None else uses_of(code, parameter)
    if uses is None or uses.whole or not set(uses.keys).isdisjoint(given):
        return []
    return uses.keys


def can_be_watched(function: Any, parameter: str) -> bool:
    """Whether all that asks it for something would be seen."""
    if not any(name in sys.modules for name in READ_DICTIONARIES_UNSEEN):
        return True
    code = innermost(function)
    return code is not None and not uses_of(code, parameter).whole


# --- The keyword under which a function of any keywords looks for the query


# These are in code for other reasons, too: `{"role": "user", "content": ...}`.
SAY_LITTLE = frozenset((*HANDLER_NAMES, *MESSAGES_NAMES, *OBJECT_NAMES, "content", "text", "q"))


def keywords_for(function: Any, parameter: str, query: str) -> tuple[dict[str, Any], str] | list[str]:
    """What goes into the `**parameter` of a function, and how that reads: the members of a JSON object, else the text
    under a usual name that the code asks for. Where it asks for others only: these."""
    code = innermost(function)
    uses = None if code is None else uses_of(code, parameter)
    value = json_object(query)
    if value:  # an empty one would be a call without the query
        if uses is not None and not uses.whole and uses.keys and value.keys().isdisjoint(uses.keys):
            return uses.keys
        return value, "**json(query)"
    name = "query"
    if uses is not None:
        usual = [one for one in QUERY_NAMES if one in map(plain_name, uses.keys)]
        if not usual and not uses.whole and uses.keys:
            return uses.keys
        if usual:
            name = next(one for one in uses.keys if plain_name(one) == usual[0])
        elif uses.whole:
            mentioned = texts_in(code)
            name = next((one for one in QUERY_NAMES if one in mentioned and one not in SAY_LITTLE), name)
    return {name: query}, f"{name}=query"


# --- What to write, for those whose function cannot take the query


def instead(name: str, parameters: Sequence[Parameter]) -> str:
    """What to write."""
    last = name.rpartition(".")[2]
    keyword_only = any(one.required and not one.positional for one in parameters)
    needed = [one.name for one in parameters if one.required]
    if len(needed) > 1 and not any(one.kind == POSITIONAL_ONLY for one in parameters):
        example = ", ".join(f'"{one}": ...' for one in needed[:5])
        return (
            f"Write a function that takes the query alone, such as def {last}(query), or give the query as a JSON "
            f"object: {{{example}}}."
        )
    if keyword_only:
        return f"Call it query, as in def {last}(*, query), or name another entry point."
    return (
        f"Give it one, as in def {last}(query), name another entry point, or submit without a query (--no-query) "
        "to run it as it is."
    )


def with_members(names: Sequence[str]) -> str:
    """To give the query as an object that has these."""
    example = ", ".join(f'"{one}": ...' for one in names[:5])
    return f"Give the query as a JSON object: {{{example}}}."


def listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


# --- A call that is about to be made, and the refusal of one


class QueryNotAccepted(Exception):
    """The message has the signature, and what to write instead. `hint`: what to do, where that is not what is usual."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Plan:
    """One call: what is called with what, and how that reads. `unheard` tells after the call why the query has not
    arrived, where that shows only then; `command_line` is what sys.argv has during the call beside its file."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
        *,
        call: str,
        query_passed: bool = True,
    ) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs or {}
        self.call = call
        self.query_passed = query_passed
        self.unheard: Callable[[], str] | None = None
        self.command_line: list[str] | None = None


# --- Whether what a call hands over is looked at: a query that no code reads has not arrived


def plan_of_variadic(
    function: Callable[..., Any], name: str, parameters: Sequence[Parameter], target: Parameter, query: str
) -> Plan:
    """For what takes anything: by position, or where the code looks for keywords only, by keyword."""
    if target.kind == VAR_POSITIONAL:
        code = innermost(function)
        keywords = next((one for one in parameters if one.kind == VAR_KEYWORD), None)
        if code is None or keywords is None or uses_of(code, target.name).any or not uses_of(code, keywords.name).any:
            return Plan(function, (query,), call=f"{name}(query)")
        target = keywords
    found = keywords_for(function, target.name, query)
    if isinstance(found, list):
        raise QueryNotAccepted(
            f"{name}{shown_signature(parameters)} cannot take the query: of **{target.name} it reads "
            f"{listed(found)}, and none of that is the query. {with_members(found)}"
        )
    return Plan(function, (), found[0], call=f"{name}({found[1]})")


def that_is_read(plan: Plan, shown: str) -> Plan:
    """Raises QueryNotAccepted where the call would put something into `*args` or `**kwargs` that no code reads."""
    place = never_read(plan.function, len(plan.args), plan.kwargs)
    if place:
        raise QueryNotAccepted(
            f"{shown} cannot take the query: {plan.call} would put it into {place}, which never reads that. Hand on "
            "what is given, as in return function(*args, **kwargs), or name another entry point."
        )
    return plan


def must_be_parsed(function: Callable[..., Any], parameter: str, shown: str) -> None:
    code = innermost(function)
    if code is None:
        return
    why = ""
    if not uses_of(code, parameter).any:
        why = f"its code never reads {parameter}"
    elif parses_options_only(code):
        why = "it parses options only (parse_known_args), and passes over all else"
    if why:
        raise QueryNotAccepted(
            f"{shown} cannot take the query: {why}. Parse it with an argument for the query, as in "
            f'parser.add_argument("query") and parser.parse_args({parameter}), or run the file as a script '
            "(-e __main__)."
        )


def must_be_asked_for(function: Callable[..., Any], parameter: str, value: Iterable[str], shown: str) -> None:
    said = asked_in_vain(shown, keys_asked_in_vain(function, parameter, value), value)
    if said:
        raise QueryNotAccepted(said)


def asked_in_vain(shown: str, asked: Sequence[str], given: Iterable[str]) -> str:
    if not asked:
        return ""
    return (
        f"{shown} did not take the query: it reads {listed(asked[:10])} of its object, which has "
        f"{listed(sorted(given)[:10])}. {with_members(asked)}"
    )


# --- How the query gets into a call: from parameters to arguments, or the reason why it cannot


CONTEXT_NAMES = ("context", "ctx", "lambda_context", "request_context", "")  # "" is `_`
SESSION_NAMES = ("session_id", "thread_id", "conversation_id")
HISTORY_NAMES = ("history", "chat_history", "conversation_history", "message_history")
COMMAND_LINE_NAMES = ("argv", "args")  # of `def main(argv=None)`
RANK = {name: rank for rank, name in enumerate(QUERY_NAMES)}


class Place:
    """Where the query goes: the parameter, whether its name is a usual one for it, and what must be given beside."""

    def __init__(self, parameter: Parameter, *, usual: bool, beside: Sequence[Parameter] = ()) -> None:
        self.parameter = parameter
        self.usual = usual
        self.beside = beside


def place_of(parameters: Sequence[Parameter] | None, *, handler: bool = False) -> Place | str:
    """The place for the query, or why there is none. `handler`: a platform calls it with (payload, context)."""
    if parameters is None:  # code in C that does not tell: the usual is to take one thing
        return Place(Parameter("query", POSITIONAL_ONLY), usual=False)
    plain = [one for one in parameters if not one.variadic]
    required = [one for one in plain if one.required]
    usual = [one for one in plain if _is_for_a_query(one)]
    usual.sort(key=lambda one: (not one.required, RANK[plain_name(one.name)]))
    if usual and not (required and not usual[0].required and not all(map(_is_given_by_us, required))):
        return _with_beside(usual[0], plain, usual=True, handler=handler)
    first = [one for one in required if one.positional]
    if len(first) == 1 == len(required):
        return Place(first[0], usual=False)
    if len(first) > 1 and handler:
        return _with_beside(first[0], plain, usual=False, handler=True)
    if len(required) > 1 and len(first) >= 1:
        others = [one for one in required if one is not first[0]]
        if all(plain_name(one.name) in (*SESSION_NAMES, *HISTORY_NAMES) for one in others):
            return _with_beside(first[0], plain, usual=False, handler=False)
    if required:
        if len(required) == 1:
            return f"it has no parameter for it: {required[0].name} is no usual name for what an agent is asked"
        return f"it needs {listed([one.name for one in required])}, and none of them is plainly the query"
    return _without_required(parameters, plain)


def _without_required(parameters: Sequence[Parameter], plain: Sequence[Parameter]) -> Place | str:
    command_line = next((one for one in plain if one.positional and plain_name(one.name) in COMMAND_LINE_NAMES), None)
    if command_line is not None and command_line is plain[0]:
        return Place(command_line, usual=False)
    for one in parameters:
        if one.kind == VAR_POSITIONAL and not any(other.positional for other in plain):
            return Place(one, usual=False)
        if one.kind == VAR_KEYWORD:
            return Place(one, usual=False)
    if not parameters:
        return "it takes nothing"
    return (
        f"it has no parameter for it: {listed([one.name for one in parameters])} is no usual name for what an "
        "agent is asked"
    )


def _is_for_a_query(one: Parameter) -> bool:
    if plain_name(one.name) not in RANK or one.annotation in (bool, "bool"):
        return False
    return one.required or not isinstance(one.default, (bool, int, float))  # a switch or a number is no text


def _is_given_by_us(one: Parameter) -> bool:
    return plain_name(one.name) in (*SESSION_NAMES, *HISTORY_NAMES)


def _with_beside(target: Parameter, plain: Sequence[Parameter], *, usual: bool, handler: bool) -> Place | str:
    """With a context for handlers, a session and an empty history; the reason where more is needed."""
    handler = handler or plain_name(target.name) in HANDLER_NAMES
    beside, missing = [], []
    for one in plain:
        name = plain_name(one.name)
        if one is target:
            continue
        # A context goes to those with a default, too, as platforms do it.
        if (handler and name in CONTEXT_NAMES) or (
            one.required and _is_given_by_us(one)
        ):  # given to those with a default, too, as platforms do
            beside.append(one)
        elif one.required:
            missing.append(one.name)
    if missing:
        return f"it needs {listed(missing)} beside {target.name}, and Assay hands over the query alone"
    return Place(target, usual=usual, beside=beside)


def bind(
    function: Callable[..., Any],
    name: str,
    parameters: Sequence[Parameter] | None,
    query: str | None,
    *,
    scope: Mapping[str, object],
    context: Callable[[], object],
    session: str,
    handler: bool = False,
    as_text: bool = False,
) -> Plan:
    """The call that hands the query over; with None, one without it. Raises QueryNotAccepted.

    `scope` is what annotations are looked up in, `context` makes the object that platforms hand to handlers, `session`
    is the id for those who ask for one; `as_text` says that a handler wants no object."""
    if query is None:
        return _without_query(function, name, parameters, context, session)
    place = place_of(parameters, handler=handler)
    shown = f"{name}{shown_signature(parameters)}"
    if isinstance(place, str):
        spread = _spread(function, name, parameters or (), query)
        if spread is not None:
            return that_is_read(spread, shown)
        raise QueryNotAccepted(f"{shown} cannot take the query: {place}. {instead(name, parameters or ())}")
    target = place.parameter
    if target.variadic:
        return that_is_read(plan_of_variadic(function, name, parameters or (), target, query), shown)
    try:
        value = _value_of(function, target, query, scope, shown, handler=handler, as_text=as_text)
    except NotThatType as problem:
        raise QueryNotAccepted(
            f"{shown} cannot take the query: {target.name} wants {problem}, and the query is not that.",
            "Submit a query of that kind, or let the parameter take text.",
        ) from None
    values = {target.name: value}
    for one in place.beside:
        values[one.name] = _given(one, context, session)
    plan = that_is_read(_filled(function, name, parameters or [target], values), shown)
    if plain_name(target.name) in COMMAND_LINE_NAMES:
        plan.command_line = [query]
    payload: Any = value[0]
    if type(payload) is not str and is_payload(payload) and can_be_watched(function, target.name):
        plan.unheard = lambda: asked_in_vain(shown, payload.unheard(), payload.ours)
    return plan


def _value_of(
    function: Callable[..., Any],
    target: Parameter,
    query: str,
    scope: Mapping[str, object],
    shown: str,
    *,
    handler: bool,
    as_text: bool,
) -> tuple[object, str]:
    """Raises NotThatType, and QueryNotAccepted where the function would not look for it."""
    if not target.required and plain_name(target.name) in COMMAND_LINE_NAMES:
        must_be_parsed(function, target.name, shown)
        return [query], "[query]"
    if as_text:
        return query, "query"
    value, text = value_for(target, query, scope, as_object=handler)
    if (handler or plain_name(target.name) in HANDLER_NAMES) and type(value) is dict and value:
        if value == {"prompt": query}:
            value, text = payload_of_text(function, query)
        must_be_asked_for(function, target.name, value, shown)
        return Payload(value), text
    return value, text


def _given(one: Parameter, context: Callable[[], object], session: str) -> tuple[object, str]:
    name = plain_name(one.name)
    if name in SESSION_NAMES:
        return session, "session"
    return ([], "[]") if name in HISTORY_NAMES else (context(), "context")


def _filled(
    function: Callable[..., Any],
    name: str,
    parameters: Sequence[Parameter],
    values: Mapping[str, tuple[object, str]],
    *,
    query_passed: bool = True,
) -> Plan:
    """By position as long as none is left out, then by keyword."""
    args: list[object] = []
    kwargs: dict[str, object] = {}
    shown: list[str] = []
    skipped: list[Parameter] = []
    for one in parameters:
        if one.variadic or one.name not in values:
            if one.positional:
                skipped.append(one)
            continue
        value, text = values[one.name]
        if one.kind == POSITIONAL_ONLY:
            for other in skipped:  # only a default can be before it
                args.append(other.default)
                shown.append(_text_of(other.default))
            skipped = []
        if one.positional and not skipped:
            args.append(value)
            shown.append(text)
        else:
            kwargs[one.name] = value
            shown.append(f"{one.name}={text}")
    return Plan(function, args, kwargs, call=f"{name}({', '.join(shown)})", query_passed=query_passed)


def _text_of(value: object) -> str:
    return repr(value) if value is None or isinstance(value, (bool, int, float)) else "..."


def _spread(function: Callable[..., Any], name: str, parameters: Sequence[Parameter], query: str) -> Plan | None:
    """A JSON object that has just what a function of several parameters needs."""
    value = json_object(query)
    plain = {one.name: one for one in parameters if not one.variadic}
    if not value or any(one.kind == POSITIONAL_ONLY for one in plain.values()):
        return None
    needed = {one.name for one in plain.values() if one.required}
    if not needed or not needed <= value.keys():
        return None
    if not value.keys() <= plain.keys() and not any(one.kind == VAR_KEYWORD for one in parameters):
        return None
    return Plan(function, (), value, call=f"{name}(**json(query))")


def _without_query(
    function: Callable[..., Any],
    name: str,
    parameters: Sequence[Parameter] | None,
    context: Callable[[], object],
    session: str,
) -> Plan:
    values, missing = {}, []
    for one in parameters or ():
        if not one.required:
            continue
        if plain_name(one.name) in (*CONTEXT_NAMES, *SESSION_NAMES, *HISTORY_NAMES):
            values[one.name] = _given(one, context, session)
        else:
            missing.append(one.name)
    if missing:
        raise QueryNotAccepted(
            f"{name}{shown_signature(parameters)} cannot be called without a query: it needs {listed(missing)}. "
            "Submit the test with a query."
        )
    return _filled(function, name, parameters or (), values, query_passed=False)


# --- The context object that AgentCore and Lambda hand to their handlers


class CallContext:
    """Has what agents ask either platform's context for. Nothing in it is a secret or leads anywhere."""

    def __init__(self, test_id: str, timeout_s: float, memory_mib: int) -> None:
        self.session_id = self.aws_request_id = self.request_id = test_id
        self.request_headers: dict[str, str] = {}
        self.function_name = "agent"
        self.function_version = "$LATEST"
        self.invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:agent"
        self.memory_limit_in_mb = str(memory_mib or 512)  # text, as Lambda has it
        self.log_group_name = "assay"
        self.log_stream_name = test_id
        self.identity = self.client_context = self.request = None
        self._ends = time.monotonic() + timeout_s

    def get_remaining_time_in_millis(self) -> int:
        """Until the time limit of the test."""
        return max(0, int((self._ends - time.monotonic()) * 1000))

    def __repr__(self) -> str:
        return f"<context of {self.session_id}>"


# --- The answer of an agent that is a script or a command: what it printed


def printed_answer(text: str, limit: int, printed: int = 0) -> Any:
    """A JSON object or array that is all of it as that value; anything else as text, without the newlines at its end.
    Text of more than `limit` bytes as JSON is cut, with a mark that says so; `printed` is how many bytes there were,
    where text is only their beginning."""
    stripped = text.strip()
    if stripped[:1] in ("{", "[") and stripped[-1:] in ("}", "]"):
        try:
            value = from_json(stripped)
            if len(to_json(value).encode("utf-8", "replace")) <= limit:
                return value
        except (ValueError, RecursionError):
            pass
    text = text.rstrip("\r\n")
    size = len(to_json(text).encode("utf-8", "replace"))
    if size <= limit:
        return text
    mark = f"\n[... cut: {max(size, printed):,} bytes were printed]"
    return text[: max(0, len(text) * (limit - len(mark) - 16) // size - 16)] + mark


# --- What of a module uses or holds what: told from compiled code and from objects, without running any of it


MOST_LOOKED_AT = 2000  # objects inside of one, when it is asked what it holds
ModuleOfPython = type(sys)


def is_function(target: Any) -> bool:
    """A function or a method, not an object that can be called."""
    return (
        type(target) is PlainFunction
        or any("__code__" in vars(base) for base in type(target).__mro__)
        or type(target).__name__
        in (
            *("method", "builtin_function_or_method", "partial", "cython_function_or_method", "_lru_cache_wrapper"),
            *("method-wrapper", "classmethod_descriptor"),
        )
    )


def answers(function: Any) -> bool:
    """Whether it can return anything but None. What only prints has no answer."""
    import dis

    code = code_behind(function)
    if code is None or code.co_flags & 0x220:  # generators: what they yield is their answer
        return True
    before = None
    for one in dis.get_instructions(code):
        if one.opname == "RETURN_CONST" and one.argval is not None:
            return True
        if one.opname == "RETURN_VALUE" and not (
            before is not None and before.opname == "LOAD_CONST" and before.argval is None
        ):
            return True
        before = one
    return False


def code_behind(function: Any) -> CodeType | None:
    try:
        for _ in range(50):
            if not hasattr(function, "__wrapped__"):
                break
            function = function.__wrapped__
        code = getattr(getattr(function, "__func__", function), "__code__", None)
    except Exception:  # an object of the agent does anything when asked
        return None
    return code if type(code) is type(code_behind.__code__) else None


def uses(one: Any, other: Any, module: ModuleType) -> bool:
    """Whether its code, or that of functions of the module which it calls, reads the name of the other."""
    names = vars(module)
    targets = {name for name, value in names.items() if value is other}
    seen: set[str] = set()
    waiting = list(_names_read(one))
    while waiting:
        name = waiting.pop()
        if name in targets:
            return True
        if name in seen:
            continue
        seen.add(name)
        value = names.get(name)
        if is_function(value) or issubclass(type(value), type):
            waiting.extend(_names_read(value))
    return False


def _names_read(target: Any) -> Iterable[str]:
    if is_function(target):
        code = code_behind(target)
        return names_of_code(code) if code else ()
    kind = target if issubclass(type(target), type) else type(target)
    codes = [code_behind(value) for value in vars(kind).values()]
    return {name for code in codes if code for name in names_of_code(code)}


def names_of_code(code: CodeType, *, inside: bool = True) -> set[str]:
    """The names of the module that code reads, with `inside` also what is defined in it."""
    import dis

    found: set[str] = set()
    waiting = [code]
    while waiting:
        code = waiting.pop()
        found.update(one.argval for one in dis.get_instructions(code) if one.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
        if inside:
            waiting.extend(const for const in code.co_consts if type(const) is type(code))
    return found


def holds(whole: Any, part: Any) -> bool:
    """Whether an object has the other somewhere inside: a crew its agents, an app its commands."""
    if is_function(whole) or issubclass(type(whole), type):
        return False
    seen: set[int] = set()
    waiting = [whole]
    while waiting and len(seen) < MOST_LOOKED_AT:
        value = waiting.pop(0)
        if id(value) in seen:
            continue
        seen.add(id(value))
        kind = type(value)  # not isinstance: a proxy is asked for its class by that
        if issubclass(kind, dict):
            inside: Iterable[Any] = dict.values(value)
        elif issubclass(kind, (list, tuple, set, frozenset)):
            inside = value
        elif issubclass(kind, (str, bytes, int, float, type, ModuleOfPython)) or is_function(value):
            continue
        else:
            inside = (attributes_of(value), _private(value))
        for one in inside:
            if one is part:
                return True
            waiting.append(one)
    return False


def _private(value: Any) -> object:
    """The private attributes of a Pydantic model, which are not among the others."""
    try:
        return object.__getattribute__(value, "__pydantic_private__")
    except Exception:  # no model
        return None


# --- Commands of click and typer: called through their own parser, so that options and defaults are what they say


MOST_KEPT = 4 * 1024 * 1024  # characters of what a command prints that can become an answer
USUAL_COMMANDS = ("run", "main", "ask", "query", "chat", "answer", "invoke", "agent")


class Tee:
    """Standard output that also is kept, while a command runs."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._kept: list[str] = []
        self._room = MOST_KEPT

    def write(self, text: str) -> int:
        written = self._stream.write(text)  # first: who writes bytes to see whether that goes is told that it does not
        if self._room > 0:
            self._kept.append(text[: self._room])
            self._room -= len(text)
        return int(written)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def text(self) -> str:
        return "".join(self._kept)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def is_a_command(target: Any) -> bool:
    """A click command or group, or a Typer app."""
    return hasattr(target, "registered_commands") or (hasattr(target, "params") and hasattr(target, "main"))


def command_of(function: Any) -> Any:
    """A Typer app for a function whose defaults only Typer understands, as typer.run makes one; else None."""
    typer = sys.modules.get("typer")
    if typer is None or not is_function(function):
        return None
    defaults = (
        *(getattr(function, "__defaults__", None) or ()),
        *(getattr(function, "__kwdefaults__", None) or {}).values(),
    )
    if not any(type(one).__module__ == "typer.models" for one in defaults):
        return None
    app = typer.Typer(add_completion=False)
    app.command()(function)
    return app


def command_plan(target: Any, name: str, query: str) -> Plan:
    """The command with the query as its argument. Raises QueryNotAccepted."""
    command = target
    if hasattr(target, "registered_commands"):  # a Typer app makes its command when asked
        command = sys.modules["typer"].main.get_command(target)
    words, shown = _words(command, name, query)
    return Plan(_run_command, (command, name, words), call=f"{name} {' '.join(shown)}")


def _words(command: Any, name: str, query: str) -> tuple[list[str], list[str]]:
    inner = getattr(command, "commands", None)
    if isinstance(inner, dict) and inner:
        chosen = _subcommand(inner)
        if chosen is None:
            raise QueryNotAccepted(
                f"{name} is a group of commands ({', '.join(sorted(inner)[:20])}), and none of them is plainly the "
                f"agent. Name the function of one as the entry point, or write a function that takes the query."
            )
        words, shown = _words(inner[chosen], f"{name} {chosen}", query)
        return [chosen, *words], [chosen, *shown]
    texts, others = [], []
    for one in command.params:
        if _is_text(one) and (_is_argument(one) or plain_name(one.name or "") in QUERY_NAMES):
            texts.append(one)
        elif one.required:
            others.append(one.name)
    texts.sort(key=lambda one: (not one.required, plain_name(one.name or "") not in QUERY_NAMES))
    needed = [one.name for one in texts[1:] if one.required] + others
    if not texts or needed:
        wants = ", ".join(one.name for one in command.params) or "nothing"
        raise QueryNotAccepted(
            f"{name} is a command line that takes {wants}: Assay can give it one text. Give it one argument for the "
            f"query, as in @click.argument('query'), or write a function that takes the query."
        )
    target = texts[0]
    if _is_argument(target):
        return ["--", query], [_quoted("query")]
    option = max(target.opts, key=len)
    return [f"{option}={query}" if option.startswith("--") else option + query], [f"{option}={_quoted('query')}"]


def _is_argument(parameter: Any) -> bool:
    return "Argument" in type(parameter).__name__


def _is_text(parameter: Any) -> bool:
    """By click's type, or by the annotation that newer versions of typer keep instead."""
    annotation = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    if annotation is not None:
        return annotation is str or str in (members_of(annotation) or ())
    return getattr(getattr(parameter, "type", None), "name", "") == "text"


def _quoted(text: str) -> str:
    return f'"${text}"'


def _subcommand(commands: dict[str, Any]) -> str | None:
    usual = [name for name in commands if name in USUAL_COMMANDS]
    return next(iter(commands)) if len(commands) == 1 else usual[0] if len(usual) == 1 else None


def _run_command(command: Any, name: str, words: list[str]) -> object:
    """What the command returns, else what it printed."""
    before: Any = sys.stdout
    tee: Any = Tee(before)
    sys.stdout = tee
    try:
        with command.make_context(name, words) as context:  # as its `main` does, which answers with the exit code
            value = command.invoke(context)
    except Exception as error:
        status = getattr(error, "exit_code", None)
        if type(error).__name__ == "Exit" and isinstance(status, int):
            if status:
                raise SystemExit(status) from None
            return printed_answer(tee.text(), MOST_KEPT)
        said: Any = getattr(error, "format_message", None)
        if said and "UsageError" in (
            base.__name__ for base in type(error).__mro__
        ):  # click's own words for a wrong call
            raise QueryNotAccepted(f"{name} does not take the query: {said()}") from None
        raise
    finally:
        if sys.stdout is tee:
            sys.stdout = before
    if value is None or (value == 0 and type(value) is int and tee.text()):
        return printed_answer(tee.text(), MOST_KEPT)
    return value


# --- How objects of agent frameworks are run. One line of FRAMEWORKS for each; all else is called by its signature


# Of any other object the first of these that can take the query is called, and the object itself before the rest.
METHODS = ("run_sync", "invoke", "ainvoke", "run", "arun", "kickoff", "get_response")
MORE_METHODS = (
    "query",
    "chat",
    "ask",
    "answer",
    "respond",
    "process",
    "execute",
    "handle",
    "solve",
    "reply",
    "forward",
)
WORKFLOW_FIELDS = ("query", "question", "input", "message", "user_msg", "topic")


def framework_plan(target: Any, name: str, query: str) -> Plan | None:
    """The call that the framework's documentation shows; None for what is called by its signature.
    Raises QueryNotAccepted."""
    for plan in _ways_of(target):
        made = plan(target, name, query)
        if made is not None:
            return made
    return None


def _ways_of(target: Any) -> Iterator[Callable[[Any, str, str], Plan | None]]:
    families = families_of(target)
    for package, has, plan in FRAMEWORKS:
        if package in families and all(hasattr(type(target), one) or one in attributes_of(target) for one in has):
            yield plan


def is_of_a_framework(target: Any) -> bool:
    return any(True for _ in _ways_of(target))


def _langgraph(graph: Any, name: str, query: str) -> Plan:
    return Plan(graph.invoke, (graph_input(graph, query),), call=f"{name}.invoke(state of the query)")


def graph_input(graph: Any, query: str) -> object:
    """A LangGraph graph takes a state: one message if its state has messages, else the query, which then is JSON; a
    text goes to the only or the usual field of the state."""
    value = json_object(query)
    channels = [one for one in getattr(graph, "channels", ()) if isinstance(one, str)]
    if value is not None and value.keys() <= set(channels):
        return value
    if "messages" in channels:
        return {"messages": [{"role": "user", "content": query}]}
    try:
        return from_json(query)
    except (ValueError, RecursionError):
        pass
    fields = [one for one in channels if not one.startswith(("__", "branch:", "start:")) and ":" not in one]
    usual = [one for one in QUERY_NAMES if one in fields]
    return {usual[0]: query} if usual else query


def _runnable(chain: Any, name: str, query: str) -> Plan:
    value = json_object(query)
    keys = getattr(chain, "input_keys", None)
    if value is not None:
        return Plan(chain.invoke, (value,), call=f"{name}.invoke(json(query))")
    if isinstance(keys, list) and len(keys) == 1:
        return Plan(chain.invoke, ({keys[0]: query},), call=f'{name}.invoke({{"{keys[0]}": query}})')
    return Plan(chain.invoke, (query,), call=f"{name}.invoke(query)")


def _crew(crew: Any, name: str, query: str) -> Plan | None:
    """A crew fills the query into the places of its tasks, as in {topic}."""
    if not any(one.name == "inputs" for one in parameters_of(crew.kickoff) or ()):
        return None
    inputs = json_object(query)
    call = f"{name}.kickoff(inputs=json(query))"
    if inputs is None:
        wanted = _names_from(crew, "fetch_inputs")
        field = "query" if wanted is None else _only_field(wanted)
        if field is None:
            places = f"the inputs {', '.join(sorted(wanted or ()))}" if wanted else "no place such as {topic}"
            raise QueryNotAccepted(
                f"{name} cannot take the query: its tasks have {places}. Give the query as a JSON object of inputs, or "
                "write a function that takes the query and calls kickoff(inputs=...)."
            )
        inputs, call = {field: query}, f'{name}.kickoff(inputs={{"{field}": query}})'
    return Plan(crew.kickoff, (), {"inputs": inputs}, call=call)


def _names_from(target: Any, method: str) -> set[str] | None:
    """What a method of the framework lists; None where it cannot be asked."""
    try:
        return {str(one) for one in getattr(target, method)()}
    except Exception:
        return None


def _only_field(names: Iterable[str]) -> str | None:
    names = list(names)
    return names[0] if len(names) == 1 else None


def _dspy(program: Any, name: str, query: str) -> Plan | None:
    """dspy takes keywords only: the fields of a signature, or what `forward` of a program asks for."""
    forward = type(program).forward if hasattr(type(program), "forward") else None
    own = forward is not None and getattr(forward, "__module__", "dspy").partition(".")[0] != "dspy"
    if own:
        names = [one.name for one in parameters_of(program.forward) or () if one.required]
    else:
        signature = getattr(program, "signature", None) or getattr(getattr(program, "predict", None), "signature", None)
        if signature is None:
            return None
        names = list(signature.input_fields)
    value = json_object(query)
    if value is not None and set(names) <= value.keys():
        return Plan(program, (), value, call=f"{name}(**json(query))")
    if len(names) != 1:
        example = ", ".join(f'"{one}": ...' for one in names)
        raise QueryNotAccepted(
            f"{name} cannot take the query: its fields are {', '.join(names) or 'none'}. Give the query as a JSON "
            f"object: {{{example}}}."
        )
    return Plan(program, (), {names[0]: query}, call=f"{name}({names[0]}=query)")


def _haystack(pipeline: Any, name: str, query: str) -> Plan | None:
    if not hasattr(type(pipeline), "inputs"):
        return None
    data = json_object(query)
    if data is not None:
        return Plan(pipeline.run, (data,), call=f"{name}.run(json(query))")
    wanted = {
        field
        for component in pipeline.inputs().values()
        for field, about in component.items()
        if about.get("is_mandatory", True)
    }
    if not wanted or not all(plain_name(one) in QUERY_NAMES for one in wanted):
        raise QueryNotAccepted(
            f"{name} cannot take the query: the inputs of the pipeline are {', '.join(sorted(wanted)) or 'none'}. Give "
            "the query as a JSON object of them, or write a function that takes the query and runs the pipeline."
        )
    return Plan(pipeline.run, (dict.fromkeys(wanted, query),), call=f"{name}.run({', '.join(sorted(wanted))}=query)")


def _openai_agent(agent: Any, name: str, query: str) -> Plan | None:
    runner = getattr(sys.modules.get("agents"), "Runner", None)
    if runner is None:
        return None  # a package of the user's own that is called agents
    return Plan(runner.run, (agent, query), call=f"Runner.run({name}, query)")


def _adk_agent(agent: Any, name: str, query: str) -> Plan:
    return Plan(_run_adk, (agent, query), call=f"InMemoryRunner({name}).run_async(query)")


async def _run_adk(agent: Any, query: str) -> object:
    """As google-adk's own documentation runs an agent; the text of its final event."""
    from importlib import import_module

    runner = import_module("google.adk.runners").InMemoryRunner(agent=agent, app_name="assay")
    types = import_module("google.genai.types")
    session = await runner.session_service.create_session(app_name="assay", user_id="user")
    message = types.Content(role="user", parts=[types.Part(text=query)])
    last = None
    async for event in runner.run_async(user_id="user", session_id=session.id, new_message=message):
        if event.is_final_response():
            last = event
    return last


def _method(method: str) -> Callable[[Any, str, str], Plan | None]:
    """One method, with the query for the first of its parameters that has a usual name."""

    def plan(target: Any, name: str, query: str) -> Plan | None:
        function = getattr(target, method)
        names = [one.name for one in parameters_of(function) or () if not one.variadic]
        usual = [one for one in names if plain_name(one) in QUERY_NAMES]
        return Plan(function, (), {usual[0]: query}, call=f"{name}.{method}({usual[0]}=query)") if usual else None

    return plan


def _workflow(workflow: Any, name: str, query: str) -> Plan:
    """llama-index starts a workflow in a running loop only. Its agents take a user_msg; what the first step of another
    one reads from its event nobody knows, so the query has all the names for it."""
    value = json_object(query)
    fields = ["user_msg"] if type(workflow).__module__.startswith("llama_index") else list(WORKFLOW_FIELDS)
    own = getattr(getattr(workflow, "start_event_class", None), "model_fields", None)
    if isinstance(own, dict) and own:
        required = [one for one, field in own.items() if field.is_required()] or list(own)
        fields = required if len(required) == 1 else [one for one in required if one in QUERY_NAMES]
    if value is not None and fields != ["user_msg"]:
        return Plan(_in_loop(workflow.run), (), value, call=f"{name}.run(**json(query))")
    if not fields:
        raise QueryNotAccepted(
            f"{name} cannot take the query: its start event needs {', '.join(own or ())}. Give the query as a JSON "
            "object of these."
        )
    call = f"{name}.run({', '.join(f'{one}=query' for one in fields)})"
    return Plan(_in_loop(workflow.run), (), dict.fromkeys(fields, query), call=call)


def _itself(target: Any, name: str, query: str) -> Plan:
    return Plan(target, (query,), call=f"{name}(query)")


def _in_loop(function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(**kwargs: object) -> object:
        return await function(**kwargs)

    return call


# package, what the object must have, how it is called. The first line that fits makes the plan.
FRAMEWORKS: Sequence[tuple[str, tuple[str, ...], Callable[[Any, str, str], Plan | None]]] = (
    ("click", ("main", "params"), command_plan),
    ("typer", ("registered_commands",), command_plan),
    ("agents", ("instructions", "handoffs"), _openai_agent),
    ("google", ("run_async", "sub_agents"), _adk_agent),
    ("dspy", ("named_predictors",), _dspy),
    ("langgraph", ("invoke",), _langgraph),
    ("langchain_core", ("invoke",), _runnable),
    ("langchain", ("invoke",), _runnable),
    ("crewai", ("kickoff",), _crew),
    ("haystack", ("run", "inputs"), _haystack),
    ("llama_index", ("chat",), _method("chat")),
    ("llama_index", ("query",), _method("query")),
    ("llama_index", ("run",), _workflow),
    ("workflows", ("run", "validate"), _workflow),
    ("semantic_kernel", ("get_response",), _method("get_response")),
    ("strands", ("__call__",), _itself),
    ("smolagents", ("run",), _method("run")),
    ("agno", ("run",), _method("run")),
    ("autogen_agentchat", ("run",), _method("run")),
    ("pydantic_ai", ("run_sync",), _method("run_sync")),
)


# --- Objects that wait for requests instead of answering a query: servers, and what adapts them to a platform


# Packages of servers and of what only describes them: nothing of theirs is called with a query.
SERVERS = frozenset(
    ("fastapi", "starlette", "flask", "quart", "aiohttp", "sanic", "gradio", "django", "tornado", "uvicorn", "bottle")
    + ("litestar", "bedrock_agentcore", "chainlit", "streamlit", "fastmcp", "mcp", "slack_bolt", "discord")
    + ("chalice", "mangum", "werkzeug", "aws_lambda_powertools")
)
SERVER_CLASSES = frozenset(("Chalice", "Mangum", "FastAPI", "Flask", "Starlette"))  # of whatever package
# Who gives these to a method starts a server. No `debug`: agents have that, too.
SERVER_PARAMETERS = frozenset(("host", "port", "reload", "workers", "use_reloader", "transport"))
SERVING = ("run", "arun", "run_sync")
ADAPTER_NAMES = ("app", "application", "handler", "lambda_handler")


def is_a_server(target: Any) -> bool:
    if families_of(target) & SERVERS:
        return True
    line = [one for one in type(target).__mro__ if one is not object]
    if any(one.__name__ in SERVER_CLASSES for one in line):
        return True
    return any(starts_a_server(vars(one)[name]) for one in line for name in SERVING if name in vars(one)) and not any(
        name in vars(one) for one in line for name in ("invoke", "ainvoke", "kickoff", "query", "chat", "ask", "answer")
    )


def starts_a_server(method: Any) -> bool:
    """`run(host=..., port=...)`: what takes an address and no query."""
    return serves(parameters_of(method)) if callable(method) else False


def serves(parameters: Sequence[Parameter] | None) -> bool:
    names = {plain_name(one.name) for one in parameters or () if not one.variadic}
    return bool(names & SERVER_PARAMETERS) and names.isdisjoint(QUERY_NAMES)


def is_an_adapter(name: str, target: Any) -> bool:
    """`app(event, context)`: an object that a platform calls, and which finds the function for the event itself."""
    call = next((vars(base)["__call__"] for base in type(target).__mro__ if "__call__" in vars(base)), None)
    if name not in ADAPTER_NAMES or call is None:
        return False
    names = [plain_name(one.name) for one in parameters_of(call) or ()][1:]
    return len(names) > 1 and names[0] in (*HANDLER_NAMES, "scope")


# --- What of a module is its own and what it only imports


ONLY_AST = 0x400  # ast.PyCF_ONLY_AST, without the import of ast
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


def is_own(module: ModuleType, source: str, name: str, target: Any) -> bool:
    """Whether the file makes it, and does not only import it."""
    if is_function(target) or issubclass(type(target), type):
        if getattr(target, "__module__", module.__name__) == module.__name__:
            return True
    elif source.startswith(f"{name} = ") or f"\n{name} = " in source:
        return True
    return name not in imported_names(source)  # a decorator may give it another home


def imported_names(source: str) -> set[str]:
    """What import statements of a file bind for the whole of it."""
    try:
        waiting: list[Any] = [compile(source, "agent.py", "exec", ONLY_AST, dont_inherit=True)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    found: set[str] = set()
    while waiting:
        node = waiting.pop()
        kind = type(node).__name__
        if kind in ("Import", "ImportFrom"):
            found.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif kind not in ("FunctionDef", "AsyncFunctionDef", "ClassDef", "Lambda"):
            for block in BLOCKS:
                inside = getattr(node, block, ())
                waiting.extend(inside if isinstance(inside, list) else ())
    return found


def is_of_python(target: Any) -> bool:
    """Whether it comes with Python, as `from subprocess import run` does: never anybody's agent."""
    one = target if is_function(target) or issubclass(type(target), type) else type(target)
    home = getattr(one, "__module__", None)
    return isinstance(home, str) and home.partition(".")[0] in sys.stdlib_module_names


# --- Functions that were registered with an app, as by `@app.entrypoint`: what a platform calls


REGISTERS = ("handler", "handlers", "entrypoint", "entrypoints", "_handler", "_handlers", "_entrypoint")
DECORATORS = ("entrypoint", "entry_point", "async_entrypoint", "agent_entrypoint")


def registered_functions(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """With their names. Of apps only: a tool has a handler, too, and a bus has many."""
    names = vars(module)
    for app in list(names.values()):
        kind = type(app)
        if kind is PlainFunction or issubclass(kind, (type, str, dict, list, type(module))) or not _is_an_app(app):
            continue
        attributes = attributes_of(app)
        for register in REGISTERS:
            kept = attributes.get(register)
            if kept is None:
                continue
            for function in kept.values() if type(kept) is dict else kept if type(kept) is list else (kept,):
                if type(function) is PlainFunction and function.__module__ == module.__name__:
                    yield (
                        next((name for name, value in names.items() if value is function), function.__name__),
                        function,
                    )


def _is_an_app(target: Any) -> bool:
    """Whether its class has the decorator for it."""
    if "bedrock_agentcore" in families_of(target):
        return True
    line = type(target).__mro__
    return any(callable(vars(one).get(name)) for one in line for name in DECORATORS)


# --- What a module offers to be called, and what of it plainly is the agent


AGENT_NAMES = (
    *("agent", "root_agent", "crew", "team", "graph", "workflow", "flow", "chain", "rag_chain", "pipeline", "app"),
    *("agent_executor", "executor", "assistant", "bot", "program", "query_engine", "chat_engine", "swarm"),
)
FUNCTION_NAMES = (
    *("run", "main", "handle", "handler", "lambda_handler", "invoke", "ask", "chat", "answer", "query", "process"),
    *(
        "execute",
        "solve",
        "respond",
        "call_agent",
        "run_agent",
        "ask_agent",
        "kickoff",
        "entrypoint",
        "agent_invocation",
    ),
)
# Functions that do a step of something as often as the whole of it; those of any unusual name do, too.
STEPS = frozenset(("process", "execute", "query", "handle", "respond", "solve", "invoke"))
PROGRAMS = frozenset(("click", "typer", "langgraph", "crewai", "dspy", "haystack"))  # all that runs there is the agent
ROLES = ("executor", "assistant", "bot")  # agents among others are called so, too
NO, WEAK, STRONG = range(3)


class Candidate:
    """One thing of a module that could be called."""

    def __init__(self, name: str, target: Any, fit: int, *, registered: bool = False) -> None:
        self.name = name
        self.target = target
        self.fit = fit
        self.registered = registered
        self.is_object = not is_function(target)
        self.is_class = issubclass(type(target), type)

    def __str__(self) -> str:
        if self.is_object:
            kind = self.target if issubclass(type(self.target), type) else type(self.target)
            return f"{self.name} ({type_name(kind)})"
        return self.name + shown_signature(parameters_of(self.target))


def fit_of(target: Any, *, without_query: bool, handler: bool = False) -> int:
    """How well the query fits in: STRONG where it has a place of a usual name."""
    if issubclass(type(target), type):  # not isinstance, here and elsewhere: a proxy is asked for its class by that
        return WEAK
    if is_function(target):
        return _fit_of_parameters(parameters_of(target), without_query=without_query, handler=handler)
    if is_a_server(target):
        return NO
    if is_of_a_framework(target) and not without_query:
        return STRONG
    fits = [_fit_of_parameters(parameters_of(method), without_query=without_query) for _, method in methods_of(target)]
    return max(fits, default=NO)


def _fit_of_parameters(parameters: Sequence[Parameter] | None, *, without_query: bool, handler: bool = False) -> int:
    if serves(parameters):
        return NO
    if without_query:
        return NO if any(one.required for one in parameters or ()) else STRONG
    place = place_of(parameters, handler=handler)
    return NO if isinstance(place, str) else STRONG if place.usual or handler else WEAK


def methods_of(target: Any) -> Iterator[tuple[str, Any]]:
    """What of an object may be called, in the order in which it is tried."""
    kind = type(target)
    for name in (*METHODS, "__call__", *MORE_METHODS):
        found = next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)
        if found is None or type(found) is property:  # by its class: an object may answer to any name
            continue
        if name in SERVING and starts_a_server(found):
            continue
        try:
            method = getattr(target, name)
        except Exception:  # what an agent's own descriptor does when asked
            continue
        if callable(method):
            yield name, method


def candidates_of(module: ModuleType, source: str, *, without_query: bool) -> tuple[list[Candidate], list[Candidate]]:
    """What is there under the usual names: of the file's own, and what it imports."""
    names = vars(module)
    found = [
        Candidate(name, one, fit_of(one, without_query=without_query, handler=True), registered=True)
        for name, one in registered_functions(module)
    ]
    known = {id(one.target) for one in found}
    imported: list[Candidate] = []
    for name in (*AGENT_NAMES, *FUNCTION_NAMES):
        target = names.get(name)
        if is_function(target) and names.get(own := getattr(target, "__name__", name)) is target:
            name = own  # of several names for one function its own
        if target is None or id(target) in known or not _can_be_called(target):
            continue
        known.add(id(target))
        is_ours = is_own(module, source, name, target)
        if is_ours or not is_of_python(target):
            one = Candidate(name, target, fit_of(target, without_query=without_query))
            (found if is_ours else imported).append(one)
    return found, imported


def _can_be_called(target: Any) -> bool:
    if issubclass(type(target), ModuleOfPython):
        return False
    return callable(target) or any(methods_of(target)) or is_of_a_framework(target)


def own_of(module: ModuleType, source: str, *, without_query: bool) -> list[Candidate]:
    """All that the file itself defines under public names."""
    return [
        Candidate(name, target, fit_of(target, without_query=without_query))
        for name, target in list(vars(module).items())
        if not name.startswith("_") and _can_be_called(target) and is_own(module, source, name, target)
    ]


def fallbacks_of(own: Sequence[Candidate], module: ModuleType) -> list[Candidate]:
    """Where no usual name is there: objects of frameworks and `..._agent`, then the file's only function or class that
    takes a query."""
    objects = [
        one
        for one in own
        if one.is_object
        and not one.is_class
        and one.fit
        and (
            _ends_like_an_agent(one.name)
            or _is_run_by_a_framework(one.target, module)
            or _is_called_an_agent(one.target)
        )
    ]
    if objects:
        kinds = {type(one.target) for one in objects}
        return [one for one in own if one in objects or (one.fit and type(one.target) in kinds)]
    functions = [one for one in own if not one.is_object]
    if functions:
        return functions if len(functions) == 1 and functions[0].fit == STRONG else []
    classes = [one for one in own if one.is_class]
    alone = len(classes) == 1 and not any(name in vars(module) for name in AGENT_NAMES)
    return classes if alone and _has_a_method(classes[0].target) else []


def _is_called_an_agent(target: Any) -> bool:
    return not is_of_a_framework(target) and type(target).__name__.lower().endswith("agent")


def _ends_like_an_agent(name: str) -> bool:
    return name.rpartition("_")[2] in AGENT_NAMES


def _is_run_by_a_framework(target: Any, module: ModuleType) -> bool:
    """An agent, a program or a command, not a model or a tool that comes from the same package."""
    if not is_of_a_framework(target):
        return False
    if families_of(target) & PROGRAMS or type(target).__module__ == module.__name__:
        return True
    return "agent" in type(target).__name__.lower()


def _has_a_method(kind: type) -> bool:
    return any(name in vars(kind) for name in (*METHODS, "__call__", *MORE_METHODS))


def decided(found: Sequence[Candidate], module: ModuleType) -> list[Candidate]:
    """Those of them that may be meant: one where it is plain, several where it is not, none where none fits."""
    fitting = [one for one in found if one.fit and not (one.name == "app" and one.is_object and one.fit < STRONG)]
    fitting = [one for one in fitting if not is_an_adapter(one.name, one.target)] or fitting
    registered = [one for one in fitting if one.registered]
    if len(fitting) < 2 or registered:
        return registered or fitting
    objects = [one for one in fitting if (one.is_object or one.name in AGENT_NAMES) and one.fit == STRONG]
    wrappers = [one for one in fitting if one not in objects and one.fit == STRONG and answers(one.target)]
    if objects and wrappers:
        wrappers = [one for one in wrappers if any(uses(one.target, other.target, module) for other in objects)]
    return _outermost(wrappers or objects, module) or _outermost(fitting, module)


def users_of(chosen: Candidate, module: ModuleType, source: str) -> list[Candidate]:
    """What else takes a query, answers, and uses the one that was chosen: is that only their helper?"""
    if chosen.registered or chosen.is_class or (chosen.is_object and chosen.name in AGENT_NAMES):
        return []
    found = []
    for name, target in list(vars(module).items()):
        if target is chosen.target or name.startswith("_") or name in FUNCTION_NAMES or not _can_use(target, module):
            continue
        one = Candidate(name, target, fit_of(target, without_query=False))
        if one.is_object and not one.is_class and one.fit == NO and _hears(type(target)):
            one.fit = STRONG
        if one.is_class:
            one.fit = STRONG if _has_a_method(target) and not _has_objects(target, module) else NO
        enough = WEAK if chosen.name in (*STEPS, "chat") else STRONG
        if one.fit >= enough and (one.is_object or answers(target)) and uses(target, chosen.target, module):
            found.append(one)
    found = [
        one
        for one in found
        if not uses(chosen.target, one.target, module) and is_own(module, source, one.name, one.target)
    ]
    return _outermost(found, module)


def _can_use(target: Any, module: ModuleType) -> bool:
    """Code of the module: of other objects nobody knows what they read."""
    if is_function(target):
        return True
    kind = target if issubclass(type(target), type) else type(target)
    return kind.__module__ == module.__name__


def _hears(kind: type) -> bool:
    """Whether a public method of a class takes a query under a usual name."""
    methods = [value for name, value in vars(kind).items() if not name.startswith("_") and is_function(value)]
    places = [place_of((parameters_of(one) or [])[1:]) for one in methods]
    return any(not isinstance(place, str) and place.usual for place in places)


def _has_objects(kind: type, module: ModuleType) -> bool:
    return any(type(value) is kind for value in list(vars(module).values()))


def peers_of(chosen: Candidate, own: Sequence[Candidate], module: ModuleType) -> list[Candidate]:
    """Others of the same class beside one that is called after a part which it may play among them."""
    if not chosen.is_object or chosen.name not in ROLES:
        return []
    peers = [one for one in own if type(one.target) is type(chosen.target) and one.fit]
    return [one for one in _outermost([chosen, *peers], module) if one.target is not chosen.target]


def imported_of(imported: Sequence[Candidate], own: Sequence[Candidate], module: ModuleType) -> list[Candidate]:
    """Of a file without anything of its own that plainly is the agent, what it imports: not where its own functions
    could be meant, which may use that as a helper."""
    fitting = [one for one in imported if one.fit]
    able = [one for one in own if one.fit == STRONG or (one.fit and not one.is_object)]
    able = [one for one in able if one.is_object or answers(one.target)]
    users = [one for one in able if any(uses(one.target, other.target, module) for other in fitting)]
    users = _outermost(users, module)
    if len(users) == 1 and users[0].fit == STRONG:
        return users
    if users:
        return [*users, *fitting]
    return [*fitting, *(one for one in able if one.fit == STRONG)] if fitting else []


def _outermost(several: Sequence[Candidate], module: ModuleType) -> list[Candidate]:
    """Without those that another of them uses or holds."""
    inner = {
        id(part)
        for part in several
        for whole in several
        if part is not whole and (uses(whole.target, part.target, module) or holds(whole.target, part.target))
    }
    return [one for one in several if id(one) not in inner] or list(several)


# --- Whether a function is only a part of a script: of code that reads its command line or its input by itself


READS = frozenset(("argv", "input", "stdin", "parse_args", "parse_known_args"))
# What only somebody who asks has. A text or a message is what any function may take.
ASKED = ("query", "question", "prompt", "task", "problem", "objective", "goal", "instruction", "request", "utterance")


def reads_its_input(source: str) -> bool:
    """Whether a file has a word of the command line or of the input anywhere; a first look that costs nothing."""
    return any(word in source for word in ("argv", "input(", "stdin", "parse_args", "parse_known_args"))


def is_part_of_a_script(name: str, function: Any, module: ModuleType, source: str) -> bool:
    """Such as `slugify(text)` of a file that prints `"About " + slugify(sys.argv[1])`: a call of it would pass, and say
    nothing of what the script does."""
    if not reads_its_input(source):
        return False
    place = place_of(parameters_of(function))
    if isinstance(place, str):
        return False
    parameter = plain_name(place.parameter.name)
    if answers(function) and (parameter == "q" or any(word in parameter for word in ASKED)):
        return False
    try:
        waiting: list[Any] = [compile(source, "agent.py", "exec", dont_inherit=True)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    names = vars(module)
    main = names.get("main")
    if is_function(main) and main is not function:
        waiting.append(code_behind(main))
    seen: set[str] = set()
    reads = used = False
    functions = False
    while waiting:
        code = waiting.pop()
        if code is None:
            continue
        reads = reads or not READS.isdisjoint(code.co_names)
        for read in names_of_code(code, inside=functions):
            used = used or read == name
            if read not in seen and read != name and is_function(names.get(read)):
                waiting.append(code_behind(names[read]))
            seen.add(read)
        functions = True
    return reads and used


# --- Whether a handler hands its payload to an agent as it is, which then wants text


def handed_on_as_text(function: Any, parameter: str, module: ModuleType) -> bool:
    """True where all that a function does with the parameter is to give it to an object of the module, as in
    `agent(payload)`: a platform's object would be of no use there. Reads its source; False where there is none."""
    import ast
    import inspect
    import textwrap

    try:
        with open(function.__code__.co_filename, encoding="utf-8") as file:
            lines = file.read().splitlines(True)
        text = "".join(inspect.getblock(lines[function.__code__.co_firstlineno - 1 :]))
        tree = ast.parse(textwrap.dedent(text))
    except Exception:  # no file, no source, or one that has changed: nothing is known
        return False
    given: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_an_object(node.func, module):
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
            given |= {id(value) for value in values if isinstance(value, ast.Name) and value.id == parameter}
    read = [
        id(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == parameter and isinstance(node.ctx, ast.Load)
    ]
    return bool(read) and all(one in given for one in read)


def _is_an_object(node: Any, module: ModuleType) -> bool:
    """`agent(...)`, `agent.run(...)` or `Runner.run(...)`: an object of the module, no function and no other module."""
    import ast

    while isinstance(node, ast.Attribute):
        node = node.value
    if not isinstance(node, ast.Name):
        return False
    value = vars(module).get(node.id)
    if isinstance(value, type):
        return node.id.endswith("Runner")
    return value is not None and not isinstance(value, (type(sys), type(handed_on_as_text)))


# --- What is said of a file that has nothing to call, and what its writer can do


AS_A_SCRIPT = (
    "run the file as a script with the entry point __main__ (-e __main__): the query then is its argument, its "
    "standard input and in ASSAY_QUERY, and what it prints is the answer"
)


def offers(target: Any) -> str:
    home = getattr(target, "__name__", "")
    found = (
        [
            name
            for name, value in vars(target).items()
            if not name.startswith("_")
            and ((callable(value) and _home_of(value, home) == home) or _is_an_agent(name, value))
        ]
        if hasattr(target, "__dict__")
        else []
    )
    return f"It defines {', '.join(found[:20])}." if found else "It defines nothing that can be called."


def _is_an_agent(name: str, value: Any) -> bool:
    """An object that would be taken if nothing were named."""
    if issubclass(type(value), (type, ModuleOfPython)) or is_function(value) or is_a_server(value):
        return False
    return is_of_a_framework(value) or (name in AGENT_NAMES and any(methods_of(value)))


def _home_of(value: Any, otherwise: str) -> object:
    try:
        return getattr(value, "__module__", otherwise)
    except Exception:  # a proxy of what is not there yet
        return None


def lacking(name: str, target: Any, module: ModuleType, source: str = "") -> str:
    """What is there under the name, and why that cannot be called."""
    said = f"{name!r} is in {file_of(module)}, but it is of the type {type_name(type(target))}"
    if is_a_server(target):
        said += ": a server, which is not started. Name the function that answers as the entry point"
    else:
        said += ": no function, and without a method to call (such as run_sync, invoke, run or __call__)"
    runner = next(
        (one for one, value in vars(module).items() if one.endswith("Runner") and issubclass(type(value), type)), ""
    )
    ways = [one for one in ("run_sync", "run") if hasattr(vars(module).get(runner), one)]
    if ways:
        said += (
            f". Where {runner} runs it, write a function that does: def run(query): return "
            f"{runner}.{ways[0]}({name}, query)"
        )
    elif not is_a_server(target):
        said += f". Write a function that runs it: def run(query): ... {name} ..."
    said += "."
    if source and has_a_main_guard(source):
        said += f" Or {AS_A_SCRIPT}."
    return said


def has_a_main_guard(source: str) -> bool:
    return "__name__" in source and "__main__" in source


# --- The entry point: what of an agent is called, and how the query gets into the call


MOST_CANDIDATES = 20


class EntrypointNotFound(Exception):
    """The message says what was looked for and what is there."""


class EntrypointAmbiguous(Exception):
    """The message names those that could be meant."""


class Entry:
    """What is called. Kept for the whole life of an agent, so that each query is bound anew."""

    def __init__(
        self,
        target: Any,
        name: str,
        module: ModuleType,
        source: str,
        *,
        named: bool = False,
        registered: bool = False,
        others: Sequence[str] = (),
    ) -> None:
        self.kind = "function"
        if issubclass(type(target), type):
            self.kind, target = "class", _crew_of(_made(target, name))
        elif type(target).__name__ == "method":
            self.kind = "method"
        elif not is_function(target):
            self.kind = "object"
        self.target = target
        self.name = name
        self.module = module
        self.source = source
        self.named = named
        self.registered = registered
        self.others = others
        self.signature = shown_signature(parameters_of(target)) if is_function(target) else ""
        self.plan: Plan | None = None

    def bind(self, query: str | None, *, test_id: str = "", timeout_s: float = 300.0, memory_mib: int = 0) -> Plan:
        """The call for this query. Raises QueryNotAccepted, and EntrypointNotFound for an object without a method."""

        def bound(function: Any, name: str) -> Plan:
            parameters = parameters_of(function)
            self.signature = shown_signature(parameters)
            return bind(
                function,
                name,
                parameters,
                query,
                scope=_scope_of(function, self.module),
                context=lambda: CallContext(test_id, timeout_s, memory_mib),
                session=test_id or "session",
                handler=self.registered,
                as_text=self._wants_text(function, parameters, query),
            )

        try:
            command = command_of(self.target) if query is not None else None
            if command is not None and query is not None:
                self.kind = "command"
                self.plan = command_plan(command, self.name, query)
            elif is_function(self.target):
                self.plan = bound(self.target, self.name)
            else:
                self.plan = _object_plan(self, bound, query)
        except QueryNotAccepted as refusal:
            if not self.named and has_a_main_guard(self.source):
                raise QueryNotAccepted(f"{refusal} Or {AS_A_SCRIPT}.") from None
            raise
        return self.plan

    def _wants_text(self, function: Any, parameters: Any, query: str | None) -> bool:
        if self.registered or query is None or not parameters or plain_name(parameters[0].name) not in HANDLER_NAMES:
            return False
        return json_object(query) is None and handed_on_as_text(function, parameters[0].name, self.module)

    def report(self) -> dict[str, object]:
        """For the result of the test: what was called and how. Sizes are bounded."""
        return {
            "name": f"{self.module.__name__}:{self.name}"[:200],
            "kind": self.kind,
            "signature": self.signature[:500],
            "call": (self.plan.call if self.plan else "")[:300],
            "query_passed": self.plan.query_passed if self.plan else False,
            "named": self.named,
            "candidates": [other[:200] for other in self.others[:MOST_CANDIDATES]],
        }


def _object_plan(entry: Entry, bound: Any, query: str | None) -> Plan:
    if query is not None:
        if is_of_a_framework(entry.target) and is_a_command(entry.target):
            entry.kind = "command"
        plan = framework_plan(entry.target, entry.name, query)
        if plan is not None:
            if not is_our_file(getattr(getattr(plan.function, "__code__", None), "co_filename", "")):
                entry.signature = shown_signature(parameters_of(plan.function))
            return plan
    found = [(name, method, parameters_of(method)) for name, method in methods_of(entry.target)]
    if not found or is_a_server(entry.target):
        raise EntrypointNotFound(lacking(entry.name, entry.target, entry.module))
    places = [place_of(parameters) for _, _, parameters in found]
    order = [index for index, place in enumerate(places) if not isinstance(place, str) and place.usual]
    order += [index for index, place in enumerate(places) if not isinstance(place, str) and not place.usual]
    if query is None:
        order = [
            index for index, (_, _, parameters) in enumerate(found) if not any(one.required for one in parameters or ())
        ]
    name, method, _ = found[order[0] if order else 0]
    if name == "__call__":
        return bound(entry.target, entry.name)  # type: ignore[no-any-return]
    return bound(method, f"{entry.name}.{name}")  # type: ignore[no-any-return]


def _made(kind: type, name: str) -> Any:
    try:
        return kind()
    except TypeError as error:
        if _is_from_inside(error):
            raise
        raise EntrypointNotFound(
            f"{name} is a class that cannot be made without arguments ({error}). Make one in the file, as in "
            f"agent = {name}(...)."
        ) from None


def _makes_crews(target: Any) -> bool:
    """Whether its class is one of crewai's @CrewBase, as `crewai create crew` lays projects out."""
    return getattr(type(target), "is_crew_class", None) is True


def _crew_of(target: Any) -> Any:
    """The crew that it makes, or the object itself."""
    return target.crew() if _makes_crews(target) else target


def _is_from_inside(error: BaseException) -> bool:
    """Whether code of the agent was running, and not only its call was refused."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return place is not None and not is_our_file(place.tb_frame.f_code.co_filename)


def _scope_of(function: Any, module: ModuleType) -> dict[str, Any]:
    for _ in range(50):
        inner = getattr(function, "__wrapped__", None) or getattr(function, "__func__", None)
        if inner is None:
            break
        function = inner
    if not hasattr(function, "__globals__") and not is_function(function):
        function = vars(type(function)).get("__call__", function)
    return getattr(function, "__globals__", None) or vars(module)


def find_entry(module: ModuleType, entrypoint: str | None, source: str, *, without_query: bool = False) -> Entry:
    """The thing to call: `module:name`, `name`, or what plainly is the agent of the file. Raises EntrypointNotFound,
    EntrypointAmbiguous, QueryNotAccepted where what is there takes no query."""
    if entrypoint:
        return _named(module, entrypoint, source)
    found, imported = candidates_of(module, source, without_query=without_query)
    usual = [one for one in found if one.fit and not is_an_adapter(one.name, one.target)]
    own: list[Candidate] = []
    if not usual or (len(usual) == 1 and usual[0].name in ROLES):
        own = own_of(module, source, without_query=without_query)
    if not usual:
        own = [one for one in own if not is_an_adapter(one.name, one.target)]
        fallbacks = fallbacks_of(own, module)
        lone = fallbacks if not any(one.is_object for one in fallbacks) else []
        among = imported_of(imported, own, module) if imported and len(lone) == len(fallbacks) else []
        adapters = [one for one in found if one.fit]
        if adapters and all(one.is_class for one in fallbacks):
            fallbacks = [one for one in own if one.fit == STRONG and not one.is_object]
        known = {id(one.target) for one in found}
        found = [*found, *(one for one in among or fallbacks if id(one.target) not in known)]
    chosen = decided(found, module)
    example = chosen[0].name if chosen else ""
    if len(chosen) == 1 and not without_query:
        users = users_of(chosen[0], module, source)
        example = users[0].name if users else example
        chosen = [*chosen, *users, *peers_of(chosen[0], own, module)]
    if len(chosen) > 1:
        raise EntrypointAmbiguous(
            f"{file_of(module)} has several things to call, and none of them plainly is the agent: "
            f"{', '.join(map(str, chosen[:MOST_CANDIDATES]))}. Name the one that is meant, as in "
            f"-e {module.__name__}:{example}."
        )
    if not chosen:
        return _unfit(module, found or imported, source)
    one = chosen[0]
    if not without_query and not one.registered and not one.is_object:
        _refuse_parts_of_scripts(one, module, source)
    others = [str(other) for other in found if other is not one and (other.fit or not other.is_object)]
    return Entry(one.target, one.name, module, source, registered=one.registered, others=others)


def _refuse_parts_of_scripts(one: Candidate, module: ModuleType, source: str) -> None:
    if one.name in FUNCTION_NAMES and one.name not in STEPS:
        return
    if is_part_of_a_script(one.name, one.target, module, source):
        raise EntrypointNotFound(
            f"{file_of(module)} is a script that reads its input by itself, and {one} may be a part of it only. Either "
            f"{AS_A_SCRIPT}; or name the function if it is the agent (-e {module.__name__}:{one.name})."
        )


def _unfit(module: ModuleType, found: Sequence[Candidate], source: str) -> Entry:
    """What can only say why it is not called; where there is nothing at all, what the file has instead."""
    able = [one for one in found if not is_a_server(one.target)]
    if len(able) == 1 or (able and all(one.fit == NO for one in able)):
        first = min(able, key=lambda one: one.is_object)  # binding it says what it lacks
        return Entry(first.target, first.name, module, source, others=[str(one) for one in able if one is not first])
    for name in AGENT_NAMES:
        target = vars(module).get(name)
        if target is not None and not issubclass(type(target), type(sys)):
            raise EntrypointNotFound(lacking(name, target, module, source))
    if has_a_main_guard(source):
        raise EntrypointNotFound(f"{file_of(module)} has nothing to call. You can {AS_A_SCRIPT}.")
    if not any(callable(value) for name, value in vars(module).items() if not name.startswith("__")):
        raise EntrypointNotFound(f"{file_of(module)} has nothing to call. If it is a script, {AS_A_SCRIPT}.")
    raise EntrypointNotFound(
        f"{file_of(module)} has nothing that plainly is the agent. {offers(module)} "
        f"Name a function run(query), or name yours as the entry point (-e {module.__name__}:my_function)."
        f"{f' Or {AS_A_SCRIPT}.' if reads_its_input(source) else ''}"
    )


def _named(module: ModuleType, entrypoint: str, source: str) -> Entry:
    where, colon, name = entrypoint.rpartition(":")
    target: Any = module
    home = module
    if colon and where != module.__name__:
        target = home = _import(where, module if where == "agent" else None)
        source = source if home is module else ""
    for part in name.split("."):
        if not hasattr(target, part):
            raise EntrypointNotFound(f"There is no {name!r} in {file_of(home)}. {offers(target)}")
        if isinstance(target, type) and type(vars(target).get(part)).__name__ == "function":
            target = _made(target, target.__name__)  # a method of a class is one of an object
        target = getattr(target, part)
    if name.endswith(".crew") and _makes_crews(getattr(target, "__self__", None)):
        target = target()
    if not (callable(target) or any(methods_of(target)) or is_of_a_framework(target)):
        raise EntrypointNotFound(lacking(name, target, home))
    return Entry(target, name, home, source, named=True)


def _import(name: str, otherwise: ModuleType | None) -> ModuleType:
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        if otherwise is not None and error.name == name:
            return otherwise
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise EntrypointNotFound(f"There is no module {error.name!r} for the entry point.") from None
        raise
    return sys.modules[name]


# --- What can be told of a value by its type alone: nothing that overrides attribute access is asked


class Unfit:
    """What a conversion gives back where it has nothing to say; the next one is tried."""


UNFIT = Unfit()


class Kind:
    """A type: the classes it is made of, and what they define."""

    def __init__(self, cls: type) -> None:
        line = [one for one in type.__dict__["__mro__"].__get__(cls) if one is not object]
        self.cls = cls
        self.classes = {(root_of(one), type.__dict__["__name__"].__get__(one)) for one in line}
        self.roots = {root for root, _ in self.classes}
        self.attributes = {name for one in line for name in type.__dict__["__dict__"].__get__(one)}


def root_of(cls: type) -> str:
    """The package that it comes from."""
    return module_of(cls).partition(".")[0]


def module_of(cls: type) -> str:
    module = type.__dict__["__module__"].__get__(cls)
    return module if isinstance(module, str) else ""


def is_a(package: str, *names: str) -> Callable[[Kind], bool]:
    """Of one of these classes of a package or made from one; without names: of anything of the package."""
    wanted = {(package, name) for name in names}
    if not names:
        return lambda kind: package in kind.roots
    return lambda kind: not wanted.isdisjoint(kind.classes)


def comes_from(*packages: str) -> Callable[[Kind], bool]:
    return lambda kind: not kind.roots.isdisjoint(packages)


def has(*attributes: str) -> Callable[[Kind], bool]:
    """Defines all of these, by itself or by what it is made from."""
    return lambda kind: kind.attributes.issuperset(attributes)


def part(value: Any, name: str) -> Any:
    """An attribute that an object really has, or UNFIT: objects that answer to every name are not believed."""
    if name in attributes_of(value):
        return getattr(value, name)
    line = type.__dict__["__mro__"].__get__(type(value))
    defined = [type.__dict__["__dict__"].__get__(one) for one in line]
    if any(name in one for one in defined):
        return getattr(value, name)
    if any("__pydantic_extra__" in one for one in defined) and name in (value.__pydantic_extra__ or ()):
        return getattr(value, name)
    return UNFIT


def at(value: Any, path: str) -> Any:
    """What lies there, or UNFIT: `choices.0.message.content`."""
    for name in path.split("."):
        if name.lstrip("-").isdigit():
            if not isinstance(value, (list, tuple)) or not value:
                return UNFIT
            value = value[int(name)]
        else:
            value = value.get(name, UNFIT) if type(value) is dict else part(value, name)
        if value is UNFIT or value is None:
            return UNFIT
    return value


def taken(path: str) -> tuple[str, Callable[[Any], Any]]:
    """What lies there, and how that is told."""
    return f".{path}", lambda value: at(value, path)


def said(path: str) -> tuple[str, Callable[[Any], Any]]:
    """As `taken`; a list of blocks as chat APIs have them becomes its text. Not where there are only calls of tools."""

    def say(value: Any) -> Any:
        found = words(at(value, path))
        return UNFIT if found == "" and at(value, "tool_calls") not in (UNFIT, [], ()) else found

    return f".{path}", say


def words(content: Any) -> Any:
    """The text of blocks; UNFIT where none has text. Anything else stays what it is."""
    if not isinstance(content, (list, tuple)) or not content:
        return UNFIT if isinstance(content, (list, tuple)) else content
    texts = [block if isinstance(block, str) else at(block, "text") for block in content]
    texts = [text for text in texts if isinstance(text, str)]
    return "".join(texts) if texts else UNFIT


def called(method: str) -> tuple[str, Callable[[Any], Any]]:
    """What this method gives, if that is anything, and how that is told."""

    def call(value: Any) -> Any:
        found = getattr(value, method)() if method in Kind(type(value)).attributes else None
        return UNFIT if found is None else found

    return method, call


# --- The final text or output inside the message and result objects of the frameworks


def fields_of_prediction(value: Any) -> object:
    """Of dspy: the only field, or all of them by name."""
    fields = value.toDict()
    return next(iter(fields.values())) if len(fields) == 1 else fields


def delta(value: Any) -> object:
    """The text that a piece of a stream adds, as the clients of chat APIs have them; nothing in pieces without."""
    kind = at(value, "type")
    if kind in ("response.output_text.delta", "content_block_delta"):
        text = at(value, "delta")
        text = text if isinstance(text, str) else at(text, "text")
        return text if isinstance(text, str) else ""
    if isinstance(kind, str) and (kind.startswith(("response.", "content_block_", "message_")) or kind == "text"):
        return ""  # the end of a response has the whole text again; so has `text` of Anthropic's helper
    name = type(value).__name__
    if not name.endswith("Chunk") and name != "ModelResponseStream":  # litellm's
        return UNFIT
    text = at(value, "choices.0.delta.content")
    return text if isinstance(text, str) else ""


def nothing_but_chunks(kind: Kind) -> bool:
    return not kind.roots.isdisjoint(CHAT_CLIENTS) and any(
        name.endswith(("Chunk", "Event", "ModelResponseStream")) for _, name in kind.classes
    )


CHAT_CLIENTS = (
    *("openai", "litellm", "groq", "mistralai", "together", "fireworks", "cerebras", "azure", "huggingface_hub"),
    *("xai_sdk", "ai21", "portkey_ai", "zhipuai", "dashscope", "ollama", "cohere", "anthropic"),
)


def framework_answers() -> tuple[tuple[Callable[[Kind], bool], str, Callable[[Any], Any]], ...]:
    """Which objects, how it is told in the notes, what is taken; the first that gives something counts.

    Made when it is first needed: most answers are plain JSON, and every test pays for what is made at the start."""
    return (
        (nothing_but_chunks, ".delta", delta),
        (is_a("strands", "AgentResult"), *taken("structured_output")),
        (is_a("strands", "AgentResult"), "str", lambda value: str(value).rstrip("\n")),
        (is_a("agents", "RunResultBase"), *taken("final_output")),
        (is_a("pydantic_ai", "AgentRunResultEvent"), *taken("result")),
        (is_a("pydantic_ai"), *taken("output")),
        (is_a("pydantic_ai", "ModelResponse"), *said("parts")),
        (is_a("langchain_core", "BaseMessage"), *said("content")),
        (is_a("langchain_core", "LLMResult"), *taken("generations.0.0.text")),
        (is_a("langchain_core", "ChatResult"), *taken("generations.0.text")),
        (is_a("langchain_core", "Generation"), *taken("text")),
        (is_a("langchain_core", "AgentFinish"), *taken("return_values")),
        (is_a("langchain_core", "PromptValue"), *called("to_string")),
        (is_a("crewai", "CrewOutput", "TaskOutput", "LiteAgentOutput"), *taken("json_dict")),
        (is_a("crewai", "CrewOutput", "TaskOutput", "LiteAgentOutput"), *taken("pydantic")),
        (is_a("crewai", "CrewOutput", "TaskOutput", "LiteAgentOutput"), *taken("raw")),
        (is_a("dspy", "Prediction"), "toDict", fields_of_prediction),
        (is_a("agno"), *said("content")),
        (is_a("phi"), *said("content")),
        (is_a("autogen_agentchat", "TaskResult"), *taken("messages.-1")),
        (is_a("autogen_agentchat", "Response"), *taken("chat_message")),
        (comes_from("autogen_agentchat", "autogen_core"), *said("content")),
        (is_a("autogen", "ChatResult"), *taken("summary")),
        (is_a("agent_framework"), *taken("text")),
        (is_a("haystack", "ChatMessage"), *taken("text")),
        (is_a("llama_index", "StreamingResponse"), *called("get_response")),
        (is_a("llama_index", "StreamingAgentChatResponse"), "response_gen", lambda value: "".join(value.response_gen)),
        (is_a("llama_index", "Response", "AgentChatResponse", "AgentOutput"), *taken("response")),
        (is_a("llama_index", "ChatResponse"), *taken("message")),
        (is_a("llama_index", "ChatMessage"), *said("content")),
        (is_a("llama_index", "CompletionResponse"), *taken("text")),
        (is_a("workflows", "StopEvent"), *taken("result")),
        (is_a("llama_index", "StopEvent"), *taken("result")),
        (is_a("smolagents", "RunResult", "FinalAnswerStep"), *taken("output")),
        (is_a("smolagents", "ChatMessage"), *said("content")),
        (is_a("google", "Event"), *taken("content")),
        (is_a("google", "Content"), *said("parts")),
        (is_a("google", "GenerateContentResponse"), *taken("text")),
        (is_a("semantic_kernel", "AgentResponseItem"), *taken("message")),
        (is_a("semantic_kernel", "ChatMessageContent"), *taken("content")),
        (is_a("semantic_kernel", "FunctionResult"), "str", str),
        (is_a("openai", "Response"), *taken("output_text")),
        (is_a("openai", "ChatCompletionMessage"), *taken("parsed")),
        (is_a("openai", "ChatCompletionMessage"), *said("content")),
        (is_a("anthropic", "TextBlock"), *taken("text")),
        (is_a("anthropic", "Message"), *said("content")),
        (comes_from(*CHAT_CLIENTS), *taken("choices.0.message.parsed")),
        (comes_from(*CHAT_CLIENTS), *said("choices.0.message.content")),
        (comes_from(*CHAT_CLIENTS), *said("choices.0.text")),
        (comes_from("ollama", "cohere"), *said("message.content")),
        (comes_from("ollama"), *taken("response")),
        (comes_from("cohere"), *taken("text")),
        (is_a("camel", "ChatAgentResponse"), *taken("msgs.-1.content")),
        (is_a("swarm", "Response"), *taken("messages.-1.content")),
        (is_a("griptape"), *taken("output")),
        (is_a("mirascope"), *said("content")),
        (is_a("browser_use", "AgentHistoryList"), *called("final_result")),
        (is_a("mcp", "CallToolResult"), *taken("structuredContent")),
        (is_a("mcp", "CallToolResult"), *said("content")),
        (is_a("mcp", "TextContent"), *taken("text")),
        (is_a("requests", "Response"), *called("json")),
        (is_a("requests", "Response"), *taken("text")),
        (is_a("httpx", "Response"), *called("json")),
        (is_a("httpx", "Response"), *taken("text")),
    )


# --- Tables, arrays and images, as lists and text; none of their packages is imported


MOST_ROWS = 200_000  # taken of a table or an array: more than any answer holds


class Each:
    """Values to be taken one by one, as far as there is room; `total` of them, where that is known."""

    def __init__(self, values: Iterable[Any], total: int | None = None) -> None:
        self.values = values
        self.total = total


class EachOfAStream:
    """Values that an asynchronous iteration gives, to be taken in the agent's loop."""

    def __init__(self, values: Any) -> None:
        self.values = values


class Later:
    """A value that has to be waited for: `get` takes the agent's loop, or None; it gives UNFIT where it needs one."""

    def __init__(self, get: Callable[[Any], Any]) -> None:
        self.get = get


def table_rows(value: Any) -> object:
    """A pandas DataFrame as a list of objects; an index that says something becomes a column."""
    total = len(value)
    value = value.head(max(1, MOST_ROWS * 10 // max(1, len(value.columns))))
    if type(value.index).__name__ != "RangeIndex":
        value = value.reset_index()
    if len(set(value.columns)) != len(value.columns):  # names that come twice would be lost in an object
        return {"columns": value.columns.tolist(), "rows": value.values.tolist()}
    return Each(value.to_dict("records"), total)


def series(value: Any) -> object:
    total = len(value)
    value = value.head(MOST_ROWS)
    if type(value.index).__name__ == "RangeIndex" or not value.index.is_unique:
        return Each(value.tolist(), total)
    return {key: value.iloc[place] for place, key in enumerate(value.index.tolist())}


def array(value: Any) -> object:
    """Of numpy, torch, jax, array: numbers as numbers; times, which numpy would give as integers, as text."""
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind in ("M", "m"):
        value = value.astype(str)
    if not getattr(value, "shape", (1,)):
        found = value.tolist()
        return UNFIT if type(found) is type(value) else found  # of a precision that Python has not
    total = len(value)
    size = getattr(value, "size", total)
    size = size if isinstance(size, int) else value.numel()
    if size > MOST_ROWS * 10:
        value = value[: max(1, total * MOST_ROWS * 10 // size)]
    return Each(value.tolist(), total)


def scalar(value: Any) -> object:
    """Of numpy. Its times are text: as an integer nobody knows in which unit they are."""
    if value.dtype.kind in ("M", "m"):
        text = str(value)
        return None if text == "NaT" else text
    found = value.item()
    return UNFIT if type(found) is type(value) else found  # of a precision that Python has not


def base64(value: Any) -> str:
    from binascii import b2a_base64

    return b2a_base64(bytes(value), newline=False).decode("ascii")


def picture(value: Any) -> str:
    """An image of PIL or a figure of matplotlib as the base64 of a PNG."""
    from io import BytesIO

    data = BytesIO()
    (value.savefig if hasattr(type(value), "savefig") else value.save)(data, format="PNG")
    return base64(data.getvalue())


# --- Values that are not there at once: coroutines, futures, asynchronous streams, and what a stream has given


DEEP = 4  # levels of lists and dictionaries in a piece of a stream


def of_coroutine(value: Any) -> Later:
    """And everything else that can be awaited."""

    def get(loop: Any) -> object:
        return UNFIT if loop is None else loop.complete(_awaited(value))

    return Later(get)


async def _awaited(value: Any) -> object:
    return await value


def never_awaited(value: Any) -> str:
    name = part(value, "__qualname__")
    value.close()
    return f"[a coroutine that was not awaited: {name}]"


def of_future(value: Any) -> object:
    """Of asyncio or concurrent.futures: what is in it, waited for where that is not there yet."""
    if value.done():
        problem = value.exception()
        return value.result() if problem is None else problem
    if not hasattr(type(value), "get_loop"):
        return Later(lambda _: value.result())

    def get(_: Any) -> object:
        loop = value.get_loop()
        return UNFIT if loop.is_running() or loop.is_closed() else loop.run_until_complete(value)

    return Later(get)


def of_stream(value: Any) -> EachOfAStream:
    return EachOfAStream(value)


async def all_awaited(value: Any, deep: int = DEEP) -> Any:
    """What it gives, and in lists, tuples and dictionaries what their members give."""
    for _ in range(10):  # a coroutine may give a coroutine, or a task
        if not hasattr(type(value), "__await__"):
            break
        value = await value
    if deep and type(value) in (list, tuple):
        return [await all_awaited(one, deep - 1) for one in value]
    if deep and type(value) is dict:
        return {key: await all_awaited(one, deep - 1) for key, one in value.items()}
    return value


class Collected:
    """What an agent gave piece by piece: as plain data already, with the notes on it."""

    def __init__(self, plain: object, answering: Any, usage: object = None) -> None:
        self.plain = plain
        self.answering = answering
        self.usage = usage  # what the last piece that knew said of tokens


# --- Values of Python's own library


def moment(value: Any) -> object:
    """ISO 8601 as pydantic writes it: UTC is Z. Nothing for pandas' NaT."""
    text = value.isoformat()
    if text == "NaT":
        return None
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text


def period(value: Any) -> str:
    """ISO 8601, as pydantic writes it: P1DT2H, PT0.5S, -P1D, P1Y for 365 days."""
    micros = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    seconds, micros = divmod(micros, 1_000_000)
    days, seconds = divmod(seconds, 86_400)
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    fraction = f".{micros:06}".rstrip("0") if micros else ""
    time = "".join(f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M")) if count)
    time += f"{seconds}{fraction}S" if seconds or fraction else ""
    years, days = divmod(days, 365)
    day = (f"{years}Y" if years else "") + (f"{days}D" if days else "")
    return f"{sign}P{day}T{time}" if time else f"{sign}P{day or 'T0S'}"


def error(value: BaseException) -> str:
    text = str(value)
    return f"{type_name(type(value))}: {text}" if text else type_name(type(value))


def group_of_errors(value: Any) -> object:
    """Of an ExceptionGroup: what it says, and each of its exceptions."""
    return {"error": f"{type_name(type(value))}: {value.message}", "exceptions": list(value.exceptions)}


def file_mark(value: Any) -> str:
    """It may be endless, or be read by somebody else."""
    name = part(value, "name")
    return f"[an open file: {name}]" if isinstance(name, (str, int)) else "[an open file]"


def is_a_file(kind: Kind) -> bool:
    return kind.attributes >= {"read", "close"} and (
        is_a("_io", "_IOBase")(kind) or is_a("tempfile", "_TemporaryFileWrapper", "SpooledTemporaryFile")(kind)
    )


# --- Responses of web frameworks, as what they would send


def is_a_response(kind: Kind) -> bool:
    """Of Starlette (and FastAPI), Flask, Django, aiohttp."""
    return (
        is_a("starlette", "Response")(kind)
        or is_a("werkzeug", "Response")(kind)
        or is_a("django", "HttpResponseBase")(kind)
        or is_a("aiohttp", "Response", "StreamResponse")(kind)
    )


def body_of_response(value: Any) -> object:
    """The JSON in it, or its text, or its bytes; a mark where it is sent piece by piece or from a file."""
    kind = Kind(type(value))
    if is_a("werkzeug", "Response")(kind):
        raw = UNFIT if value.is_streamed else value.get_data()
    else:
        raw = part(value, "content" if "django" in kind.roots else "body")
    if not isinstance(raw, (bytes, bytearray, memoryview)):
        path = part(value, "path")
        return f"[a response from the file {path}]" if isinstance(path, str) else "[a response that is streamed]"
    try:
        text = bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        return bytes(raw)
    try:
        return from_json(text)
    except (ValueError, RecursionError):
        return text


# --- From values that JSON has no form for to values that it has: one table, in a closed order


MOST_TYPES = 2000  # remembered
ITEMS = "[items]"  # no name of an attribute
BESIDE_A_TEXT = ("role", "type", "usage")


class Fields(dict):  # type: ignore[type-arg]
    """Attributes by name: a dictionary whose places are told as `.name`."""


def dumped(value: Any) -> object:
    """A pydantic model; where it holds what pydantic cannot write as JSON, its fields, to be converted by us."""
    try:
        return value.model_dump(mode="json")
    except Exception:
        return value.model_dump()


def fields(value: Any, names: Iterable[str]) -> Fields:
    """Those that are there; one that cannot be read does not cost the others."""
    found = Fields()
    for name in names:
        try:
            found[name] = getattr(value, name)
        except AttributeError:
            continue
        except Exception as problem:
            found[name] = f"[cannot be read: {type_name(type(problem))}]"
    return found


def fields_of_dataclass(value: Any) -> Fields:
    declared = type(value).__dataclass_fields__
    return fields(value, [name for name, one in declared.items() if one._field_type.name == "_FIELD"])


def message_of_protobuf(value: Any) -> object:
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(value)


def decoded(name: str) -> tuple[str, Any]:
    """A method that gives JSON text, or already what is in it."""

    def decode(value: Any) -> object:
        found = getattr(value, name)()
        return from_json(found) if isinstance(found, str) else UNFIT

    return name, decode


def plain_result(method: str) -> tuple[str, Any]:
    """What it gives, if that is data."""
    how, call = called(method)

    def data(value: Any) -> object:
        found = call(value)
        return found if isinstance(found, (dict, list, tuple)) else UNFIT

    return how, data


def items(value: Any) -> object:
    return {key: value[key] for key in value.keys()}  # noqa: SIM118 - of no dict, which may iterate over something else


def is_of_the_agent(kind: Kind) -> bool:
    """Of the agent's code: neither Python's nor from an installed package, whose objects hold clients and keys."""
    path = str(getattr(sys.modules.get(module_of(kind.cls)), "__file__", None) or "")
    return path != "" and not any(place in path for place in ("/site-packages/", "/dist-packages/", "/lib/python"))


def public_attributes(value: Any) -> object:
    slots = [name for one in type(value).__mro__ for name in _slots_of(one)]
    names = [name for name in (*attributes_of(value), *slots) if isinstance(name, str) and not name.startswith("_")]
    return fields(value, names) or UNFIT


def attributes_and_items(value: Any) -> object:
    """Of an object of the agent that can be iterated over and has attributes, too: neither is lost."""
    found = public_attributes(value)
    if not isinstance(found, Fields) or ITEMS in found:
        return UNFIT
    try:
        found[ITEMS] = Each(iter(value))
    except Exception:  # it has the method and does not mean it
        pass
    return found


def without_items_told_twice(found: dict[str, Any]) -> dict[str, Any]:
    """Most iterations are over one of the attributes, or over all of them."""
    if ITEMS not in found:
        return found
    items = found.pop(ITEMS)
    told = [list(one) if isinstance(one, dict) else one for one in found.values()]
    if items and items not in told and items not in ([[name, one] for name, one in found.items()], list(found)):
        found[ITEMS] = items
    return found


def text_of_a_message(name: str) -> tuple[str, Any]:
    """The text in an object of the agent that is a message and nothing else, as those of chat APIs are."""
    how, take = said(name)

    def text(value: Any) -> Any:
        attributes = public_attributes(value)
        names = set(attributes) if isinstance(attributes, Fields) else set()
        return take(value) if names <= {name, *BESIDE_A_TEXT} else UNFIT

    return how, text


def _slots_of(cls: type) -> tuple[str, ...]:
    slots = cls.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def is_iterable(kind: Kind) -> bool:
    """But no file, which would be read, and no type."""
    return "__iter__" in kind.attributes and not kind.attributes & {"read", "fileno", "__subclasscheck__"}


def is_iterable_of_the_agent(kind: Kind) -> bool:
    return is_iterable(kind) and "__next__" not in kind.attributes and is_of_the_agent(kind)


def is_foreign(kind: Kind) -> bool:
    return not is_of_the_agent(kind)


def data_conversions() -> tuple[Any, ...]:
    return (
        *framework_answers(),
        (is_a("unittest", "NonCallableMock"), "repr", repr),  # answers to every name
        (has("__subclasscheck__"), "repr", repr),  # a type
        (has("model_dump"), "model_dump", dumped),
        (has("__fields__", "dict"), *called("dict")),  # pydantic 1
        (has("__dataclass_fields__"), "its fields", fields_of_dataclass),
        (
            has("__attrs_attrs__"),
            "its fields",
            lambda value: fields(value, [one.name for one in value.__attrs_attrs__]),
        ),
        (has("__struct_fields__"), "its fields", lambda value: fields(value, value.__struct_fields__)),  # msgspec
        (has("DESCRIPTOR", "ListFields"), "MessageToDict", message_of_protobuf),
        (has("_fields", "_asdict"), "its fields", lambda value: fields(value, value._fields)),  # a NamedTuple
    )


def value_conversions() -> tuple[Any, ...]:
    """Of what is no dictionary, list or tuple."""
    return (
        (is_a("builtins", "bytes", "bytearray", "memoryview"), "base64", base64),
        (is_a("pandas", "DataFrame"), "a list of its rows", table_rows),
        (is_a("pandas", "Series"), "tolist", series),
        (is_a("pandas", "NaTType", "NAType"), "null", lambda _: None),
        (has("to_dicts", "to_series"), *called("to_dicts")),  # polars
        (has("to_list", "to_frame", "len"), *called("to_list")),  # polars
        (has("to_pylist"), *called("to_pylist")),  # pyarrow
        (is_a("numpy", "generic"), "item", scalar),
        (has("tolist"), "tolist", array),
        (is_a("enum", "Enum"), ".value", lambda value: value._value_),
        (is_a("datetime", "datetime", "date", "time"), "isoformat", moment),
        (is_a("datetime", "timedelta"), "ISO 8601", period),
        (is_a("decimal", "Decimal"), "str", str),
        (is_a("fractions", "Fraction"), "str", str),
        (is_a("uuid", "UUID"), "str", str),
        (is_a("pathlib", "PurePath"), "str", str),
        (is_a("ipaddress"), "str", str),
        (is_a("re", "Pattern"), *taken("pattern")),
        (is_a("builtins", "complex"), "str", lambda value: str(value).strip("()")),
        (has("derive", "exceptions", "split", "subgroup"), "its exceptions", group_of_errors),
        (is_a("builtins", "BaseException"), "str", error),
        (is_a("builtins", "set", "frozenset"), "a sorted list", sorted),
        (is_a("builtins", "set", "frozenset"), "a list", list),
        (is_a("collections", "UserString"), "str", str),
        (is_a("PIL", "Image"), "base64 of a PNG", picture),
        (is_a("matplotlib", "Figure"), "base64 of a PNG", picture),
        (is_a_response, "its body", body_of_response),
        (has("result", "done", "add_done_callback"), "its result", of_future),
        (has("cr_frame", "close"), "awaited", of_coroutine),
        (has("cr_frame", "close"), "a mark", never_awaited),
        (is_a("_io", "StringIO", "BytesIO"), *called("getvalue")),
        (is_a_file, "a mark", file_mark),
        (is_a("types", "SimpleNamespace"), "its attributes", public_attributes),
        (is_a("argparse", "Namespace"), "its attributes", public_attributes),
        (has("_asdict"), *plain_result("_asdict")),
        (has("to_dict"), *plain_result("to_dict")),
        (has("toDict"), *plain_result("toDict")),
        (has("as_dict"), *plain_result("as_dict")),
        (has("asdict"), *plain_result("asdict")),
        (has("dict"), *plain_result("dict")),
        (has("to_json"), *decoded("to_json")),
        (has("json"), *decoded("json")),
        (has("keys", "__getitem__"), "its items", items),
        (has("__await__"), "awaited", of_coroutine),
        (has("__aiter__", "__anext__"), "a list", of_stream),
        (is_iterable_of_the_agent, "its attributes", attributes_and_items),
        (is_iterable, "a list", Each),
        (is_foreign, *taken("final_output")),
        (is_foreign, *taken("output")),
        (is_foreign, *said("content")),
        (is_of_the_agent, *text_of_a_message("final_output")),
        (is_of_the_agent, *text_of_a_message("output")),
        (is_of_the_agent, *text_of_a_message("content")),
        (has("__str__"), "str", str),
        (is_of_the_agent, "its attributes", public_attributes),
        (has("__repr__"), "repr", repr),
    )


_tables: list[tuple[Any, ...]] = []  # of data, and of everything; made when they are first needed
_known: dict[type, tuple[tuple[str, Any], ...]] = {}


def conversions_for(cls: type) -> tuple[tuple[str, Any], ...]:
    """What may be done with values of this type, in order: how it is told, and the function."""
    found = _known.get(cls)
    if found is None:
        if not _tables:
            data = data_conversions()
            _tables.extend((data, data + value_conversions()))
        kind, table = Kind(cls), _tables[not issubclass(cls, (dict, list, tuple))]
        found = tuple((how, convert) for applies, how, convert in table if applies(kind))
        if len(_known) < MOST_TYPES:
            _known[cls] = found
    return found


# --- Cuts plain data to a size as JSON: the longest texts first, then what stands last


SHORTEST = 1000  # bytes that a text keeps before lists and objects are cut
MARK = 80  # bytes that a mark may have


def json_size(value: object) -> int:
    """Bytes as JSON in UTF-8."""
    if type(value) is int:  # of which lists may have very many
        return len(int.__repr__(value))
    return len(to_json(value).encode("utf-8"))


def fitted(value: Any, limit: int) -> tuple[Any, list[tuple[str, str, str]]]:
    """The value with marks where something is cut, and what was cut: where in the answer, of which type, what was done.

    `limit`: bytes, some hundreds at least."""
    cuts: list[tuple[str, str, str]] = []
    sizes = sorted(sizes_of_texts(value), reverse=True)
    longest = longest_text(sizes, json_size(value) - limit)
    if sizes and sizes[0] > longest + MARK:
        value = with_shorter_texts(value, longest, "", cuts)
    if json_size(value) > limit:
        value = beginning_of(value, limit, "", cuts)
    return value, cuts


def sizes_of_texts(value: Any) -> Iterator[int]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield json_size(one)
        elif isinstance(one, (list, dict)):
            waiting.extend(one.values() if isinstance(one, dict) else one)


def longest_text(sizes: list[int], excess: int) -> int:
    """How many bytes a text may have so that cutting the longer ones saves so many."""
    above = 0
    for count, size in enumerate(sizes, 1):
        above += size
        each = (above - excess) // count - MARK
        if each < SHORTEST:
            continue
        if count == len(sizes) or each >= sizes[count]:
            return each
    return SHORTEST


def with_shorter_texts(value: Any, longest: int, path: str, cuts: list[tuple[str, str, str]]) -> Any:
    if isinstance(value, str):
        return shortened(value, longest, path, cuts) if json_size(value) > longest + MARK else value
    if isinstance(value, list):
        return [with_shorter_texts(item, longest, f"{path}[{index}]", cuts) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {key: with_shorter_texts(item, longest, f"{path}[{key!r:.80}]", cuts) for key, item in value.items()}
    return value


def shortened(text: str, limit: int, path: str, cuts: list[tuple[str, str, str]]) -> str:
    kept = text[:limit]
    while kept and (size := json_size(kept)) > limit:  # what is longer than the average may stand at the beginning
        kept = kept[: min(len(kept) - 1, len(kept) * limit // size)]
    cuts.append((path, "str", f"cut: {len(kept):,} of {len(text):,} characters"))
    return f"{kept} [cut: {len(kept):,} of {len(text):,} characters]"


def beginning_of(value: Any, room: int, path: str, cuts: list[tuple[str, str, str]]) -> Any:
    """As much of it as has room: of few items a fair share of each, of many those at the beginning."""
    if isinstance(value, str):
        return shortened(value, max(1, room - MARK), path, cuts)
    if not isinstance(value, (list, dict)):
        return value
    by_name = isinstance(value, dict)
    left = room - 2 - MARK
    sizes = [json_size(item) + (json_size(key) + 2 if by_name else 1) for key, item in _items(value)]
    share = _share(sizes, left)
    kept: list[tuple[Any, Any]] = []
    for (key, item), size in zip(_items(value), sizes):  # noqa: B905 - Python 3.9 knows no `strict`
        allowed = left if share is None else share
        if size > allowed and (allowed < 4 * MARK or not isinstance(item, (str, list, dict))):
            if by_name:
                continue
            break
        if size > allowed:
            where = f"{path}[{key!r:.80}]"
            item = beginning_of(item, allowed - (json_size(key) + 2 if by_name else 1), where, cuts)
            size = allowed
        kept.append((key, item))
        left -= size
    more = len(value) - len(kept)
    if more:
        kept.append(("[cut]", f"[cut: {more:,} more]"))
        cuts.append((path, type(value).__name__, f"cut: {len(value) - more:,} of {len(value):,}"))
    return dict(kept) if by_name else [item for _, item in kept]


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    yield from value.items() if isinstance(value, dict) else enumerate(value)


def _share(sizes: list[int], room: int) -> int | None:
    """How much each of the large items may have, so that all go in; None where that would be little."""
    above = sum(sizes)
    for rank, size in enumerate(sorted(sizes)):
        each = (room - (sum(sizes) - above)) // (len(sizes) - rank)
        if each < size:
            return each if each >= SHORTEST else None
        above -= size
    return None


# --- Notes on what was made of values that are not plain JSON: where, of which type, and how


MAX_NOTES = 100
MAX_PATH = 300  # characters
NESTED = "The answer is nested more than 64 levels deep, or contains itself, at {where}"
HALF = "{where} holds half a surrogate pair: not Unicode text"
REFUSAL = "{where} is a {kind}: not something that JSON can hold"


class Note:
    """What was made of a value that is not plain JSON, and of `more` others like it."""

    def __init__(self, path: str, kind: str, how: str, refusal: str) -> None:
        self.path = path
        self.kind = kind
        self.how = how
        self.refusal = refusal  # what a strict test says of it
        self.more = 0


def unwarned(work: Callable[[], Any]) -> Any:
    """What libraries warn of when we look into their objects is no output of the agent."""
    warnings = sys.modules.get("warnings")
    if warnings is None:
        return work()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return work()


def written(place: tuple[Any, ...], *, general: bool = False) -> str:
    """`answer['due'][3].total`; in general `['due'][*].total`, of which the end is enough to tell places apart."""
    parts: list[str] = []
    while place and not (general and len(parts) == 8):
        place, key, attribute = place
        text = f".{key}" if attribute else "[*]" if general and type(key) is int else f"[{key!r}]"
        parts.append(text if len(text) <= 80 else f"{text[:70]}…{text[-9:]}")
    path = "answer" + "".join(reversed(parts))
    return path if len(path) <= MAX_PATH else f"{path[: MAX_PATH // 2]}…{path[1 - MAX_PATH // 2 :]}"


def named(kind: type) -> str:
    try:
        return type_name(kind)
    except Exception:  # a type that lies about its own name
        return "?"


class Notes:
    """At most 100 of them; those on values that are alike are one. With `strict` the first one is a NotJson."""

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self._notes: dict[tuple[str, str, str], Note] = {}  # by a path in which all places of a list are one
        self._unlisted = 0

    def told(self) -> list[dict[str, str]]:
        """The last one is how many there are beside."""
        told = [
            {"path": note.path, "type": note.kind, "how": note.how + (f", and {note.more:,} more" if note.more else "")}
            for note in self._notes.values()
        ]
        if self._unlisted:
            told.append({"path": "answer", "type": "", "how": f"{self._unlisted:,} more conversions, not listed"})
        return told

    def add(self, place: tuple[Any, ...], kind: type, how: str, refusal: str) -> None:
        general, name = written(place, general=True), named(kind)
        alike = None if self.strict else self._notes.get((general, name, how))
        if alike is not None:
            alike.more += 1
        elif len(self._notes) >= MAX_NOTES - 1 and not self.strict:
            self._unlisted += 1
        else:
            path = written(place)
            refused = refusal.format(where=path, kind=name) + "."
            if self.strict:
                raise NotJson(refused)
            self._notes[general, name, how] = Note(path, name, how, refused)

    def take(self, other: Notes) -> None:
        for (general, _, _), note in other._notes.items():
            if self.strict:
                raise NotJson(note.refusal)
            self.keep(note, general)
        self._unlisted += other._unlisted

    def keep(self, note: Note, general: str) -> None:
        alike = self._notes.get((general, note.kind, note.how))
        if alike is not None:
            alike.more += 1 + note.more
        elif len(self._notes) < MAX_NOTES - 1:
            self._notes[general, note.kind, note.how] = note
        else:
            self._unlisted += 1 + note.more


# --- How long the objects in an answer may take to say what they are: the answer is not lost to one of them


MOST_S = 30.0  # for one object to be written; a stream may take as long as there is time
CHECK_S = 0.25


class TooSlow(BaseException):
    """An object has taken too long. No Exception: code of the agent that it is raised in does not handle it."""


class TimeBudget:
    """Ends `seconds` from now; without them only each object has its limit.

    Between `watch` and `stop` what runs in the main thread is interrupted, even where it sleeps or waits: a signal that
    nothing else uses arrives, and its handler raises. The agent's own alarms stay as they are. Where that cannot be
    done (another thread, no more threads), an object takes as long as it takes, and what comes after it has less."""

    def __init__(self, seconds: float | None = None) -> None:
        self.ends = time.monotonic() + seconds if seconds is not None else float("inf")
        self._until: float | None = None  # of what is being asked now
        self._watched: Any = None  # a lock, held as long as somebody has to look at the time
        self._may_watch = False

    def left(self) -> float:
        """Seconds; not less than 0."""
        return max(0.0, self.ends - time.monotonic())

    def ask(self, call: Callable[..., Any], *args: object, most: float = MOST_S) -> Any:
        """What the call gives. Raises what it raises, and TooSlow when it takes longer than `most` seconds or than
        there are left."""
        now = time.monotonic()
        if now >= self.ends:
            raise TooSlow
        if self._may_watch and self._watched is None:
            self._begin()
        around = self._until
        self._until = min(now + most, self.ends, float("inf") if around is None else around)
        try:
            return call(*args)
        finally:
            self._until = around

    def watch(self) -> None:
        self._may_watch = True

    def stop(self) -> None:
        self._may_watch, watched, self._watched = False, self._watched, None
        if watched is not None:
            watched.release()

    def _begin(self) -> None:
        import _signal  # type: ignore[import-not-found]
        import _thread

        number, main = _signal.SIGRTMAX, _thread.get_ident()
        if getattr(_signal.getsignal(number), "__qualname__", "") not in ("", self._interrupt.__qualname__):
            self._may_watch = False
            return
        watched = _thread.allocate_lock()
        watched.acquire()
        try:
            # It stays when all is done: a signal that comes late must find it.
            _signal.signal(number, self._interrupt)
            _thread.start_new_thread(self._look_at_the_time, (watched, number, main))
        except (ValueError, RuntimeError):
            self._may_watch = False
            return
        self._watched = watched

    def _look_at_the_time(self, watched: Any, number: int, main: int) -> None:
        import _signal

        while not watched.acquire(timeout=CHECK_S):
            until = self._until
            if until is not None and time.monotonic() >= until:
                _signal.pthread_kill(main, number)

    def _interrupt(self, *_: object) -> None:
        until = self._until
        if until is not None and time.monotonic() >= until:
            raise TooSlow


# --- From what an agent returns to JSON: nothing of it is thrown away, and what is not plain JSON is noted


MAX_DEPTH = 64  # of an answer: document stores and protobuf stop at 100
MOST_ITEMS = 600_000  # of an iteration whose end is not known: more than 1 MiB holds
FOREVER = float("inf")  # for what may wait as long as there is time at all
ROOM = 32 << 20  # characters that are looked at before an answer is cut: a bound on memory and time
COST_OF_A_NOTE = 150  # conversions take longer
MANY = 1000
MAX_KEY = 10_000  # characters
COST = 20  # of a value beside its text: all that fits into 1 MiB of JSON has room
DIGITS = 4300  # more int() does not read back
HUGE_BITS = 14_285  # of 10**DIGITS; not the number itself, which nobody could print who looks at our memory


class TooLarge(Exception):
    """The answer has more bytes as JSON than are kept, and is not to be cut."""


class Answering:
    """One answer on its way to JSON. With `strict` it raises NotJson instead of converting.

    `loop`: an AgentLoop, in which coroutines are completed; without it they are only named. `seconds`: what there is
    time for, as TimeBudget has it."""

    def __init__(self, *, strict: bool = False, loop: Any = None, seconds: float | None = None) -> None:
        self.strict = strict
        self.loop = loop
        self.budget = TimeBudget(seconds)
        self._too_slow: set[type] = set()  # are not asked again
        self.room = ROOM
        self._notes = Notes(strict=strict)
        self._above: set[int] = set()  # what the value lies in

    def json(self, value: object, limit: int) -> Any:
        """Plain data of at most `limit` bytes as JSON. Raises NotJson and TooLarge where it is strict."""
        self.budget.watch()
        try:
            plain = unwarned(lambda: self.plain(value))
        except (RecursionError, MemoryError):
            plain = self._as_repr(value, ())
        finally:
            self.budget.stop()
        size = json_size(plain)
        if size > limit:
            if self.strict:
                raise TooLarge(f"The answer has {size:,} bytes as JSON; {limit:,} are allowed.")
            plain, cuts = fitted(plain, limit)
            for path, kind, how in cuts:
                self._notes.keep(Note(f"answer{path}", kind, how, ""), path)
        return plain

    def notes(self) -> list[dict[str, str]]:
        return self._notes.told()

    def take_notes(self, other: Answering) -> None:
        """As if the other's values had been ours. Raises NotJson where we are strict."""
        self._notes.take(other._notes)

    def plain(self, value: Any, place: tuple[Any, ...] = ()) -> Any:
        """The value as plain JSON data. Raises NotJson where it is strict.

        `place`: the place around it, its key there, whether that is an attribute; () is the answer itself."""
        kind = type(value)
        if value is None or value is True or value is False:
            self.room -= COST
            return value
        if issubclass(kind, str):
            return self._text(str.__str__(value), place)
        if issubclass(kind, int):
            return self._integer(int.__int__(value), place)
        if issubclass(kind, float):
            return self._number(float.__float__(value), place)
        for bad, mark in ((id(value) in self._above, "cycle"), (len(self._above) >= MAX_DEPTH, "nested too deep")):
            if bad:
                self.note(place, kind, f"the mark [{mark}]", NESTED)
                self.room -= len(mark)
                return f"[{mark}]"
        self._above.add(id(value))
        try:
            self.room -= 2 * COST
            if kind is dict or kind is Fields:
                return self._object(value, place, attributes=kind is Fields)
            if kind is list or kind is tuple:
                return self._list(value, place)
            return self._converted(value, kind, place)
        finally:
            self._above.discard(id(value))

    def _converted(self, value: Any, kind: type, place: tuple[Any, ...]) -> Any:
        if kind is Collected:
            self.take_notes(value.answering)
            return value.plain
        if kind is Each:
            return self._each(value.values, value.total, place)
        for how, convert in conversions_for(kind) if kind not in self._too_slow else ():
            try:
                made = self._begun(self.budget.ask(convert, value))
            except TooSlow:
                self._too_slow.add(kind)
                break
            except BaseException:  # foreign objects may do anything when asked: the next line of the table is tried
                continue
            if made is UNFIT or made is value:
                continue
            self.note(place, kind, how)
            return self._made(made, place)
        if kind in self._too_slow:
            self.note(place, kind, "a mark: it took too long")
            return f"[{named(kind)}: took too long]"
        if issubclass(kind, dict):
            return self._object(value, place, attributes=False)
        if issubclass(kind, list):
            return self._list(list.__getitem__(value, slice(None)), place)
        if issubclass(kind, tuple):
            return self._list(tuple.__getitem__(value, slice(None)), place)
        return self._as_repr(value, place)

    def _begun(self, made: Any) -> Any:
        """What can be converted at once: values that are waited for are there, iterations have begun."""
        if type(made) is Later and self.strict:
            return ""  # it is refused, and is there for the log
        if type(made) is Later:
            try:
                return self.budget.ask(made.get, self.loop, most=FOREVER)
            except TooSlow:
                raise
            except BaseException as error:
                return f"[ended with {named(type(error))}]"
        if type(made) is EachOfAStream and self.loop is None:
            return UNFIT
        return Each(iter(made.values), made.total) if type(made) is Each else made

    def _made(self, made: Any, place: tuple[Any, ...]) -> Any:
        if type(made) is Each:
            return self._each(made.values, made.total, place)  # type: ignore[arg-type]
        if type(made) is EachOfAStream:
            return self._each_of_a_stream(made.values, place)
        plain = self.plain(made, place)
        return without_items_told_twice(plain) if type(made) is Fields else plain

    def _as_repr(self, value: object, place: tuple[Any, ...]) -> str:
        self.note(place, type(value), "repr")
        try:
            return self._text(str.__str__(self.budget.ask(repr, value)), place)
        except BaseException:
            return f"<unrepresentable {named(type(value))}>"

    def _object(self, value: dict[Any, Any], place: tuple[Any, ...], *, attributes: bool) -> dict[str, Any]:
        found: dict[str, Any] = {}
        pairs = list(dict.items(value))
        least = self._least(len(pairs))
        for key, item in pairs:
            if self.room < least:
                found["[cut]"] = self._cut(place, type(value), len(pairs) - len(found))
                break
            name = key if type(key) is str and key.isascii() else self._key(key, place)
            if len(name) > MAX_KEY:
                self.note(place, str, f"cut: a key of {len(name):,} characters", "{where} has a key that is too long")
                name = f"{name[:MAX_KEY]} [cut: {MAX_KEY:,} of {len(name):,} characters]"
            if name in found:
                self.note(place, type(key), "a name of its own for a key that is there twice as text")
                while name in found:
                    name = f"{name} ({named(type(key))})"
            self.room -= len(name) + 4
            found[name] = self.plain(item, (place, name, attributes))
        return found

    def _list(self, value: Sequence[Any], place: tuple[Any, ...]) -> list[Any]:
        found: list[Any] = []
        least = self._least(len(value))
        for item in value:
            if self.room < least:
                found.append(self._cut(place, list, len(value) - len(found)))
                break
            found.append(self.plain(item, (place, len(found), False)))
        return found

    def _least(self, count: int | None) -> int:
        """What has to be left of the room: of many values none takes all of it from what stands behind them."""
        return self.room // 2 if count is None or count > MANY else 0

    def _each(self, iterator: Iterator[Any], total: int | None, place: tuple[Any, ...]) -> list[Any]:
        """As a list; what comes before an iteration breaks is kept."""
        found: list[Any] = []
        least = self._least(None)
        while self.room >= least and len(found) < MOST_ITEMS:
            try:
                item = self.budget.ask(next, iterator, most=FOREVER)
            except TooSlow:
                return [*found, self._late(place)]
            except StopIteration:
                if total is not None and total > len(found):
                    found.append(self._cut(place, list, total - len(found)))
                return found
            except BaseException as error:
                return [*found, self._broken(place, error)]
            found.append(self.plain(item, (place, len(found), False)))
        found.append(self._cut(place, list, None))
        return found

    def _each_of_a_stream(self, values: Any, place: tuple[Any, ...]) -> list[Any]:
        """As `_each`, in the agent's loop."""
        found: list[Any] = []
        least = self._least(None)
        loop, self.loop = self.loop, None  # it is running then, and cannot complete what is deeper inside

        async def gather() -> None:
            async for item in values:
                found.append(self.plain(await all_awaited(item), (place, len(found), False)))
                if self.room < least or len(found) >= MOST_ITEMS:
                    found.append(self._cut(place, list, None))
                    return

        try:
            self.budget.ask(loop.complete, gather(), most=FOREVER)
        except TooSlow:
            found.append(self._late(place))
        except NotJson:
            raise
        except BaseException as error:
            found.append(self._broken(place, error))
        finally:
            self.loop = loop
        return found

    def _late(self, place: tuple[Any, ...]) -> str:
        self.note(place, list, "cut: it took too long", "{where} takes too long")
        return "[cut: it took too long]"

    def _broken(self, place: tuple[Any, ...], error: BaseException) -> str:
        self.note(place, type(error), "a mark: the iteration ended with it")
        return f"[ended with {named(type(error))}]"

    def _cut(self, place: tuple[Any, ...], kind: type, more: int | None) -> str:
        self.note(place, kind, "cut", "{where} has more than is kept")
        return f"[cut: {more:,} more]" if more is not None else "[cut: there is more]"

    def _text(self, value: str, place: tuple[Any, ...]) -> str:
        if len(value) > ROOM:
            self.note(place, str, f"cut: {ROOM:,} of {len(value):,} characters", "{where} has more than is kept")
            value = value[:ROOM]
        self.room -= len(value) + COST
        if not value.isascii():
            try:
                value.encode("utf-8")
            except UnicodeEncodeError:
                self.note(place, str, "Unicode, with U+FFFD for half a surrogate pair", HALF)
                return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return value

    def _integer(self, value: int, place: tuple[Any, ...]) -> int | str:
        self.room -= COST
        if value.bit_length() < HUGE_BITS or -(10**DIGITS) < value < 10**DIGITS:
            return value
        self.note(place, int, "hex", "{where} is an integer of more than 4300 digits")
        return self._text(hex(value), place)

    def _number(self, value: float, place: tuple[Any, ...]) -> float | None:
        self.room -= COST
        if value == value and value not in (float("inf"), float("-inf")):
            return value
        self.note(place, float, f"null for {value!r}", f"{{where}} is {value!r}: JSON has no such number")
        return None

    def _key(self, key: Any, place: tuple[Any, ...]) -> str:
        kind = type(key)
        if issubclass(kind, str):
            return self._text(str.__str__(key), place)
        self.note(place, kind, "text for a key", "{where} has a key of type {kind}: JSON has only text there")
        aside = Answering()
        aside.room, aside.budget = 1000, self.budget
        plain = aside.plain(key)
        if plain is None and key is not None:
            return str(key)  # not a number
        return plain if isinstance(plain, str) else to_json(plain)

    def note(self, place: tuple[Any, ...], kind: type, how: str, refusal: str = REFUSAL) -> None:
        """Raises NotJson where it is strict."""
        self.room -= COST_OF_A_NOTE
        self._notes.add(place, kind, how, refusal)


# --- The tokens that an agent says it used


SILENT = (str, list, tuple, int, float, bool)  # answers that have no place for it
MAX_TOKENS = 2**53  # what every reader of JSON can hold
# Where result and message objects have them, and dictionaries of that form.
PLACES = (
    "usage",
    "usage_metadata",  # langchain, google
    "token_usage",  # crewai, smolagents
    "context_wrapper.usage",  # openai-agents
    "metrics.accumulated_usage",  # strands
    "metrics",  # agno
    "models_usage",  # autogen
    "response_metadata.token_usage",
    "metadata.usage",  # semantic-kernel, messages of strands
    "meta.usage",  # haystack
    "raw.usage",  # llama-index
    "",  # the value itself
)
NAMES = (
    (
        "input_tokens",
        *("prompt_tokens", "request_tokens", "prompt_eval_count", "inputTokens", "prompt_token_count"),
    ),
    (
        "output_tokens",
        *("completion_tokens", "response_tokens", "eval_count", "outputTokens", "candidates_token_count"),
    ),
)


def usage_of(value: Any, module: object) -> dict[str, int] | None:
    """Tokens, where the agent tells: in what its framework's result carries, in the answer as
    `"usage": {"input_tokens": 1, "output_tokens": 2}`, or in a variable `usage` of that form in agent.py."""
    try:
        found = None
        if value is not None and not any(type(value) is one for one in SILENT):
            found = _told_by(value) or _of_models(value) or _of_pipeline(value) or _told_by(at(value, "result"))
        return found or tokens_of(getattr(module, "usage", None)) or _of_agents(module) or _of_dspy()
    except BaseException:  # foreign objects may do anything when asked; a count is not worth a failure
        return None


def _told_by(value: Any) -> dict[str, int] | None:
    for place in PLACES:
        found = at(value, place) if place else value
        if found is UNFIT:
            continue
        if callable(found) and not tokens_of(found):  # a method; in newer pydantic-ai a value that may still be called
            found = found() if place == "usage" else None
        if tokens := tokens_of(found):
            return tokens
    messages = at(value, "messages")
    if isinstance(messages, (list, tuple)):
        return _summed([_told_by(message) for message in messages[-1000:]])
    return None


def _of_models(value: Any) -> dict[str, int] | None:
    """As dspy tells it: {"provider/model": {"prompt_tokens": 1, ...}}."""
    method = at(value, "get_lm_usage")
    models = method() if callable(method) else None
    return _summed([tokens_of(one) for one in models.values()]) if isinstance(models, dict) else None


def _of_pipeline(value: Any) -> dict[str, int] | None:
    """As haystack tells it: {"llm": {"replies": [message with meta]}}, or {"llm": {"meta": [{"usage": ...}]}}."""
    if not isinstance(value, dict):
        return None
    counts: list[Any] = []
    for component in value.values():
        for name in ("replies", "meta"):
            parts = component.get(name) if isinstance(component, dict) else None
            found = [_told_by(part) for part in parts[-1000:]] if isinstance(parts, list) else []
            if any(found):
                counts += found
                break
    return _summed(counts)


def _of_agents(module: object) -> dict[str, int] | None:
    """Of smolagents, whose runs give the bare answer: what the agents of the file have counted."""
    counts = []
    for agent in {id(one): one for one in vars(module).values()}.values():
        if type(agent).__module__.partition(".")[0] == "smolagents":
            monitor = getattr(agent, "monitor", None)
            told = {f"{way}_tokens": getattr(monitor, f"total_{way}_token_count", None) for way in ("input", "output")}
            counts.append(tokens_of(told) if any(told.values()) else None)
    return _summed(counts)


def _of_dspy() -> dict[str, int] | None:
    """The calls that the model of dspy's settings remembers."""
    settings = getattr(sys.modules.get("dspy"), "settings", None)
    history = getattr(getattr(settings, "lm", None), "history", None)
    if not isinstance(history, list):
        return None
    return _summed([tokens_of(at(call, "usage")) for call in history[-10_000:]])


def tokens_of(candidate: Any) -> dict[str, int] | None:
    found = []
    for names in NAMES:
        get = candidate.get if isinstance(candidate, dict) else lambda name: getattr(candidate, name, None)
        found.append(next((got for got in map(get, names) if type(got) is int and 0 <= got <= MAX_TOKENS), None))
    if found == [None, None]:
        return None
    return {"input_tokens": found[0] or 0, "output_tokens": found[1] or 0}


def _summed(parts: list[Any]) -> dict[str, int] | None:
    counts = [part for part in parts if part]
    return (
        {name: sum(count[name] for count in counts) for name in ("input_tokens", "output_tokens")} if counts else None
    )


# --- What an agent gives piece by piece: generators, iterators and streams of model clients, which are consumed


NO_STREAM = {"read", "fileno", "__len__", "__getitem__", "__subclasscheck__"}  # files and collections
# Objects that hold a stream, the method that gives it, and where its events have what the model says. The object itself
# is the answer when the stream has ended.
HOLDERS = ((is_a("agents", "RunResultStreaming"), "stream_events", "data"),)
# Last pieces of a stream that are all of the answer.
WHOLE_ANSWERS = (
    is_a("autogen_agentchat", "TaskResult", "Response"),
    is_a("smolagents", "FinalAnswerStep"),
    is_a("pydantic_ai", "AgentRunResultEvent"),
)


def is_stream(value: object) -> bool:
    """An iterator, or an object that can be iterated and closed and is no collection. No object of the agent with
    attributes, which say more than its iteration."""
    kind = Kind(type(value))
    if "__next__" in kind.attributes:
        return not kind.attributes & NO_STREAM and not _is_known(kind)
    if kind.attributes.issuperset({"__iter__", "close"}) and not kind.attributes & NO_STREAM and not _is_known(kind):
        return not (is_of_the_agent(kind) and isinstance(public_attributes(value), Fields))
    return False


def is_async_stream(value: object) -> bool:
    kind = Kind(type(value))
    return "__aiter__" in kind.attributes and not kind.attributes & NO_STREAM and not _is_known(kind)


async def consume_inside(value: object) -> bool:
    """Consumes the stream that an object holds, and says whether it holds one."""
    kind = Kind(type(value))
    for applies, method, path in HOLDERS:
        if applies(kind):
            yields = Yields()
            async for event in getattr(value, method)():
                piece = at(event, path)
                if piece is not UNFIT:
                    yields.take(piece)
            yields.end_line()
            return True
    return False


def _is_known(kind: Kind) -> bool:
    """A mock answers to every name; the result of an HTTP request is more than its bytes."""
    return "unittest" in kind.roots or is_a("requests", "Response")(kind) or is_a("httpx", "Response")(kind)


class Yields:
    """Takes the pieces. Each is a line of the log at once, except for the pieces of a text, which make one line."""

    def __init__(self, loop: Any = None) -> None:
        self.answering = Answering(loop=loop)
        self.raw: bytearray | None = bytearray()  # as long as all pieces are bytes
        self.values: list[object] = []
        self.left_out = 0
        self.usage: object = None
        self.within_line = False
        self.whole: Collected | None = None

    def take(self, item: Any) -> None:
        if self.raw is not None:
            if type(item) in (bytes, bytearray):
                self.raw += item[: max(0, ROOM - len(self.raw))]
                self.left_out += len(self.raw) >= ROOM
                print(item.decode("utf-8", "backslashreplace"), flush=True)
                return
            self._take_apart_from_bytes()
        value = unwarned(lambda: self.answering.plain(item, ((), len(self.values), False)))
        text = value if isinstance(value, str) else to_json(value)
        if isinstance(value, str) and not isinstance(item, str) and _is_piece(item):
            print(text, end="", flush=True)
            self.within_line = not text.endswith("\n") if text else self.within_line
        else:
            self.end_line()
            print(text, flush=True)
        if self.answering.room >= 0:
            self.values.append(value)
        else:
            self.left_out += 1
        if not isinstance(item, (str, int, float)):
            self.usage = usage_of(item, None) or self.usage
            self.whole = _whole(item)

    def _take_apart_from_bytes(self) -> None:
        raw, self.raw = self.raw, None
        if raw:  # bytes and other values are a list
            self.values.append(self.answering.plain(bytes(raw), ((), len(self.values), False)))

    def _joined_bytes(self, raw: bytes) -> Collected:
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            return Collected(self.answering.plain(raw), self.answering)
        self.answering.note((), bytes, "joined, as the UTF-8 text that they are")
        if self.left_out:
            text = f"{text} [cut: there is more]"
        return Collected(text, self.answering)

    def end_line(self) -> None:
        if self.within_line:
            print(flush=True)
            self.within_line = False

    def joined(self) -> Collected:
        """Text is joined, other values are a list; where the last piece is the whole answer, it is that."""
        self.end_line()
        if self.raw:
            return self._joined_bytes(bytes(self.raw))
        if self.whole is not None:
            return self.whole
        if self.values and all(isinstance(value, str) for value in self.values):
            plain: object = "".join(value for value in self.values if isinstance(value, str))
        else:
            plain = self.values
        if self.left_out and isinstance(plain, list):
            plain.append(f"[cut: {self.left_out:,} more]")
        elif self.left_out:
            plain = f"{plain} [cut: {self.left_out:,} more pieces]"
        return Collected(plain, self.answering, self.usage)


def _is_piece(item: object) -> bool:
    return type(item).__name__.endswith(("Chunk", "Event", "Delta")) or nothing_but_chunks(Kind(type(item)))


def _whole(item: Any) -> Collected | None:
    """The answer, where this piece is all of it."""
    kind, last = Kind(type(item)), item
    if type(item) is dict and len(item) == 1:
        last = item.get("result")  # the last event of strands' stream_async
        if not is_a("strands", "AgentResult")(Kind(type(last))):
            return None
    elif not any(applies(kind) for applies in WHOLE_ANSWERS):
        return None
    answering = Answering()
    return Collected(answering.plain(last), answering, usage_of(last, None))


def collected(stream: Any, loop: Any = None) -> object:
    """Consumes it. What a generator returns is the answer; where it returns nothing, all that it gave. `loop`: an
    AgentLoop, which is not running, for coroutines that it gives."""
    yields = Yields(loop)
    iterator = iter(stream)
    try:
        while True:
            yields.take(next(iterator))
    except StopIteration as end:
        return yields.joined() if end.value is None else end.value
    finally:
        yields.end_line()


async def collected_async(stream: Any) -> object:
    yields = Yields()
    try:
        async for item in stream:
            yields.take(await all_awaited(item))
    finally:
        yields.end_line()
    return yields.joined()


# --- An answer that its test does not give, in the log


MAX_SHOWN = 12 * 1024  # bytes: a line of the log


def log_answer(value: object, loop: Any, seconds: float | None = None) -> None:
    """It was paid for. `loop` and `seconds` as Answering has them."""
    shown = Answering(loop=loop, seconds=seconds).json(value, MAX_SHOWN)
    print(f"The answer, converted: {to_json(shown)}", flush=True)


# --- The event loop of the agent's coroutines


END_S = 2.0  # for what still runs in it when the answer is on its way


class AgentLoop:
    """Made when it is first needed. It stays open until the answer is written, for what is in it may belong to it."""

    def __init__(self) -> None:
        self._loop: Any = None

    def make_current(self) -> None:
        """What asks for the loop of this thread gets it."""
        import asyncio

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)

    def complete(self, coroutine: Coroutine[Any, Any, object]) -> object:
        """Runs it to its end. Raises what it raises."""
        self.make_current()
        return self._loop.run_until_complete(coroutine)

    def close(self) -> None:
        """Cancels what still runs, as asyncio.run does; but what does not end then is left behind."""
        loop, self._loop = self._loop, None
        if loop is None or loop.is_closed():
            return
        import asyncio

        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            done, _ = loop.run_until_complete(asyncio.wait(tasks, timeout=END_S))
            for task in done:
                if not task.cancelled() and task.exception() is not None:
                    message = "unhandled exception in a task when the agent had answered"
                    loop.call_exception_handler({"message": message, "exception": task.exception(), "task": task})
        try:
            loop.run_until_complete(asyncio.wait_for(loop.shutdown_asyncgens(), END_S))
        except asyncio.TimeoutError:
            pass
        asyncio.set_event_loop(None)
        loop.close()


# --- The call of the entry point


ENDS = (str, dict, list, tuple, int, float, bool)  # what gives nothing piece by piece, as most answers


def call_entry(plan: Plan, loop: Any) -> object:
    """Makes the call; iterates or completes what it gives back. Raises QueryNotAccepted where Python refuses the call
    itself, as the signature was not what the function said, and where nobody has looked at the query. `loop`: an
    AgentLoop."""
    value = _called(plan, loop)
    said = plan.unheard() if plan.unheard else ""
    if said:
        log_answer(value, loop)
        raise QueryNotAccepted(said)
    return value


def _called(plan: Plan, loop: Any) -> object:
    if plan.command_line is not None:
        sys.argv[1:] = plan.command_line
    try:
        value = plan.function(*plan.args, **plan.kwargs)
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is None:  # no frame but this one
            raise QueryNotAccepted(f"{plan.call} is not accepted: {error}.") from None
        raise
    if value is None or any(type(value) is one for one in ENDS):
        return value
    if hasattr(type(value), "__await__") or is_async_stream(value):
        value = loop.complete(_consume(value))
    return collected(value, loop) if is_stream(value) else value


async def _consume(value: Any) -> object:
    """In the loop that the agent's clients belong to."""
    for _ in range(10):  # a coroutine may give a coroutine, or a task
        if hasattr(type(value), "__await__"):
            value = await value
    if await consume_inside(value):
        return value
    return await collected_async(value) if is_async_stream(value) else value


# --- The agent's file as a module: alone, or in its place in a project


def load_agent(code: str, agent_path: str = "") -> ModuleType:
    """Runs the agent's file, with the work folder first on the path: agent.py from memory as the module `agent`, the
    file of a project under the name that other files of it import it by."""
    work = os.getcwd()
    begin_path()
    if agent_path:
        return _load_from_project(work, agent_path, code)
    path = f"{work}/agent.py"
    sys.argv = [path]
    sys.path.insert(0, work)
    module = type(sys)("agent")
    module.__file__ = path
    sys.modules["agent"] = module
    exec(compile(code, path, "exec", dont_inherit=True), module.__dict__)  # this is what we are for
    return module


def begin_path() -> None:
    """Without what an interpreter puts there of its own; `exit` and `quit`, which python -S has not."""
    if sys.path and sys.path[0] == __file__.rpartition("/")[0]:
        del sys.path[0]
    import builtins

    for name in ("exit", "quit"):
        if not hasattr(builtins, name):
            setattr(builtins, name, sys.exit)


def _load_from_project(work: str, agent_path: str, code: str) -> ModuleType:
    root, name = place_in_project(work, agent_path, relative="from ." in code)
    extend_path(work, root)
    path = f"{work}/{agent_path}"
    sys.argv = [path]
    PLAIN_MODULES.add(name)
    if "." in name or path == f"{root}/{name}.py":
        __import__(name)
        return sys.modules[name]
    from importlib import util

    spec = util.spec_from_file_location(name, path)  # a name that no import statement can write: my-agent.py
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def extend_path(work: str, root: str) -> None:
    """The work folder, src where there is one, and where the agent's own package begins: the first of them first."""
    source = f"{work}/src"
    roots = [work, *([source] if os.access(source, os.X_OK) else []), root]
    sys.path[:0] = list(dict.fromkeys(roots))


def place_in_project(work: str, agent_path: str, *, relative: bool = False) -> tuple[str, str]:
    """The folder that the file is imported from, and its name there: upwards as long as there is an __init__.py. With
    `relative` imports and no __init__.py its folders are packages all the same, as for `python -m`."""
    folders = agent_path.split("/")
    stem = folders.pop().rpartition(".py")[0]
    top = len(folders)
    while top and os.access(f"{work}/{'/'.join(folders[:top])}/__init__.py", os.R_OK):
        top -= 1
    if relative and top == len(folders) and folders:
        top = 1 if folders[0] == "src" else 0
    package = folders[top:]
    root = "/".join((work, *folders[:top]))
    if stem == "__init__" and package:
        return root, ".".join(package)
    if stem in ("__main__", "__init__") and not package:
        return root, "agent"
    if not package:
        stem = "".join(letter if letter.isalnum() or letter == "_" else "_" for letter in stem)
    return root, ".".join((*package, stem))


# --- Whether the sources of a script have any way by which a query could get in


# Words, not texts: `input` is not in `input_data`. The programs that a script starts have its standard input, too, and
# whoever loads code by its name may load anything.
WAYS_IN = (
    *(
        "argv",
        "orig_argv",
        "argparse",
        "optparse",
        "getopt",
        "click",
        "typer",
        "fire",
        "docopt",
        "absl",
        "plac",
        "tyro",
    ),
    *(
        "cyclopts",
        "hydra",
        "jsonargparse",
        "simple_parsing",
        "defopt",
        "cleo",
        "clize",
        "cli",
        "cmd",
        "pydantic_settings",
    ),
    *("input", "stdin", "fileinput", "readline", "prompt_toolkit", "questionary", "inquirer", "InquirerPy", "textual"),
    *("Prompt", "ASSAY_QUERY", "subprocess", "system", "popen", "execv", "execve", "execvp", "execvpe", "execl", "pty"),
    *("runpy", "import_module", "__import__", "exec", "eval"),
)
ENVIRONMENT_WORDS = ("environ", "getenv", "environb", "getenvb")
ONE_VARIABLE = ("[", ".get(", ".setdefault(", ".pop(", "(")  # and a text: it is not ASSAY_QUERY, which is a way in
MOST_FILES = 2000
MOST_BYTES = 20 * 1024 * 1024


def can_be_asked(code: str, *, in_project: bool) -> bool:
    """False where neither the file nor, of a project, any module in the work folder could read the query."""
    if has_a_way_in(code):
        return True
    return in_project and any(has_a_way_in(text) for text in _modules(os.getcwd()))


def has_a_way_in(code: str) -> bool:
    if any(True for word in WAYS_IN for _ in _places(code, word)) or "open(0" in code:
        return True
    return any(not _is_of_one(code[end:]) for word in ENVIRONMENT_WORDS for end in _places(code, word))


def _places(code: str, word: str) -> Iterator[int]:
    """Where a word ends."""
    start = code.find(word)
    while start >= 0:
        end = start + len(word)
        if not (_goes_on(code[start - 1 : start]) or _goes_on(code[end : end + 1])):
            yield end
        start = code.find(word, end)


def _goes_on(letter: str) -> bool:
    return letter == "_" or letter.isalnum()


def _is_of_one(after: str) -> bool:
    """Whether one variable is asked for, by its name: `environ["API_KEY"]`."""
    return any(after.startswith((f'{begin}"', f"{begin}'")) for begin in ONE_VARIABLE)


def _modules(folder: str) -> Iterator[str]:
    """The texts of all modules; one that stands for all where they are too many to look at."""
    waiting, files, size = [folder], 0, 0
    while waiting:
        folder = waiting.pop()
        for name in os.listdir(folder):
            path = f"{folder}/{name}"
            if os.stat(path).st_mode & 0o170000 == 0o040000:
                waiting.append(path)
            elif name.endswith(".py"):
                files, size = files + 1, size + os.stat(path).st_size
                if files > MOST_FILES or size > MOST_BYTES:
                    yield WAYS_IN[0]
                    return
                with open(path, encoding="utf-8", errors="replace") as file:
                    yield file.read()


# --- An agent that is a script: run as `python agent.py QUERY`, or `python -m package QUERY`, would run it


MAIN = "__main__"


def script_of(entrypoint: str | None) -> str | None:
    """Of `__main__` and `agent:__main__` the empty text, of `package.__main__` and `package:__main__` the package that
    runs; None for what is no script."""
    if not entrypoint or entrypoint.replace(":", ".").rpartition(".")[2] != MAIN:
        return None
    where = entrypoint.replace(":", ".").rpartition(".")[0]
    if where.rpartition(".")[2] == MAIN:  # package.__main__:__main__
        where = where.rpartition(".")[0]
    return "" if where == "agent" else where


class Script:
    """What is run, for the result of the test."""

    def __init__(self, package: str, agent_path: str, query: str | None) -> None:
        self.package = package
        self.file = package or agent_path or "agent.py"
        self.query = query
        self.refused = False

    def must_be_asked(self, code: str, agent_path: str) -> None:
        """Raises QueryNotAccepted where nothing of the sources could read a query; SyntaxError."""
        if self.query is None or (self.package and not _is_in_the_project(self.package)):
            return
        if can_be_asked(code, in_project=bool(agent_path)):
            return
        compile(code, self.file, "exec", dont_inherit=True)  # what is no Python says that first
        self.refused = True
        raise QueryNotAccepted(
            f"{self.file} cannot take the query: it reads neither its command line nor its standard input nor "
            "ASSAY_QUERY.",
            "Take the query from one of these, as in query = sys.argv[1], give the file a function run(query), or "
            "submit without a query (--no-query) to run it as it is.",
        )

    def report(self) -> dict[str, object]:
        run = f"python -m {self.package}" if self.package else f"python {self.file}"
        return {
            "name": f"{self.package}:{MAIN}" if self.package else MAIN,
            "kind": "script",
            "signature": "",
            "call": "" if self.refused else (run if self.query is None else f'{run} "$query"')[:300],
            "query_passed": self.query is not None and not self.refused,
            "named": True,
            "candidates": [],
        }

    def run(self, code: str, agent_path: str) -> None:
        """To its end. Raises what it raises, SystemExit too, and EntrypointNotFound."""
        work = os.getcwd()
        begin_path()
        arguments = [] if self.query is None else [self.query]
        package = self.package
        root = work
        if agent_path:
            root, name = place_in_project(work, agent_path, relative="from ." in code)
            if not package and "." in name:  # so that its relative imports work
                package = name.removesuffix(f".{MAIN}")
        extend_path(work, root)
        module = _new_main()
        if not package:
            path = f"{work}/{agent_path or 'agent.py'}"
            sys.path.insert(0, path.rpartition("/")[0])
            sys.argv = [path, *arguments]
            module.__file__ = path
            exec(compile(code, path, "exec", dont_inherit=True), module.__dict__)  # this is what we are for
            return
        _look_for(package)
        import runpy

        sys.argv = [package, *arguments]
        runpy._run_module_as_main(package)  # type: ignore[attr-defined]  # what `python -m` itself does


def _look_for(package: str) -> None:
    """Raises EntrypointNotFound where `python -m` would end with a message of its own."""
    from importlib.util import find_spec

    try:
        spec = find_spec(package)
    except ModuleNotFoundError as error:
        if not (error.name and f"{package}.".startswith(f"{error.name}.")):
            raise
        spec = None
    if spec is None:
        raise EntrypointNotFound(f"There is no module {package!r} to run as a script.")
    if spec.submodule_search_locations is not None and find_spec(f"{package}.{MAIN}") is None:
        raise EntrypointNotFound(
            f"{package!r} is a package without a {MAIN}.py: there is nothing in it that could be run as a script."
        )


def _is_in_the_project(package: str) -> bool:
    """Whether its sources are there to be read."""
    path = package.replace(".", "/")
    ends = (f"/{MAIN}.py", ".py")
    return any(os.access(f"{folder}{path}{end}", os.R_OK) for folder in ("", "src/") for end in ends)


def _new_main() -> ModuleType:
    module = type(sys)(MAIN)
    module.__dict__["__builtins__"] = sys.modules["builtins"]
    _kept.append(sys.modules[MAIN])
    sys.modules[MAIN] = module
    PLAIN_MODULES.add(MAIN)
    return module


_kept: list[Any] = []  # our own main module, whose names its functions still need


# --- An agent that is a script: it is run anew for each query, as in the test, and what it prints is the answer


LARGEST_VARIABLE = 128 * 1024  # what Linux takes of one


def answer_of_script(settings: Settings, query: str | None) -> dict[str, Any]:
    """Runs it to its end. Its output goes to the log, too. The query is on its standard input, a file, so that no
    script has to read it."""
    text = b"" if query is None else query.encode("utf-8", "replace")
    env = dict(os.environ)
    if query is not None and "\0" not in query and len(text) < LARGEST_VARIABLE:
        env["ASSAY_QUERY"] = query
    with tempfile.TemporaryFile() as asked:
        asked.write(text)
        asked.seek(0)
        given = "--script" if query is not None else "--script-without-query"
        process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "server.py"), given], stdin=asked, stdout=subprocess.PIPE, env=env
        )
    assert process.stdout is not None
    said = b""
    while piece := os.read(process.stdout.fileno(), 65536):
        written = 0
        while written < len(piece):
            written += os.write(1, piece[written:])
        said += piece[: max(0, 4 * settings.response_bytes - len(said))]
    code = process.wait()
    process.stdout.close()
    if code:
        how = f"exit code {code}" if code > 0 else f"signal {-code}"
        return problem("SCRIPT_FAILED", f"The script ended with {how}; the log has more.")
    return {"response": printed_answer(said.decode("utf-8", "replace"), settings.response_bytes)}


def be_the_script(settings: Settings, *, with_query: bool) -> None:
    """In a process of its own, to its end. Raises what the script raises."""
    query = sys.stdin.buffer.read().decode("utf-8", "replace") if with_query else None
    sys.stdin.seek(0)
    package = script_of(settings.entrypoint)
    assert package is not None
    code = source_of(settings.agent_path or "agent.py")
    Script(package, settings.agent_path, query).run(code, settings.agent_path)


def source_of(path: str) -> str:
    """A Python file as Python reads it."""
    import tokenize

    with tokenize.open(path) as file:
        return file.read()


# --- Inside a worker


def work(settings: Settings, requests: int, answers: int) -> None:
    """Loads the agent, then answers one query after the other until the server is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (requests, answers):
        os.set_inheritable(number, False)
    owner = os.getpid()

    def reply(message: object) -> None:
        if os.getpid() == owner:  # not in a copy that the agent forked
            data = to_json(message).encode("utf-8", "replace") + b"\n"
            while data:
                data = data[os.write(answers, data) :]

    if script_of(settings.entrypoint) is not None:
        reply({"ready": True})
        for line in os.fdopen(requests, "rb"):
            reply(answer_of_script(settings, json.loads(line)["query"]))
        return
    try:
        source = source_of(settings.agent_path or "agent.py")
        entry = find_entry(load_agent(source, settings.agent_path), settings.entrypoint, source)
    except BaseException as error:
        if not isinstance(error, (EntrypointAmbiguous, EntrypointNotFound)):
            print_traceback()
        reply(problem("AGENT_IMPORT_ERROR", f"{type(error).__name__}: {error}"))
        return
    reply({"ready": True})
    loop = AgentLoop()  # one for all queries: clients that an agent keeps stay usable
    for line in os.fdopen(requests, "rb"):
        loop.make_current()
        ends = time.monotonic() + settings.timeout_s * 0.9  # for the answer to be written
        try:
            plan = entry.bind(json.loads(line)["query"])
            value = call_entry(plan, loop)
            answering = Answering(loop=loop, seconds=max(0.0, ends - time.monotonic()))
            reply({"response": answering.json(value, settings.response_bytes)})
            for note in answering.notes():
                if "cut" in note["how"]:  # of the rest its user knows from the test
                    say("WARNING", f"{note['path']} is {note['how']}")
        except QueryNotAccepted as error:
            say("ERROR", str(error))
            reply(problem("QUERY_NOT_ACCEPTED", str(error)))
        except SystemExit:
            reply(problem("AGENT_EXITED", "The agent called sys.exit() instead of returning an answer."))
            raise
        except BaseException as error:
            print_traceback()
            reply(problem("AGENT_EXCEPTION", f"The agent raised {type_name(type(error))}; the log has more."))


def print_traceback() -> None:
    import traceback

    traceback.print_exc()


# --- The program: the server, a worker, or a health check


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(Settings(), int(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] in (["--script"], ["--script-without-query"]):
        be_the_script(Settings(), with_query=sys.argv[1] == "--script")
    else:
        sys.exit(check(Settings()) if sys.argv[1:] == ["--check"] else serve(Settings()))
