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
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import ModuleType
    from typing import Any, NoReturn


# --- Settings of the server


HERE = os.path.dirname(os.path.abspath(__file__))


class Settings:
    """From the environment, else from agent.json."""

    def __init__(self) -> None:
        with open(os.path.join(HERE, "agent.json"), encoding="utf-8") as file:
            given = json.load(file)
        self.entrypoint: str = given["entrypoint"]
        self.environment: dict[str, str] = given["environment"]
        self.needed: list[str] = given["needed"]
        self.port = int(os.environ.get("PORT") or given["port"])
        self.host = os.environ.get("HOST") or "0.0.0.0"
        self.workers = int(os.environ.get("WORKERS") or given["workers"])
        self.timeout_s = float(os.environ.get("TIMEOUT_S") or given["timeout_s"])
        self.keep_s = max(60, self.timeout_s + 10) + 15  # an idle connection; longer than a load balancer does
        self.wait_s = float(os.environ.get("WAIT_S") or 10)  # for a free worker, before "busy"
        self.grace_s = float(os.environ.get("STOP_GRACE_S") or 25)  # for running queries, after SIGTERM
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


class Worker:
    """One process with the agent loaded in it. Used by one thread at a time."""

    def __init__(self, settings: Settings) -> None:
        env = dict(os.environ)
        env.update((name, value) for name, value in settings.environment.items() if not env.get(name))
        env.pop("API_TOKEN", None)
        # As in the test: `python` and what the requirements bring along are found by their names.
        env["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), env.get("PATH", os.defpath)])
        self._folder = tempfile.mkdtemp(prefix="agent-")  # agents may write where they are, as in the test
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

    def ask(self, message: dict[str, str], seconds: float) -> dict[str, Any]:
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

    def answer(self, query: str) -> tuple[int, dict[str, Any]]:
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


# --- HTTP


CONNECTIONS = 128  # at once; each costs a thread
READ_S = 15  # for a client to send its query


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "agent"
    sys_version = ""
    pool: Pool  # set by serve()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/healthz":
            well = self.pool.alive > 0 and not self.pool.ending
            self._reply(200 if well else 503, {"status": "ok" if well else "unavailable", "workers": self.pool.alive})
        elif path == "/query":
            self._reply(405, problem("METHOD_NOT_ALLOWED", "Send a POST."))
        else:
            self._reply(404, problem("NOT_FOUND", "There is POST /query and GET /healthz."))

    def do_POST(self) -> None:
        refusal = self._refusal()
        if refusal:  # with its body unread the connection is of no more use
            self.close_connection = True
            self._reply(*refusal)
            return
        try:
            message = json.loads(self._body(int(self.headers["Content-Length"])))
            query = message["query"]
            if not isinstance(query, str):
                raise TypeError
        except TimeoutError:
            self.close_connection = True
            self._reply(408, problem("TOO_SLOW", f"Send the query within {READ_S} s."))
        except (ValueError, KeyError, TypeError, RecursionError):
            self._reply(400, problem("INVALID_REQUEST", 'Send JSON: {"query": "..."}'))
        else:
            self._ask(query)

    def _ask(self, query: str) -> None:
        if not self.pool.begin():
            self._reply(503, problem("STOPPING", "The service is stopping; ask again."))
            return
        try:
            started = time.monotonic()
            status, answer = self.pool.answer(query)
            say("INFO" if status == 200 else "WARNING", f"query: {status} after {time.monotonic() - started:.3f} s")
            self._reply(status, answer)
        finally:
            self.pool.finish()

    def _refusal(self) -> tuple[int, dict[str, dict[str, str]]] | None:
        """What is wrong with the request before its body is read."""
        if self.path.partition("?")[0] != "/query":
            return 404, problem("NOT_FOUND", "There is POST /query and GET /healthz.")
        token = self.pool.settings.token
        given = self.headers.get("Authorization", "").encode("utf-8", "replace")
        if token and not hmac.compare_digest(given, b"Bearer " + token.encode()):
            return 401, problem("UNAUTHENTICATED", "Send the token: Authorization: Bearer ...")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or self.headers.get("Transfer-Encoding"):
            return 411, problem("LENGTH_REQUIRED", "Send the query with a Content-Length.")
        limit = self.pool.settings.query_bytes
        if len(length) > 12 or int(length) > limit:
            return 413, problem("TOO_LARGE", f"A query has at most {limit} bytes.")
        return None

    def _body(self, length: int) -> bytes:
        until = time.monotonic() + READ_S
        data = b""
        while len(data) < length:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.connection.settimeout(left)
            piece = self.rfile.read1(length - len(data))
            if not piece:
                raise ValueError("the body is shorter than it said")
            data += piece
        self.connection.settimeout(self.timeout)
        return data

    def _reply(self, status: int, value: object) -> None:
        data = to_json(value).encode("utf-8", "replace") + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == 405:
            self.send_header("Allow", "POST")
        if status == 503:
            self.send_header("Retry-After", "1")
        if self.close_connection or self.pool.ending:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Queries are told by _ask, and nobody wants to read of health checks."""


class Server(ThreadingHTTPServer):
    """At most so many connections at once; what comes beyond them is closed at once."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, Handler)
        self._room = threading.BoundedSemaphore(CONNECTIONS)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's own asks DNS for our name, which may take long

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):  # a client that left is nobody's fault
            say("ERROR", f"{type(error).__name__}: {error}")


# --- The server from its start to its end, and the question whether it is well


def serve(settings: Settings) -> int:
    """Until SIGTERM; the exit code."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    empty = [name for name in settings.needed if not os.environ.get(name)]
    if empty:
        say("WARNING", f"not set, although the agent was tested with it: {', '.join(empty)}")
    Handler.pool = pool = Pool(settings)
    Handler.timeout = settings.keep_s
    try:
        pool.start()
    except RuntimeError as error:
        say("CRITICAL", f"the agent cannot be loaded: {error}")
        return 1
    server = Server((settings.host, settings.port))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say("INFO", f"answering on port {server.server_address[1]}")
    stop.wait()
    say("INFO", "stopping")
    server.shutdown()
    pool.drain(settings.grace_s)
    server.server_close()
    return 0


def check(settings: Settings) -> int:
    """For HEALTHCHECK: 0 when the server in this container is well."""
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        return int(opener.open(f"http://127.0.0.1:{settings.port}/healthz", timeout=3).status != 200)
    except OSError as error:
        print(error)
        return 1


# --- How a type is named to a reader


def type_name(kind: type) -> str:
    name = kind.__qualname__.rpartition("<locals>.")[2]
    name = name if kind.__module__ in ("builtins", "agent") else f"{kind.__module__}.{name}"
    return name[:200]


# --- The entry point: what of an agent is called


DEFAULT_ENTRYPOINTS = ("run", "main", "handle", "invoke", "agent")
METHODS = ("run_sync", "invoke", "ainvoke", "run")  # of agent objects, before calling the object itself


class EntrypointNotFound(Exception):
    """The message says what was looked for and what is there."""


def find_entry(module: ModuleType, entrypoint: str | None) -> Callable[..., object]:
    """The thing to call: `module:name`, `name`, or the first of the usual names. Raises EntrypointNotFound."""
    if entrypoint:
        where, colon, name = entrypoint.rpartition(":")
        target: Any = module
        if colon and where != "agent":
            target = _import(where)
        for part in name.split("."):
            if not hasattr(target, part):
                raise EntrypointNotFound(f"There is no {name!r} in {where or 'agent'}.py. {_offers(target)}")
            target = getattr(target, part)
        return as_callable(target, name)
    for own in (True, False):  # first what agent.py itself defines: `from subprocess import run` is no agent
        for name in DEFAULT_ENTRYPOINTS:
            target = getattr(module, name, None)
            imported = hasattr(target, "__code__") and target.__module__ != "agent"
            if _method_of(target) and imported is not own:
                return as_callable(target, name)
    raise EntrypointNotFound(f"agent.py has none of {', '.join(DEFAULT_ENTRYPOINTS)} to call. {_offers(module)}")


def _import(name: str) -> ModuleType:
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise EntrypointNotFound(f"There is no module {error.name!r} for the entry point.") from None
        raise
    return sys.modules[name]


def _offers(target: object) -> str:
    found = [
        name
        for name, value in vars(target).items()
        if not name.startswith("_") and callable(value) and getattr(value, "__module__", "agent") == "agent"
    ]
    return f"It defines {', '.join(found[:20])}." if found else "It defines nothing that can be called."


def as_callable(target: Any, name: str) -> Callable[..., object]:
    """A function as it is, a class by making one, an object by the first of its methods that frameworks use."""
    if isinstance(target, type):
        target = target()
    method = _method_of(target)
    if not method:
        raise EntrypointNotFound(
            f"{name!r} is a {type_name(type(target))}: not a function, and without {', '.join(METHODS)}."
        )
    if method == "__call__":
        return target  # type: ignore[no-any-return]
    bound = getattr(target, method)
    if type(target).__module__.split(".")[0] == "langgraph":
        return lambda query: bound(graph_input(target, query))
    return bound  # type: ignore[no-any-return]


def _method_of(target: Any) -> str | None:
    return next((name for name in METHODS if hasattr(type(target), name)), "__call__" if callable(target) else None)


def graph_input(graph: Any, query: str) -> object:
    """A LangGraph graph takes a state: one message if its state has messages, else the query, which then is JSON."""
    if "messages" in getattr(graph, "channels", ()):
        return {"messages": [{"role": "user", "content": query}]}
    try:
        return from_json(query)
    except ValueError:
        return query


# --- From what an agent returns to JSON


MAX_DEPTH = 64  # of an answer: document stores and protobuf stop at 100


def unwrap(value: Any) -> Any:
    """The answer inside what frameworks return: pydantic-ai keeps it in `.output`, LangChain messages in `.content`."""
    families = _families(value)
    if "pydantic_ai" in families and hasattr(value, "output"):
        return value.output
    if "langchain_core" in families and hasattr(value, "content"):
        return value.content
    return value


def _families(value: object) -> set[str]:
    """The packages that its class and its base classes come from."""
    return {cls.__module__.partition(".")[0] for cls in type(value).__mro__}


def jsonable(value: Any, where: str, depth: int = 0) -> Any:
    """The value as plain JSON data. Raises NotJson saying what stands in the way, and where."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, int):
        if abs(value) >= 10**4300:  # more digits than int() reads back
            raise NotJson(f"{where} is an integer of more than 4300 digits.")
        return int(value)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise NotJson(f"{where} is {float(value)!r}: JSON has no such number.")
        return float(value)
    if depth >= MAX_DEPTH:
        raise NotJson(f"The answer is nested more than {MAX_DEPTH} levels deep, or contains itself, at {where[:200]}.")
    if isinstance(value, dict):
        return {_key(key, where): jsonable(item, f"{where}[{key!r}]", depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(value)]
    try:
        plain = _as_plain(value)
    except Exception as error:
        raise NotJson(f"{where} is a {type_name(type(value))} that cannot be turned into JSON: {error}") from None
    if plain is value:
        raise NotJson(f"{where} is a {type_name(type(value))}: not something that JSON can hold.")
    return jsonable(plain, where, depth + 1)


def _as_plain(value: Any) -> Any:
    kind = type(value)
    if "pydantic_ai" in _families(value) and hasattr(value, "output"):
        return value.output
    if hasattr(kind, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(kind, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in kind.__dataclass_fields__ if hasattr(value, name)}
    for name in ("output", "content"):
        if hasattr(value, name):
            return getattr(value, name)
    return value


def _text(value: str, where: str) -> str:
    value = str.__str__(value)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise NotJson(f"{where} holds half a surrogate pair: not Unicode text.") from None
    return value


def _key(key: object, where: str) -> str:
    if isinstance(key, str):
        return _text(key, where)
    if key is None or isinstance(key, (bool, int, float)):
        return to_json(key)
    raise NotJson(f"{where} has a key of type {type_name(type(key))}: JSON has only text there.")


# --- The call of the entry point


def call_entry(
    entry: Callable[..., Any], query: str, complete: Callable[[Coroutine[Any, Any, object]], object]
) -> object:
    """Calls it with the query, or with nothing if it takes nothing; iterates or completes what it gives back."""
    value = entry(query) if takes_an_argument(entry) else entry()
    if hasattr(type(value), "__await__") or type(value).__name__ == "async_generator":
        return complete(_consume(value))
    if type(value).__name__ == "generator":
        return _joined([_shown(item, index) for index, item in enumerate(value)])
    return value


async def _consume(value: Any) -> object:
    if hasattr(type(value), "__await__"):
        value = await value
    if type(value).__name__ == "async_generator":
        values: list[object] = []
        async for item in value:
            values.append(_shown(item, len(values)))
        return _joined(values)
    if type(value).__name__ == "generator":
        return _joined([_shown(item, index) for index, item in enumerate(value)])
    return value


def takes_an_argument(entry: Any) -> bool:
    if not hasattr(entry, "__code__") and not hasattr(entry, "__func__"):
        entry = entry.__call__
    function = getattr(entry, "__func__", entry)
    bound = function is not entry
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code = getattr(function, "__code__", None)
    if code is None:  # written in C, or something rarer: the usual is to take the query
        return True
    return bool(code.co_argcount > bound or code.co_flags & 0x04)  # 0x04: *args


def _shown(item: Any, index: int) -> object:
    """A yield is a log line."""
    value = jsonable(unwrap(item), f"answer[{index}]")
    print(value if isinstance(value, str) else to_json(value), flush=True)
    return value


def _joined(values: list[object]) -> object:
    if values and all(isinstance(value, str) for value in values):
        return "".join(value for value in values if isinstance(value, str))
    return values


# --- Inside a worker


def work(settings: Settings, requests: int, answers: int) -> None:
    """Loads the agent, then answers one query after the other until the server is gone."""
    import asyncio

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (requests, answers):
        os.set_inheritable(number, False)
    owner = os.getpid()

    def reply(message: object) -> None:
        if os.getpid() == owner:  # not in a copy that the agent forked
            data = to_json(message).encode("utf-8", "replace") + b"\n"
            while data:
                data = data[os.write(answers, data) :]

    try:
        entry = find_entry(load_agent(), settings.entrypoint)
    except BaseException as error:
        if not isinstance(error, EntrypointNotFound):
            print_traceback()
        reply(problem("AGENT_IMPORT_ERROR", f"{type(error).__name__}: {error}"))
        return
    reply({"ready": True})
    loop = asyncio.new_event_loop()  # one for all queries: clients that an agent keeps stay usable
    for line in os.fdopen(requests, "rb"):
        asyncio.set_event_loop(loop)
        try:
            response = jsonable(unwrap(call_entry(entry, json.loads(line)["query"], loop.run_until_complete)), "answer")
            if len(to_json(response).encode()) > settings.response_bytes:
                raise NotJson(f"The answer has more than {settings.response_bytes} bytes as JSON.")
            reply({"response": response})
        except NotJson as error:
            say("ERROR", str(error))
            reply(problem("RESULT_INVALID", str(error)))
        except SystemExit:
            reply(problem("AGENT_EXITED", "The agent called sys.exit() instead of returning an answer."))
            raise
        except BaseException as error:
            print_traceback()
            reply(problem("AGENT_EXCEPTION", f"The agent raised {type_name(type(error))}; the log has more."))


def print_traceback() -> None:
    import traceback

    traceback.print_exc()


def load_agent() -> ModuleType:
    """Runs agent.py as the module `agent`."""
    path = os.path.join(HERE, "agent.py")
    sys.argv = [path]
    module = type(sys)("agent")
    module.__file__ = path
    sys.modules["agent"] = module
    with open(path, "rb") as file:
        exec(compile(file.read(), path, "exec", dont_inherit=True), module.__dict__)
    return module


# --- The program: the server, a worker, or a health check


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(Settings(), int(sys.argv[2]), int(sys.argv[3]))
    else:
        sys.exit(check(Settings()) if sys.argv[1:] == ["--check"] else serve(Settings()))
