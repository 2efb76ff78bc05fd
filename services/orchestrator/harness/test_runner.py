"""Runs one agent and reports what it did: the program inside every sandbox and container of Assay.

It takes a context (one JSON object), installs the requirements, runs the agent in a child process, turns every line
that the agent writes into a numbered JSON line on fd 1, and hands back one result object. It knows nothing of queues,
stores and clouds.

The agent is not trusted. It is forked *before* the context is read, so the nonce that proves our marks was never in its
memory, and this process is non-dumpable, so an agent of the same user cannot look into it (with CAP_SYS_PTRACE it
could: do not give it that). As PID 1 the harness cannot be killed from inside, and a SIGTERM from inside is ignored.

In a container (ASSAY_CONTEXT_URL is set) the environment holds addresses that are credentials, secrets and what the
platform put there. So the agent then gets an environment made of named things, see `environment_of_children`.

Speed is a feature: every test pays for a start of this file. So nothing is imported here that not every test needs
(`json` alone costs more than all of this), and the process leaves through os._exit. Compiling it costs twice as much as
running it: where that matters, compile it once with py_compile and run the .pyc.

    python3 -S -I test_runner.py            context on fd 0, or from ASSAY_CONTEXT_URL
    python test_runner.py --agent IN OUT    inside: the agent's process as another interpreter (see _exec_agent)
"""

# Made from services/orchestrator/harness/src/ by deploy/setup/join.py: edit there.

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import posix as os  # what is in os without what makes its import cost a millisecond
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
    from types import ModuleType, TracebackType
    from typing import Any, NoReturn


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


# --- How a type is named to a reader


def type_name(kind: type) -> str:
    name = kind.__qualname__.rpartition("<locals>.")[2]
    name = name if kind.__module__ in ("builtins", "agent") else f"{kind.__module__}.{name}"
    return name[:200]


# --- System calls that os does not have, and signals as something to read


PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 1, 4, 36
SFD_FLAGS = os.O_CLOEXEC | os.O_NONBLOCK


def libc(name: str, *args: int | bytes) -> int:
    try:
        import _ctypes

        address = _ctypes.dlsym(_ctypes.dlopen(None, 0), name)  # type: ignore[arg-type]
        result: int = _ctypes.call_function(address, args)
    except AttributeError:
        import ctypes

        result = getattr(ctypes.CDLL(None), name)(*args)
    return result


class Signals:
    """SIGTERM and SIGCHLD as a readable fd, with the sender known, so that an agent cannot pose as the runtime."""

    def __init__(self) -> None:
        watched = (_signal.SIGTERM, _signal.SIGINT, _signal.SIGCHLD)
        _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
        mask = sum(1 << (number - 1) for number in watched).to_bytes(128, sys.byteorder)
        self.fd = libc("signalfd", -1, mask, SFD_FLAGS)
        if self.fd < 0:
            raise OSError("signalfd failed")
        self.cancelled = False

    def read(self) -> None:
        """Takes in what has arrived. A SIGTERM from outside sets `cancelled`: seen from PID 1 its sender has no pid."""
        while True:
            try:
                data = os.read(self.fd, 128 * 16)
            except BlockingIOError:
                return
            for at in range(0, len(data), 128):
                number = int.from_bytes(data[at : at + 4], sys.byteorder)
                sender = int.from_bytes(data[at + 12 : at + 16], sys.byteorder)
                if number != _signal.SIGCHLD and (sender == 0 or os.getpid() != 1):
                    self.cancelled = True


def shield() -> Signals:
    """Makes this process one that its children cannot look into, and that inherits their orphans."""
    libc("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    return Signals()


# --- Reading and writing all of it


READ_BYTES = 65536


def write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def read_all(fd: int) -> bytes:
    pieces = []
    while piece := os.read(fd, READ_BYTES):
        pieces.append(piece)
    return b"".join(pieces)


def complain(text: str) -> None:
    """To standard error: that of the harness is for who operates the runtime, that of the agent is its log."""
    try:
        write_all(2, f"assay harness: {text}\n".encode("utf-8", "replace"))
    except OSError:
        pass


# --- Our environment, and what children may see of it


ENVIRONMENT = {
    name.decode("utf-8", "surrogateescape"): value.decode("utf-8", "surrogateescape")
    for name, value in os.environ.items()
}
IN_CONTAINER = "ASSAY_CONTEXT_URL" in ENVIRONMENT
# What an image says about itself. One that needs more for its agents names it in ASSAY_PASS_ENV, separated by spaces.
OF_THE_IMAGE = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)
# The role of an ECS task: how an agent reaches the models that its test may use. Never for an installer.
REGION = ("AWS_REGION", "AWS_DEFAULT_REGION")  # of the task, unless the test names one
OF_THE_TASK = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_EXECUTION_ENV")


def environment_of_children() -> dict[str, str]:
    """What children may see of our environment: everything but what was meant for us; in a container, where others put
    things too, only what the image says about itself."""
    env = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("ASSAY_")}
    if IN_CONTAINER:
        passed = (*OF_THE_IMAGE, *ENVIRONMENT.get("ASSAY_PASS_ENV", "").split())
        env = {name: env[name] for name in passed if name in env}
        home = ENVIRONMENT.get("HOME", "")  # container runtimes set it from /etc/passwd: /nonexistent, or /
        if home and os.access(home, os.W_OK):
            env["HOME"] = home
    env.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
    env.setdefault("HOME", os.getcwd())
    env.setdefault("LANG", "C.UTF-8")
    return env


def change_environment(env: Mapping[str, str]) -> None:
    """Of this process: what C code sees, and what the `os` of the agent will copy when it is imported."""
    for old in list(os.environ):
        os.unsetenv(old)
    os.environ.clear()
    for name, value in env.items():
        raw = name.encode("utf-8", "surrogateescape"), value.encode("utf-8", "surrogateescape")
        os.putenv(*raw)
        os.environ[raw[0]] = raw[1]


def find_program(name: str, path: str) -> str | None:
    for folder in path.split(":"):
        candidate = f"{folder}/{name}"
        if folder and os.access(candidate, os.X_OK):
            return candidate
    return None


# --- The level of a line of output


LEVEL_WORDS = (
    ("DEBUG", "debug"),
    ("INFO", "info"),
    ("WARNING", "warning"),
    ("WARN", "warning"),
    ("ERROR", "error"),
    ("CRITICAL", "critical"),
)


def level_of(text: str, default: str) -> str:
    """The level that a line names with its first word, as logging does; else the default of its stream."""
    if text[:1] == "[":
        text = text[1:]
    if text[:1] in ("D", "I", "W", "E", "C"):
        for word, level in LEVEL_WORDS:
            if text.startswith(word) and not text[len(word) : len(word) + 1].isalnum():
                return level
    return default


# --- The output protocol: one JSON object per line on fd 1


LONGEST_ESCAPE = 6  # bytes for one: \\u0000 for a control character; three for a byte that is no UTF-8


class Output:
    """Numbers the lines and writes them in bursts: one write for what one read brought. The only writer of fd 1."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.nonce = ""
        self.seq = 0  # of the last line
        self.last_allowed = self.room = sys.maxsize  # the highest number, and the bytes left
        self.line_bytes = 16384  # of a line as the agent wrote it
        self.encoded_bytes = sys.maxsize  # of the text of a line as it leaves, quoted and escaped
        self.truncated = False
        self.broken = False
        self.waiting: list[str] = []

    def line(self, stream: str, raw: bytes, *, default: str, continued: bool = False) -> None:
        if self.truncated:
            return
        self.room -= len(raw)
        if self.seq >= self.last_allowed or self.room < 0:
            self._truncate()
            return
        text = raw.decode("utf-8", "replace")
        level = level_of(text, default)
        if len(raw) * LONGEST_ESCAPE > self.encoded_bytes:
            while cut := cut_of(text, self.encoded_bytes):
                self._append(stream, level, text[:cut], ',"cont":true' if continued else "")
                text, continued = text[cut:], True
                if self.seq >= self.last_allowed:
                    self._truncate()
                    return
        self._append(stream, level, text, ',"cont":true' if continued else "")

    def say(self, text: str, level: str = "info") -> None:
        """A line of our own, of the stream `system`."""
        if not self.truncated:
            self._append("system", level, text, "")

    def _append(self, stream: str, level: str, text: str, more: str) -> None:
        self.seq += 1
        self.waiting.append(
            f'{{"seq":{self.seq},"ts":{time.time():.6f},"stream":"{stream}","level":"{level}","text":{quote(text)}{more}}}\n'
        )

    def mark(self, name: str, more: str = "") -> None:
        self.waiting.append(f'{{"mark":"{name}","ts":{time.time():.6f},"nonce":{quote(self.nonce)}{more}}}\n')

    def _truncate(self) -> None:
        reason = "bytes" if self.room < 0 else "lines"
        self.say(f"Too many {reason} of output: what follows is not kept. The agent runs on.", "warning")
        self.truncated = True
        self.mark("truncated", f',"lines":{self.seq}')

    def flush(self) -> None:
        if self.waiting and not self.broken:
            data = "".join(self.waiting).encode("utf-8", "replace")
            try:
                write_all(self.fd, data)
            except OSError as error:  # a full disk, or a reader that left
                self.broken = True  # the test goes on, and the numbers tell what is missing
                complain(f"output is lost: {error}")
        self.waiting.clear()


def cut_of(text: str, limit: int) -> int:
    """How many characters of it fit as a JSON string into so many bytes; 0 where all of them do."""
    size = encoded_size(text)
    if size <= limit:
        return 0
    count = max(1, len(text) * limit // size)
    while count > 1 and encoded_size(text[:count]) > limit:  # what is longer than the average stands at the beginning
        count = max(1, count * 7 // 8)
    return count


def encoded_size(text: str) -> int:
    return len(quote(text).encode("utf-8", "replace")) - 2


# --- What the pipes of a child bring: lines of output, and one answer


# how faulthandler writes a frame of this file; the user of a log looks for frames of the agent
OUR_FRAMES = f'  File "{level_of.__code__.co_filename}", line '.encode()


class Stream:
    """Cuts what one pipe brings into lines, and long lines into pieces at character boundaries."""

    def __init__(self, fd: int, name: str, output: Output, default: str = "info") -> None:
        self.fd = fd
        self.name = name
        self.output = output
        self.default = default
        self.rest = b""
        self.continued = False

    def feed(self, data: bytes) -> None:
        if self.output.truncated:
            return
        lines = (self.rest + data).split(b"\n")
        self.rest = lines.pop()
        for line in lines:
            self._emit(self._long(line))
            self.continued = False
        self.rest = self._long(self.rest)

    def end(self) -> None:
        """A last line without a newline is a line."""
        if self.rest:
            self._emit(self.rest)
            self.rest = b""

    def _long(self, line: bytes) -> bytes:
        """Sends off full pieces of a long line, gives back what is left of it."""
        limit = self.output.line_bytes
        while len(line) > limit:
            cut = limit
            while cut > limit - 4 and line[cut] & 0xC0 == 0x80:  # inside a UTF-8 sequence
                cut -= 1
            self._emit(line[:cut])
            self.continued = True
            line = line[cut:]
        return line

    def _emit(self, line: bytes) -> None:
        if line.startswith(OUR_FRAMES) and b", in " not in line:  # of a stack that faulthandler dumped
            return
        self.output.line(self.name, line, default=self.default, continued=self.continued)


class Transcript(Stream):
    """A stream that remembers its last lines, for the error message."""

    tail: tuple[str, ...] = ()

    def _emit(self, line: bytes) -> None:
        super()._emit(line)
        if line.strip():
            self.tail = (*self.tail[-19:], line.decode("utf-8", "replace"))


ANNOUNCES = b'{"entry":'


class Answer:
    """What the agent process hands over on its own pipe: one JSON object and a newline. What follows is ignored.

    Before it may come a line of its own that says what is called, so that this is known whatever the call does."""

    def __init__(self, fd: int, limit: int) -> None:
        self.fd = fd
        self.limit = limit
        self.data = b""
        self.announced = b""
        self.complete = False
        self.too_large = False

    def feed(self, data: bytes) -> None:
        if self.complete:
            return
        self.data += data
        if not self.announced and self.data.startswith(ANNOUNCES) and b"\n" in data:
            self.announced, _, self.data = self.data.partition(b"\n")
        self.complete = b"\n" in self.data if self.announced else b"\n" in data
        self.too_large = len(self.data) > self.limit
        self.complete |= self.too_large

    def end(self) -> None:
        pass


# --- Child processes: a fork with pipes, and nothing else that is open


class Child:
    """A started process and our ends of its pipes."""

    def __init__(self, pid: int, readers: Sequence[int], instructions: int = -1) -> None:
        self.pid = pid
        self.readers = readers
        self.instructions = instructions


def fork_with(outputs: int, body: Callable[[Sequence[int], int], None]) -> Child:
    """Forks a child that runs `body` with the write ends of its pipes and the read end of its instructions."""
    pipes = [os.pipe() for _ in range(outputs)]
    instructions, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            body([write for _, write in pipes], instructions)
        except BaseException as error:  # nothing of the parent's may run in the child
            complain(f"child: {type(error).__name__}: {error}")
        finally:
            os._exit(70)
    for _, write in pipes:
        os.close(write)
    os.close(instructions)
    return Child(pid, [read for read, _ in pipes], tell)


def settle(out: int, err: int, keep: Sequence[int]) -> None:
    """Makes the calling child its own session, with /dev/null, `out`, `err` and `keep` as its only open files."""
    os.setsid()
    libc("prctl", PR_SET_PDEATHSIG, _signal.SIGKILL, 0, 0, 0)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    try:
        opened: Iterable[int] = [int(fd) for fd in os.listdir("/proc/self/fd")]
    except OSError:
        opened = range(4096)
    for fd in opened:
        if fd > 2 and fd not in keep:
            try:
                os.close(fd)
            except OSError:
                pass
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())


# --- Following a child until it and all its descendants are gone


TERM_GRACE_S = 2.0  # between SIGTERM and SIGKILL
ANSWER_GRACE_S = 2.0  # for threads and exit handlers of an agent that has answered
DRAIN_S = 0.3  # for reading on after the agent ended, whoever still holds its pipes


class Watch:
    """Reads what a child writes until it and all its descendants are gone; ends it after `seconds`, or on SIGTERM."""

    def __init__(
        self, child: Child, readers: Sequence[Stream | Answer], seconds: float, output: Output, signals: Signals
    ) -> None:
        self.pid = child.pid
        self.output = output
        self.signals = signals
        self.pipes: dict[int, Stream | Answer] = {reader.fd: reader for reader in readers}
        self.answer = next((reader for reader in readers if isinstance(reader, Answer)), None)
        self.answered = False
        self.stopped = ""  # why we ended it: TIMED_OUT, CANCELLED, or ANSWERED when it answered and then would not end
        self.exited = False
        self.others = False  # children beside the one that we watch: orphans that have come to us
        self.exit_code: int | None = None
        self.signal: int | None = None
        self.cpu_s = 0.0  # of it and of all its descendants
        self.peak_bytes = 0
        self.started = time.monotonic()
        self.seconds = 0.0
        self.until = self.started + seconds  # when something has to be done next

    def follow(self) -> None:
        poll = select.poll()
        for fd in (self.signals.fd, *self.pipes):
            poll.register(fd, select.POLLIN)
        while True:
            now = time.monotonic()
            if not self.exited:
                self._end_what_must_end(now)
            elif now >= self.until or not (self.pipes or self.others):
                break
            elif self.others:
                kill_all_but_us()
            wait = 0.01 if self.exited and self.others else max(0.0, self.until - now)
            for fd, _ in poll.poll(min(wait, 3600.0) * 1000 + 1):
                if fd == self.signals.fd:
                    self.signals.read()
                    self._reap()
                elif data := os.read(fd, READ_BYTES):
                    self.pipes[fd].feed(data)
                else:
                    poll.unregister(fd)
                    self.pipes.pop(fd).end()
                    os.close(fd)
            self.output.flush()
        for fd, reader in self.pipes.items():
            reader.end()
            os.close(fd)
        self._reap()
        self.output.flush()

    def _end_what_must_end(self, now: float) -> None:
        if self.stopped:
            if now >= self.until:
                kill_group(self.pid, _signal.SIGKILL)
                self.until = now + TERM_GRACE_S
        elif self.signals.cancelled:
            self._stop("CANCELLED", now)
        elif now >= self.until:
            self._stop("ANSWERED" if self.answered else "TIMED_OUT", now)
        elif self.answer is not None and self.answer.complete and not self.answered:
            self.answered = True
            self.until = min(self.until, now + ANSWER_GRACE_S)

    def _stop(self, why: str, now: float) -> None:
        self.stopped = why
        if why == "ANSWERED":
            text = (
                "The agent answered but its process did not end (a thread or an exit handler still runs): stopping it."
            )
        elif why == "TIMED_OUT":
            text = f"The time limit of {now - self.started:.0f} s is over: stopping the agent."
        else:
            text = "The test was cancelled: stopping the agent."
        self.output.say(text, "warning")
        kill_group(self.pid, _signal.SIGTERM)
        self.until = now + TERM_GRACE_S

    def _reap(self) -> None:
        """Takes in every child that has ended: the one we watch and, as init or subreaper, its orphans."""
        self.others = False
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                self.others = True
                return
            self.cpu_s += usage.ru_utime + usage.ru_stime
            self.peak_bytes = max(self.peak_bytes, usage.ru_maxrss * 1024)
            if pid == self.pid:
                self._has_exited(status)

    def _has_exited(self, status: int) -> None:
        self.exited = True
        now = time.monotonic()
        self.seconds = now - self.started
        self.until = now + DRAIN_S
        if os.WIFSIGNALED(status):
            self.signal = os.WTERMSIG(status)
        else:
            self.exit_code = os.WEXITSTATUS(status)
        kill_group(self.pid, _signal.SIGKILL)


def kill_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def kill_all_but_us() -> None:
    """What the agent left behind, in whatever session: as init everything else, otherwise what has become our child."""
    try:
        if os.getpid() == 1:
            os.kill(-1, _signal.SIGKILL)
            return
        for pid in _children():
            os.kill(pid, _signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _children() -> Iterator[int]:
    us = str(os.getpid()).encode()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fd = os.open(f"/proc/{name}/stat", os.O_RDONLY)
            except OSError:
                continue
            try:
                fields = os.read(fd, 512).rpartition(b")")[2].split()  # after the name: state, parent
            except OSError:
                continue
            finally:
                os.close(fd)
            if fields[1:2] == [us]:
                yield int(name)


def how_it_ended(watch: Watch) -> str:
    if watch.signal is not None:
        try:
            import signal

            return f"killed by {signal.Signals(watch.signal).name}"
        except ValueError:
            return f"killed by signal {watch.signal}"
    return f"exit code {watch.exit_code}"


# --- The context: what is to be done


VERSION = 1
# Container runtimes cut log lines at 16 KiB (moby daemon/logger/copier.go; Fargate's shim loggers do the same).
CONTAINER_LINE_BYTES = 16384


class ContextUnavailable(Exception):
    """There is nothing to run."""


class Context:
    """What is to be done: the object that the runtime wrote, checked for its shape and not for its sense."""

    def __init__(self, raw: bytes) -> None:
        try:
            data = from_json(raw.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise ContextUnavailable(f"the context is not JSON: {error}") from None
        try:
            if data["version"] != VERSION:
                raise ContextUnavailable(f"the context has version {data['version']}, this harness knows {VERSION}")
            self.test_id: str = data["test_id"]
            self.attempt: int = data["attempt"]
            self.nonce: str = data["nonce"]
            self.mode: str = data["mode"]
            self.first_seq: int = data.get("first_seq", 1)
            self.result_fd: int | None = data.get("result_fd")
            self.files: dict[str, str] = data["files"]
            self.code: str = self.files.get("agent.py", "")
            self.requirements: str = self.files.get("requirements.txt", "")
            self.entrypoint: str | None = data.get("entrypoint")
            self.query: str = data.get("query", "")
            self.env: dict[str, str] = data.get("env") or {}
            self.timeout_s: float = data["timeout_s"]
            self.python: str | None = data.get("python")
            self.env_dir: str = data.get("env_dir") or "/tmp/env"
            self.from_source: str = data.get("from_source", "if_needed")  # or "never", "at_once"
            limits: dict[str, Any] = data["limits"]
            self.max_lines = limits["lines"]
            self.max_bytes = limits["bytes"]
            self.line_bytes = max(16, limits["line_bytes"])
            self.encoded_line_bytes = limits.get("encoded_line_bytes", CONTAINER_LINE_BYTES if IN_CONTAINER else None)
            self.response_bytes = limits["response_bytes"]
            self.secret_names: list[str] = data.get("secret_names") or []
            self.system_packages: list[str] = data.get("system_packages") or []
        except (KeyError, TypeError, AttributeError) as error:
            raise ContextUnavailable(f"the context lacks something: {type(error).__name__}: {error}") from None
        if self.mode not in ("run", "build", "all"):
            raise ContextUnavailable(f"the context asks for the unknown mode {self.mode!r}")


# --- Where the context comes from and the result goes


def take_context() -> Context:
    url = ENVIRONMENT.get("ASSAY_CONTEXT_URL")
    if url is None:
        return Context(read_all(0))
    raw = transfer(url, None)
    import hashlib

    if hashlib.sha256(raw).hexdigest() != ENVIRONMENT.get("ASSAY_CONTEXT_SHA256", "").lower():
        raise ContextUnavailable("the context is not the one that was written: its SHA-256 differs")
    return Context(raw)


def deliver(result: Mapping[str, object], result_fd: int | None) -> bool:
    data = to_json(result).encode("utf-8", "replace")
    url = ENVIRONMENT.get("ASSAY_RESULT_URL")
    try:
        if url is not None:
            transfer(url, data)
        elif result_fd is not None:
            write_all(result_fd, data)
            os.close(result_fd)
    except (OSError, ContextUnavailable) as error:
        complain(f"the result cannot be delivered: {error}")
        return False
    return True


def transfer(url: str, body: bytes | None) -> bytes:
    """GET, or PUT of a body, tried again for about 12 s: a new container's network does not always come up at once."""
    import http.client
    import urllib.error
    import urllib.request

    problem = ""
    for pause in (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 0.0):
        headers = {"Content-Type": "application/json"} if body is not None else {}
        request = urllib.request.Request(url, data=body, headers=headers, method="GET" if body is None else "PUT")
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # the URL is the runtime's, not the agent's
                received: bytes = answer.read()
                return received
        except urllib.error.HTTPError as error:
            problem = f"HTTP {error.code}"
            if error.code in (400, 401, 403, 404):  # a signature or an address does not get better
                break
        except (OSError, http.client.HTTPException) as error:
            problem = f"{type(error).__name__}: {error}"
        time.sleep(pause)
    # without the URL: it is a credential
    raise ContextUnavailable(f"{'GET' if body is None else 'PUT'} failed: {problem}")


# --- The requirements


NO_WHEEL = ("no wheels", "no usable wheels", "building from source is disabled", "no matching distribution found")


BUILT = "built-from-source"  # a file in an environment for which something was


class InstallFailed(Exception):
    """The requirements cannot be installed; the message is the end of what the installer said."""


class NeedsSource(Exception):
    """Not everything comes as a wheel, and the context does not allow to build here."""


class Stopped(Exception):
    """The time limit or a SIGTERM came while installing."""


class Installer:
    """Fills a fresh environment, with uv where there is one, else with venv and pip. Their output is stream `build`."""

    def __init__(self, context: Context, output: Output, signals: Signals) -> None:
        self.env_dir = context.env_dir
        self.python = f"{context.env_dir}/bin/python"
        self.requirements = context.requirements
        self.deadline = time.monotonic() + context.timeout_s
        self.shared = context.mode == "all"  # an image may bring packages of its own
        self.keeps = context.mode == "build"  # the environment, for tests to come
        self.from_source = context.from_source
        self.output = output
        self.signals = signals
        self.env = environment_of_children()
        if IN_CONTAINER:
            self.env.update((name, value) for name, value in ENVIRONMENT.items() if _is_for_installers(name))
            self.env.update(UV_NO_CACHE="1", PIP_NO_CACHE_DIR="1")  # nobody comes after us who could use it
        self.env.update(UV_NO_PROGRESS="1", NO_COLOR="1", UV_PYTHON_DOWNLOADS="never")
        self.env.update(
            PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", PIP_PROGRESS_BAR="off", PIP_ROOT_USER_ACTION="ignore"
        )

    def install(self) -> None:
        """Raises InstallFailed, NeedsSource, Stopped."""
        uv = find_program("uv", self.env.get("PATH", ""))
        shared = ["--system-site-packages"] if self.shared else []
        base = sys.executable or "/usr/bin/python3"
        if uv:
            self._must(uv, "venv", "--quiet", "--allow-existing", "--python", base, *shared, self.env_dir)
            command = [uv, "pip", "install", "--python", self.python]
        else:
            self._must(base, "-m", "venv", *shared, self.env_dir)
            command = [self.python, "-m", "pip", "install"]
        file = f"{self.env_dir}/requirements.txt"
        with open(file, "w", encoding="utf-8") as target:
            target.write(self.requirements)
        code, said = 1, ""
        building = self.from_source == "at_once"
        if not building:
            code, said = self._call(*command, "--only-binary", ":all:", "-r", file)
            building = code != 0 and any(sign in " ".join(said.lower().split()) for sign in NO_WHEEL)
            if building:
                self.output.say("Not everything comes as a wheel: installing again, with building from source.")
        if building:
            if self.from_source == "never":
                raise NeedsSource
            code, said = self._call(*command, "-r", file)
        if code:
            raise InstallFailed(said)
        if building:
            with open(f"{self.env_dir}/{BUILT}", "w", encoding="utf-8"):
                pass  # for those who find this environment later (built_in)
        if uv and self.keeps:
            # pip does so by itself. Without `site` nothing that was installed runs here; uv would run *.pth files.
            self._call(base, "-S", "-I", "-m", "compileall", "-qq", "-j", "0", f"{self.env_dir}/lib")

    def _must(self, *command: str) -> None:
        code, said = self._call(*command)
        if code:
            raise InstallFailed(f"{' '.join(command)} ended with {code}: {said}")

    def _call(self, *command: str) -> tuple[int, str]:
        def become(outputs: Sequence[int], instructions: int) -> None:
            settle(outputs[0], outputs[0], (instructions,))
            _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
            os.execve(command[0], command, self.env)

        child = fork_with(1, become)
        os.close(child.instructions)
        said = Transcript(child.readers[0], "build", self.output)
        watch = Watch(child, [said], max(0.0, self.deadline - time.monotonic()), self.output, self.signals)
        watch.follow()
        if watch.stopped:
            raise Stopped(watch.stopped)
        return watch.exit_code if watch.exit_code is not None else 128 + (watch.signal or 0), "\n".join(said.tail)


def _is_for_installers(name: str) -> bool:
    """Settings of an image for its installer, which may hold the password of an index: not for the agent."""
    return name.startswith(("PIP_", "UV_")) or name.lower() in ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


def installed_in(env_dir: str) -> list[str]:
    """`name==version` of every package in an environment, by the names of their folders: no file has to be read."""
    found = set()
    try:
        for version in os.listdir(f"{env_dir}/lib"):
            if version.startswith("python"):
                for name in os.listdir(f"{env_dir}/lib/{version}/site-packages"):
                    project, dash, release = name.removesuffix(".dist-info").rpartition("-")
                    if dash and name.endswith(".dist-info") and project != "pip":  # which venv brings along
                        found.add(f"{project.replace('_', '-').lower()}=={release}")
    except OSError:
        pass  # a test is worth more than the list of its packages
    return sorted(found)


def built_in(env_dir: str, resolved: Sequence[str]) -> list[str]:
    """Those of these packages that were compiled here: wheels of an index say for which Linux they are (manylinux,
    musllinux), and one that is pure Python says `any`."""
    if not os.access(f"{env_dir}/{BUILT}", os.F_OK):
        return []
    found = []
    try:
        for version in os.listdir(f"{env_dir}/lib"):
            packages = f"{env_dir}/lib/{version}/site-packages"
            for name in os.listdir(packages) if version.startswith("python") else ():
                if name.endswith(".dist-info") and _is_compiled(f"{packages}/{name}/WHEEL"):
                    project, _, release = name.removesuffix(".dist-info").rpartition("-")
                    found.append(f"{project.replace('_', '-').lower()}=={release}")
    except OSError:
        pass
    return sorted(name for name in found if name in resolved)


def _is_compiled(path: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            tags = [line.split(":", 1)[1].strip() for line in file.read(65536).splitlines() if line.startswith("Tag:")]
    except OSError:
        return False
    return any(tag.rpartition("-")[2].startswith("linux_") for tag in tags)


def wants_install(requirements: str) -> bool:
    return any(line.strip() and not line.strip().startswith("#") for line in requirements.splitlines())


# --- agent.py as a module


def load_agent(code: str) -> ModuleType:
    """Runs agent.py as the module `agent`, with the work folder first on the path."""
    work = os.getcwd()
    path = f"{work}/agent.py"
    sys.argv = [path]
    if sys.path and sys.path[0] == __file__.rpartition("/")[0]:
        del sys.path[0]
    sys.path.insert(0, work)
    import builtins

    for name in ("exit", "quit"):  # python -S has none
        if not hasattr(builtins, name):
            setattr(builtins, name, sys.exit)
    module = type(sys)("agent")
    module.__file__ = path
    sys.modules["agent"] = module
    exec(compile(code, path, "exec", dont_inherit=True), module.__dict__)  # this is what we are for
    return module


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


# --- The tokens that an agent says it used


MAX_TOKENS = 2**53  # what every reader of JSON can hold


def usage_of(value: Any, module: object) -> dict[str, int] | None:
    """Tokens, where the agent tells: in what its framework's result carries, in the answer as
    `"usage": {"input_tokens": 1, "output_tokens": 2}`, or in a variable `usage` of that form in agent.py."""
    try:
        usage = getattr(value, "usage", None)
        if callable(usage) and not tokens_of(usage):  # a method; in newer pydantic-ai a value that may still be called
            usage = usage()
        candidates = [usage, getattr(value, "usage_metadata", None), value]
        if isinstance(value, dict):
            candidates.append(value.get("usage"))
            messages = value.get("messages")
            if isinstance(messages, list):
                candidates.append(_summed([getattr(message, "usage_metadata", None) for message in messages]))
        candidates.append(getattr(module, "usage", None))
        return next(filter(None, map(tokens_of, candidates)), None)
    except Exception:  # foreign objects may do anything when asked; a count is not worth a failure
        return None


def tokens_of(candidate: Any) -> dict[str, int] | None:
    found = []
    for names in (
        ("input_tokens", "prompt_tokens", "request_tokens", "prompt_eval_count"),
        ("output_tokens", "completion_tokens", "response_tokens", "eval_count"),
    ):
        get = candidate.get if isinstance(candidate, dict) else lambda name: getattr(candidate, name, None)
        found.append(next((got for got in map(get, names) if type(got) is int and 0 <= got <= MAX_TOKENS), None))
    if found == [None, None]:
        return None
    return {"input_tokens": found[0] or 0, "output_tokens": found[1] or 0}


def _summed(parts: list[Any]) -> dict[str, int] | None:
    counts = list(filter(None, map(tokens_of, parts)))
    return (
        {name: sum(count[name] for count in counts) for name in ("input_tokens", "output_tokens")} if counts else None
    )


# --- What an agent's process says beside its answer, cut to what is kept: it may say anything


MAX_HINT = 500  # characters
MAX_CANDIDATES = 20
MAX_CONVERSIONS = 100
ENTRY_TEXTS = (("name", 200), ("kind", 50), ("signature", 500), ("call", 300))  # and the characters kept of each
CONVERSION_TEXTS = (("path", 300), ("type", 200), ("how", 300))


def entry_in(announced: bytes) -> dict[str, object] | None:
    """What is called and how; None where the process did not come so far, or did not say it as we do."""
    if not announced:
        return None
    try:
        entry = from_json(announced.decode("utf-8"))["entry"]
        candidates = [text_in(name, 200) for name in list(entry["candidates"])[:MAX_CANDIDATES]]
        return {
            **{name: text_in(entry[name], most) for name, most in ENTRY_TEXTS},
            "query_passed": entry["query_passed"] is True,
            "named": entry["named"] is True,
            "candidates": candidates,
        }
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def conversions_in(reply: Any) -> list[dict[str, str]]:
    """The notes on values that were not plain JSON, as far as they are some."""
    given = reply.get("conversions") if isinstance(reply, dict) else None
    notes = given[:MAX_CONVERSIONS] if isinstance(given, list) else []
    return [
        {name: text_in(note.get(name), most) for name, most in CONVERSION_TEXTS}
        for note in notes
        if isinstance(note, dict)
    ]


def text_in(value: object, most: int) -> str:
    """Of at most so many characters; nothing where it is no text."""
    text = value if isinstance(value, str) else ""
    return text if len(text) <= most else f"{text[: most - 1]}…"


# --- The one message from the agent's process to the harness


MAX_MESSAGE = 8 * 1024  # characters of an error message
MAX_TRACEBACK = 32 * 1024


class Reply:
    """The one message from the agent's process to the harness."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.owner = os.getpid()

    def is_ours(self) -> bool:
        """False in a copy that the agent forked: whatever its function does there, it is not asked."""
        return os.getpid() == self.owner

    def answer(self, value: Any, module: object, limit: int) -> None:
        response = jsonable(unwrap(value), "answer")
        size = len(to_json(response).encode("utf-8"))
        if size > limit:
            self.fail("RESULT_TOO_LARGE", f"The answer has {size:,} bytes as JSON; {limit:,} are allowed.")
        else:
            self._send({"response": response, "usage": usage_of(value, module)})

    def fail(self, code: str, message: str | None, error: BaseException | None = None, hint: str = "") -> None:
        """`hint`: what to do, where we know better than what is usual for the code."""
        self._send({"code": code, "error": {**describe(error, message), "hint": hint[:MAX_HINT]}})

    def announce(self, entry: Mapping[str, object]) -> None:
        """Before the call: what is called and how, as `particulars.entry_in` reads it. Once."""
        self._write({"entry": entry})

    def _send(self, message: Mapping[str, object]) -> None:
        if self._write(message):
            os.close(self.fd)

    def _write(self, message: Mapping[str, object]) -> bool:
        if not self.is_ours():
            return False
        try:
            write_all(self.fd, to_json(message).encode("utf-8", "replace") + b"\n")
        except OSError as error:  # the agent has closed what was not its own
            complain(f"the answer cannot be handed over: {error}")
            return False
        return True


def describe(error: BaseException | None, message: str | None) -> dict[str, str]:
    """type, message and traceback, in sizes that can be stored; the traceback without our own frames."""
    if error is None:
        return {"type": "", "message": (message or "")[:MAX_MESSAGE], "traceback": ""}
    if message is None:
        message = _said(error)
    if isinstance(error, SystemExit):
        return {"type": "SystemExit", "message": message[:MAX_MESSAGE], "traceback": ""}
    import traceback

    ours = describe.__code__.co_filename
    place: TracebackType | None = error.__traceback__
    while place is not None and place.tb_frame.f_code.co_filename == ours:
        place = place.tb_next
    try:
        text = "".join(traceback.format_exception(type(error), error, place))
    except Exception as problem:  # an exception that cannot even be shown
        text = f"{type_name(type(error))} (its traceback cannot be shown: {type(problem).__name__})"
    if len(text) > MAX_TRACEBACK:
        text = f"{text[: MAX_TRACEBACK // 2]}\n[...]\n{text[-MAX_TRACEBACK // 2 :]}"
    return {"type": type_name(type(error)), "message": message[:MAX_MESSAGE], "traceback": text}


def _said(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        name = (error.filename or "agent.py").rpartition("/")[2]
        return f"{name}, line {error.lineno}: {error.msg}"
    try:
        return str(error) or type_name(type(error))
    except Exception:
        return "(its text cannot be shown)"


# --- The agent's process, from its fork to its end


def start_agent() -> Child:
    """Forks the process that will be the agent. It waits for instructions; if none come, it is not needed."""
    return fork_with(3, _await_instructions)


def _await_instructions(outputs: Sequence[int], instructions: int) -> None:
    out, err, answer = outputs
    settle(out, err, (answer, instructions))
    raw = read_all(instructions)
    os.close(instructions)
    if not raw:
        os._exit(0)
    job = from_json(raw.decode("utf-8"))
    if job["python"] is not None:
        _exec_agent(job["python"], raw, answer)
    change_environment({**environment_of_children(), **job["env"]})
    run_agent(job, answer)


def _exec_agent(python: str, raw: bytes, answer: int) -> NoReturn:
    """Goes on as the interpreter of an installed environment. The instructions go along in memory, not in a file."""
    job = from_json(raw.decode("utf-8"))
    env = environment_of_children()
    if not python.startswith("/usr/"):
        env["VIRTUAL_ENV"] = python.rpartition("/bin/")[0]
        env["PATH"] = f"{env['VIRTUAL_ENV']}/bin:{env['PATH']}"
    env.update(job["env"])
    memory = os.memfd_create("instructions", 0)
    write_all(memory, raw)
    os.lseek(memory, 0, 0)
    os.set_inheritable(answer, True)
    from os.path import realpath

    this = __file__
    if this.endswith("c") and realpath(python) != realpath(sys.executable):
        this = this[:-1]  # compiled for one version of Python
    try:
        os.execve(python, [python, this, "--agent", str(memory), str(answer)], env)
    except OSError as error:
        Reply(answer).fail("DEPENDENCY_INSTALL_FAILED", f"The environment of this test cannot be started: {error}")
        os._exit(1)


def run_agent(job: Mapping[str, Any], answer: int) -> NoReturn:
    """The life of the agent's process: load, call, answer, end as interpreters do (threads, exit handlers, buffers)."""
    import faulthandler

    libc("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(fd, b"1000")  # when memory runs out, the agent goes and not the harness
        os.close(fd)
    except OSError:
        pass
    faulthandler.enable()
    faulthandler.register(_signal.SIGTERM, chain=True)  # an agent that is stopped leaves in its log where it was
    renew_streams()
    _leave(_load_and_call(job, Reply(answer)))


def renew_streams() -> None:
    """Standard streams made for what fds 0, 1 and 2 are now; every line leaves at once, and nothing is unprintable."""
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="replace", closefd=False)  # type: ignore[misc]
    for fd, name in ((1, "stdout"), (2, "stderr")):
        stream = open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _load_and_call(job: Mapping[str, Any], reply: Reply) -> int:
    code = "AGENT_IMPORT_ERROR"
    try:
        module = load_agent(job["code"])
        entry = find_entry(module, job["entrypoint"])
        code = "AGENT_EXCEPTION"
        value = call_entry(entry, job["query"], _complete)
        reply.answer(value, module, job["response_bytes"])
    except EntrypointNotFound as error:
        reply.fail("ENTRYPOINT_NOT_FOUND", str(error))
    except NotJson as error:
        reply.fail("RESULT_INVALID", str(error))
    except SystemExit as error:
        status = exit_status(error)
        said = f": {error.code}" if isinstance(error.code, str) else ""
        reply.fail("AGENT_EXITED", f"The agent called sys.exit({status}) instead of returning an answer{said}", error)
        return status
    except BaseException as error:  # whatever an agent may raise is a fact to report
        if not reply.is_ours():
            import traceback

            traceback.print_exc()
        reply.fail(code, None, error)
    else:
        return 0
    return 1


def _complete(coroutine: Coroutine[Any, Any, object]) -> object:
    import asyncio

    return asyncio.run(coroutine)


def exit_status(error: SystemExit) -> int:
    """What sys.exit makes of its argument: nothing is 0, a text is 1."""
    return error.code & 255 if isinstance(error.code, int) else int(error.code is not None)


def _leave(code: int) -> NoReturn:
    try:
        threading = sys.modules.get("threading")
        if threading is not None:
            threading._shutdown()
        import atexit

        atexit._run_exitfuncs()
    except BaseException as error:
        complain(f"while ending: {type(error).__name__}: {error}")
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # closed or replaced by the agent
            pass
    os._exit(code)


# --- Whether the memory of our container ran out


def out_of_memory_kills() -> int:
    """How often the kernel has killed in our control group because memory ran out; 0 where it does not say."""
    ours = _start_of("/proc/self/cgroup").partition("0::")[2].partition("\n")[0].rstrip("/")
    for path in (
        f"/sys/fs/cgroup{ours}/memory.events",  # version 2, seen from outside of a namespace of its own
        "/sys/fs/cgroup/memory.events",
        "/sys/fs/cgroup/memory/memory.oom_control",  # version 1
    ):
        for line in _start_of(path).splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0


def _start_of(path: str) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(fd, 4096).decode("ascii", "replace")
    except OSError:
        return ""
    finally:
        os.close(fd)


# --- Debian packages that a test names: whether the image that we run in has them


DPKG = "/var/lib/dpkg"


def missing_packages(wanted: Iterable[str], database: str = DPKG) -> list[str]:
    """Those that dpkg's own records have not as installed or provided; all of them where there is no dpkg."""
    files = [f"{database}/status"]
    try:  # images without dpkg's program, such as distroless, have a file for each package
        files += [f"{database}/status.d/{name}" for name in os.listdir(f"{database}/status.d")]
    except OSError:
        pass
    present: set[str] = set()
    for path in files:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                for paragraph in file.read().split("\n\n"):
                    present |= names_in(paragraph)
        except OSError:
            continue
    return [name for name in wanted if name not in present]


def names_in(paragraph: str) -> set[str]:
    """The name of an installed package, and what it provides."""
    fields = {}
    for line in paragraph.splitlines():
        name, colon, value = line.partition(":")
        if colon and name in ("Package", "Status", "Provides"):
            fields[name] = value.strip()
    if "Package" not in fields or not fields.get("Status", "ok installed").endswith(" installed"):
        return set()
    provided = (term.split() for term in fields.get("Provides", "").split(","))
    return {fields["Package"], *(words[0] for words in provided if words)}


# --- One test, from its context to its result


ENVELOPE_BYTES = 256 * 1024  # beside the response in what an agent process hands over: error, usage
ENVELOPE_OF_LINE = 160  # bytes at most that a line has beside its text: names, a 10-digit seq, a time, `cont`, newline
AGENT_CODES = (
    "DEPENDENCY_INSTALL_FAILED",
    "AGENT_IMPORT_ERROR",
    "ENTRYPOINT_NOT_FOUND",
    "ENTRYPOINT_AMBIGUOUS",
    "QUERY_NOT_ACCEPTED",
    "AGENT_EXCEPTION",
    "AGENT_EXITED",
    "RESULT_TOO_LARGE",
    "RESULT_INVALID",
)
OUT_OF_MEMORY_SAID = "The kernel ended a process of the agent: the memory of its container was used up."


class Run:
    """One context from its reading to its result."""

    def __init__(self, context: Context, output: Output, signals: Signals) -> None:
        self.context = context
        self.output = output
        self.signals = signals
        self.build_ms: float | None = None
        self.watch: Watch | None = None
        self.resolved: list[str] = []
        self.built: list[str] = []
        self.entry: dict[str, object] | None = None  # what was called
        self.conversions: list[dict[str, str]] = []
        self.kills = out_of_memory_kills() if IN_CONTAINER else 0
        output.nonce = context.nonce
        output.seq = context.first_seq - 1
        output.last_allowed = output.seq + context.max_lines
        output.room = context.max_bytes
        output.line_bytes = context.line_bytes
        if context.encoded_line_bytes:
            output.encoded_bytes = max(64, context.encoded_line_bytes - ENVELOPE_OF_LINE)
            output.line_bytes = min(context.line_bytes, output.encoded_bytes)

    def lacking(self) -> dict[str, object] | None:
        """None, or the result of a test that ends here because its container lacks what it needs. On a machine of ours
        the runtime has looked."""
        missing = missing_packages(self.context.system_packages) if IN_CONTAINER else []
        if not missing:
            return None
        several = "s" if len(missing) > 1 else ""
        return self.failure(
            "SYSTEM_PACKAGE_MISSING",
            f"The image that runs the tests lacks the Debian package{several} {', '.join(missing)}. "
            f"Its operator can add them to it: apt-get install {' '.join(missing)}",
        )

    def install(self) -> dict[str, object] | None:
        """None, or the result of a test that ends here. Raises NeedsSource."""
        if self.context.from_source != "at_once":  # else somebody has begun before us
            self.output.mark("building")
        self.output.flush()
        started = time.monotonic()
        failed = None
        try:
            Installer(self.context, self.output, self.signals).install()
        except InstallFailed as error:
            failed = ("DEPENDENCY_INSTALL_FAILED", str(error)[-MAX_MESSAGE:])
            if self._memory_ran_out():
                failed = ("OUT_OF_MEMORY", "Installing the requirements took more memory than the container has.")
        except OSError as error:
            failed = ("DEPENDENCY_INSTALL_FAILED", f"The environment cannot be written: {error}")
        except Stopped as stop:
            failed = (str(stop), "Stopped while installing the requirements.")
        self.build_ms = (time.monotonic() - started) * 1000
        return self.failure(*failed) if failed else None

    def agent(self, child: Child, python: str | None) -> dict[str, object]:
        context, output = self.context, self.output
        if python == f"{context.env_dir}/bin/python":
            self.resolved = installed_in(context.env_dir)  # now: an agent may be able to write there
            self.built = built_in(context.env_dir, self.resolved)
        for name, text in context.files.items():
            if name not in ("requirements.txt", "Dockerfile") and "/" not in name:
                self._write(name, text)
        output.mark("running")
        output.flush()
        job = {
            "code": context.code,
            "entrypoint": context.entrypoint,
            "query": context.query,
            "env": {**context.env, **self._given_by_the_platform()},
            "python": python,
            "response_bytes": context.response_bytes,
        }
        try:
            instructions = to_json(job).encode("utf-8")
        except UnicodeEncodeError:
            return self.failure("CONTEXT_UNAVAILABLE", "The context holds half a surrogate pair: not Unicode text.")
        out, err, back = child.readers
        answer = Answer(back, context.response_bytes + ENVELOPE_BYTES)
        streams: list[Stream | Answer] = [
            Stream(out, "stdout", output),
            Stream(err, "stderr", output, "warning"),
            answer,
        ]
        self.watch = Watch(child, streams, context.timeout_s, output, self.signals)
        try:
            write_all(child.instructions, instructions)
            os.close(child.instructions)
        except BrokenPipeError:
            pass  # it is dead already; that is told below
        self.watch.follow()
        output.mark("finished")
        self.entry = entry_in(answer.announced)
        return self._verdict(self.watch, answer)

    def _given_by_the_platform(self) -> dict[str, str]:
        """What a container platform has put into our environment for the agent: its role, and its secrets by name."""
        if not IN_CONTAINER:
            return {}
        names = [name for name in self.context.secret_names if not name.startswith("ASSAY_")]
        for name in names:
            if name not in ENVIRONMENT:
                self.output.say(f"The secret {name} is not in the environment of the container.", "warning")
        # A test that names a region has its own, whichever of the two its libraries read.
        region = () if any(name in self.context.env for name in REGION) else REGION
        return {name: ENVIRONMENT[name] for name in (*OF_THE_TASK, *region, *names) if name in ENVIRONMENT}

    def _memory_ran_out(self) -> bool:
        """Whether the kernel has ended a process of this container because its memory was used up."""
        return IN_CONTAINER and out_of_memory_kills() > self.kills

    def _write(self, name: str, text: str) -> None:
        """For tracebacks and children of the agent. It runs from memory itself, so a full disk is not the end."""
        try:
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            write_all(fd, text.encode("utf-8", "replace"))
            os.close(fd)
        except OSError as error:
            self.output.say(f"{name} cannot be written to the work folder: {error}", "warning")

    def _verdict(self, watch: Watch, answer: Answer) -> dict[str, object]:
        if watch.stopped == "TIMED_OUT":
            return self.failure("TIMED_OUT", f"The agent did not answer within {self.context.timeout_s:g} s.")
        if watch.stopped == "CANCELLED":
            return self.failure("CANCELLED", "The test was cancelled while the agent was running.")
        if answer.too_large:
            return self.failure("RESULT_TOO_LARGE", "The agent's process sent more than an answer may have.")
        if not answer.complete:
            if self._memory_ran_out():
                return self.failure("OUT_OF_MEMORY", OUT_OF_MEMORY_SAID)
            return self.failure("AGENT_EXITED", f"The agent's process ended without an answer: {how_it_ended(watch)}.")
        try:
            reply = from_json(answer.data.partition(b"\n")[0].decode("utf-8"))
            self.conversions = conversions_in(reply)
            if "code" in reply:
                error = reply["error"]
                kind, said, trace = (str(error[name] or "") for name in ("type", "message", "traceback"))
                code = reply["code"] if reply["code"] in AGENT_CODES else "AGENT_EXITED"
                if code in ("AGENT_EXITED", "AGENT_EXCEPTION") and self._memory_ran_out():  # a process that it needed
                    return self.failure("OUT_OF_MEMORY", OUT_OF_MEMORY_SAID, kind[:200], trace[:MAX_TRACEBACK])
                hint = text_in(error.get("hint"), MAX_HINT)
                return self.failure(
                    code, (said or "(no message)")[:MAX_MESSAGE], kind[:200], trace[:MAX_TRACEBACK], hint
                )
            response = jsonable(reply["response"], "answer")
            if len(to_json(response).encode("utf-8")) > self.context.response_bytes:
                return self.failure("RESULT_TOO_LARGE", "The answer is too large.")
            return self._result("success", None, response, None, tokens_of(reply["usage"]))
        except (ValueError, LookupError, TypeError, RecursionError, NotJson) as error:  # the agent wrote on our pipe
            return self.failure("RESULT_INVALID", f"What the agent's process sent is not an answer: {error}")

    def failure(self, code: str, message: str, kind: str = "", trace: str = "", hint: str = "") -> dict[str, object]:
        error = {"type": kind, "message": message, "traceback": trace, "hint": hint}
        return self._result("error", code, None, error, None)

    def _result(
        self, outcome: str, code: str | None, response: object, error: object, usage: object
    ) -> dict[str, object]:
        watch = self.watch
        return {
            "version": VERSION,
            "test_id": self.context.test_id,
            "attempt": self.context.attempt,
            "nonce": self.context.nonce,
            "outcome": outcome,
            "code": code,
            "response": response,
            "error": error,
            "entry": self.entry,
            "conversions": self.conversions,
            "phases": {"build_ms": self.build_ms, "run_ms": watch.seconds * 1000 if watch else None},
            "cpu_s": watch.cpu_s if watch else 0.0,
            "peak_memory_bytes": watch.peak_bytes if watch else 0,
            "usage": usage,
            "lines": self.output.seq,
            "truncated": self.output.truncated,
            "exit_code": watch.exit_code if watch else None,
            "signal": watch.signal if watch else None,
            "resolved": self.resolved,
            "built_from_source": self.built,
            "python": ".".join(map(str, sys.version_info[:3])),
        }


# --- The program: a test, or the agent's process as another interpreter


CONTAINER_WORK = "/tmp/work"  # of a container whose root file system is read-only


def go_to_a_work_folder() -> None:
    """Where the root file system is read-only, what is writable is /tmp."""
    try:
        if not os.access(CONTAINER_WORK, os.W_OK):
            os.mkdir(CONTAINER_WORK, 0o700)
        os.chdir(CONTAINER_WORK)
    except OSError as error:
        raise ContextUnavailable(f"there is no folder to work in: {error}") from None


def run_test(output: Output, signals: Signals) -> int:
    """The exit code: 0 for success, 1 for an error with a result, 143 when it was cancelled."""
    # In a container our memory holds a credential from the start: no agent by fork.
    child = None if IN_CONTAINER else start_agent()
    context = take_context()
    if context.result_fd is not None:
        os.set_inheritable(context.result_fd, False)
    if IN_CONTAINER and not os.access(".", os.W_OK):
        go_to_a_work_folder()
    run = Run(context, output, signals)
    started = time.monotonic()
    result: Mapping[str, object] | None = run.lacking()
    python = context.python or (sys.executable if IN_CONTAINER else None)
    installs = context.mode == "build" or (context.mode == "all" and wants_install(context.requirements))
    if installs and result is None:
        if child is not None:
            os.close(child.instructions)
            child = None
        report: dict[str, object] = {"ok": True}
        try:
            result = run.install()
        except NeedsSource:  # somebody else goes on where we stop: no end mark
            report = {"ok": False, "needs_source": True}
        python = f"{context.env_dir}/bin/python"
        if context.mode == "build" and result is None:
            output.flush()
            report.update(lines=output.seq, duration_ms=(time.monotonic() - started) * 1000)
            return 0 if deliver(report, context.result_fd) else 1
    if result is None:
        result = run.agent(child or start_agent(), python)
    output.flush()
    delivered = deliver(result, context.result_fd)
    output.mark(
        "end", f',"lines":{output.seq},"outcome":{quote(str(result["outcome"]))},"code":{to_json(result["code"])}'
    )
    output.flush()
    if result["code"] == "CANCELLED":
        return 143
    return 0 if delivered and result["outcome"] == "success" else 1


def main() -> NoReturn:
    if sys.argv[1:2] == ["--agent"]:
        memory, answer = int(sys.argv[2]), int(sys.argv[3])
        os.set_inheritable(answer, False)
        job = from_json(read_all(memory).decode("utf-8"))
        os.close(memory)
        run_agent(job, answer)
    output = Output(1)
    code = 1
    try:
        code = run_test(output, shield())
    except ContextUnavailable as error:
        complain(str(error))
        failed = {"type": "", "message": str(error), "traceback": ""}
        deliver({"version": VERSION, "outcome": "error", "code": "CONTEXT_UNAVAILABLE", "error": failed}, None)
    except BaseException as error:  # a bug of ours: say all there is
        import traceback

        complain("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    os._exit(code)


if __name__ == "__main__":
    main()
