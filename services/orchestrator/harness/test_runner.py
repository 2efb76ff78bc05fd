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
    python test_runner.py --agent IN ...    inside: the agent's process as another interpreter (see _exec_agent)
"""

# Made from services/orchestrator/harness/src/ by deploy/setup/join.py: edit there.

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import io
import posix as os  # what is in os without what makes its import cost a millisecond
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
    from types import CodeType, FrameType, ModuleType, TracebackType
    from typing import Any, NoReturn
    from typing_extensions import Buffer


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


# --- Frames: how pieces of standard error, and text whose level is known, are marked in the one pipe of an agent


FRAME_BYTES = 4096  # PIPE_BUF of Linux: a write of so many bytes is not mixed with those of others (pipe(7))
TOKEN_BYTES = 12
HEAD_BYTES = TOKEN_BYTES + 3
CODES = tuple(
    (stream, level)
    for stream in ("stdout", "stderr")
    for level in ("", "debug", "info", "warning", "error", "critical")
)


def new_token() -> bytes:
    """It begins with a byte that no UTF-8 text holds, so that text is never mistaken for the beginning of a token."""
    return b"\xff" + os.urandom(TOKEN_BYTES - 1)


def framed(token: bytes, stream: str, level: str, text: bytes) -> Iterator[bytes]:
    """The text in as many frames as it takes."""
    code = bytes([CODES.index((stream, level))])
    room = FRAME_BYTES - HEAD_BYTES
    for at in range(0, len(text), room):
        piece = text[at : at + room]
        yield b"".join((token, code, len(piece).to_bytes(2, "big"), piece))


class Unframer:
    """Tells apart what one pipe brings, wherever its reads end."""

    def __init__(self, token: bytes) -> None:
        self.token = token
        self.rest = b""  # the beginning of a frame, at most a frame long

    def feed(self, data: bytes) -> list[tuple[str, str, bytes]]:
        """Pieces of the streams, in order: which stream, the level ("" where it is not known), bytes."""
        if self.rest:
            data, self.rest = self.rest + data, b""
        pieces: list[tuple[str, str, bytes]] = []
        raw = at = 0  # from where on nothing was handed on, and where to look for a token
        while (start := data.find(self.token, at)) >= 0:
            body = start + HEAD_BYTES
            if len(data) < body:
                break
            code, length = data[body - 3], int.from_bytes(data[body - 2 : body], "big")
            if code >= len(CODES) or length > FRAME_BYTES:  # an agent that plays with our token: it is text
                at = start + 1
                continue
            if len(data) < body + length:
                break
            if start > raw:
                pieces.append(("stdout", "", data[raw:start]))
            pieces.append((*CODES[code], data[body : body + length]))
            raw = at = body + length
        if start < 0:
            start = len(data) - self._begun(data)
        if start > raw:
            pieces.append(("stdout", "", data[raw:start]))
        self.rest = data[start:]
        return pieces

    def end(self) -> list[tuple[str, str, bytes]]:
        """A frame that was never finished is shown as it is: nothing is lost."""
        rest, self.rest = self.rest, b""
        return [("stdout", "", rest)] if rest else []

    def _begun(self, data: bytes) -> int:
        """How many of the last bytes may be the beginning of a token."""
        if self.token[:1] not in data[1 - TOKEN_BYTES :]:
            return 0
        for size in range(min(TOKEN_BYTES - 1, len(data)), 0, -1):
            if data.endswith(self.token[:size]):
                return size
        return 0


# --- The level of a line of output, by what its text says


WORDS = {
    **dict.fromkeys(("TRACE", "DEBUG"), "debug"),
    **dict.fromkeys(("INFO", "NOTICE", "SUCCESS"), "info"),
    **dict.fromkeys(("WARN", "WARNING"), "warning"),
    **dict.fromkeys(("ERROR", "SEVERE"), "error"),
    **dict.fromkeys(("FATAL", "CRITICAL", "EMERG", "EMERGENCY", "ALERT"), "critical"),
}
UNUSUAL = ("error", "warn", "debug", "trace", "fatal", "critical", "severe", "emerg", "alert")  # how words begin
USUAL = ("info", "notice", "success")
LONGER = {"warn": "warning", "emerg": "emergency"}
IN_ANY_CASE = frozenset(("DEBUG", "INFO", "WARN", "WARNING", "ERROR", "FATAL", "CRITICAL"))  # before a colon
IN_JSON = {**WORDS, "ERR": "error", "INFORMATION": "info", "DEFAULT": "info"}
LETTERS = {"D": "debug", "I": "info", "W": "warning", "E": "error", "C": "critical", "F": "critical"}
NUMBERS = {10: "debug", 20: "debug", 30: "info", 40: "warning", 50: "error", 60: "critical"}  # of pino and bunyan
KEYS = ("level", "levelname", "severity", "lvl", "log.level", "log_level", "severity_text", "@level")

# Text without any of these, in lower case, says nothing about a level beyond the usual one.
MARKS = (*UNUSUAL, "level", "lvl", "severity", '"err"', 'file "', "above exc", "] ")
BYTE_MARKS = tuple(mark.encode() for mark in MARKS)
HEAD = 160  # characters in which a level stands, if at all
TIMES = frozenset(
    (
        *("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
        *("mon", "tue", "wed", "thu", "fri", "sat", "sun", "am", "pm", "utc", "gmt", "z", "t"),
    )
)
SHAPE = str.maketrans("123456789", "000000000")
MOST_SHAPES = 512
known_shapes: dict[tuple[str, str, str], bool] = {}


def says_nothing(data: bytes) -> bool:
    """Whether no line of this can have another level than the usual one: for many lines at once."""
    text = data.lower()
    return not any(mark in text for mark in BYTE_MARKS)


def level_of(text: str, default: str = "info") -> str:
    """The level that a line names in one of the usual formats; else the default."""
    head = text[:HEAD]
    if "\x1b" in head:
        head = without_escapes(text[: 2 * HEAD])[:HEAD]
    lower = head.lower()
    for mark in MARKS:
        if mark in lower:
            break
    else:
        return default
    head = head.lstrip()
    if head[:1] == "{" and head[1:].lstrip()[:1] == '"' and text.rstrip()[-1:] == "}":
        return _level_of_json(text) or default
    if head[:1] in LETTERS and head[1:5].isdigit():  # klog and glog: E0102 15:04:05.000000
        return LETTERS[head[0]] if head[0] in "IWEF" and _is_time(head.partition(" ")[2].partition(" ")[0]) else default
    if head[:1] == "[" and head[1:2] in LETTERS and head[2:3] == " " and head[3:4].isdigit():  # tornado, jupyter
        return LETTERS[head[1]]
    if "=" in head and (level := _level_of_pairs(head)):
        return level
    return _level_of_words(head, head.lower()) or default


def _level_of_words(head: str, lower: str) -> str:
    places = []
    for word in UNUSUAL:
        at = lower.find(word)
        while at >= 0:
            places.append((at, word))
            at = lower.find(word, at + 3)
    if not places:
        return ""
    # the usual ones end the search: what follows is the message
    places.extend((at, word) for word in USUAL if (at := lower.find(word)) >= 0)
    places.sort()
    for at, stem in places[:8]:
        longer = LONGER.get(stem)
        end = at + len(longer if longer and lower.startswith(longer, at) else stem)
        word = head[at:end]
        if _fits(word, head[:at], head[end:]):
            return WORDS[word.upper()]
    return _level_of_warning(head)


def _fits(word: str, before: str, after: str) -> bool:
    """As `_is_a_level`, which is asked once for each way in which a program writes its lines."""
    if before[-1:].isalnum() or before[-1:] in ("_", ".") or after[:1].isalnum() or after[:1] == "_":
        return False
    following = after.lstrip()[:2]
    if following[:1].isalnum():
        following = "x"
    shape = before.translate(SHAPE), word, after[:1] + following
    found = known_shapes.get(shape)
    if found is None:
        if len(known_shapes) >= MOST_SHAPES:
            known_shapes.clear()
        found = known_shapes[shape] = _is_a_level(word, before, after)
    return found


def _is_a_level(word: str, before: str, after: str) -> bool:
    """Whether this word, between what stands before and behind it, is where loggers write the level."""
    glued = after[:1] in "-=" and after[:1] and not after[1:2].isspace()
    if glued or after.lstrip()[:1] == "=":
        return False  # ERROR-free, DEBUG=1
    upper = word.isupper()
    first = before.lstrip()
    bracketed = before.rstrip()[-1:] in ("[", "<", "(") and after.lstrip()[:1] in ("]", ">", ")", "/")
    if not first.strip("[<(| "):
        if first:
            return bracketed or (upper and not first.strip("[| "))
        return upper or (after[:1] == ":" and word.upper() in IN_ANY_CASE)
    if before[-1:] in "-=" and not before[-2:-1].isspace():
        return False  # a part of something else
    names = _names_behind_the_time(before)
    between = _ends_a_field(before) and _begins_a_field(after)
    if names is None:  # a name, then the level: each of them ended by what does not end words of a sentence
        few = len(before.split()) <= 3
        return upper and few and ((bracketed and before.rstrip()[-1:] == "[") or (between and _is_one_name(before)))
    if upper:
        return names <= 1
    return bracketed or (between and names <= 1) or (names == 0 and after[:1] == ":")


def _ends_a_field(before: str) -> bool:
    return before[-1:] in (":", "\t") or before.rstrip()[-1:] == "|" or before[-3:] == " - "


def _begins_a_field(after: str) -> bool:
    return after[:1] in (":", "\t", "") or after.lstrip()[:1] == "|" or after.lstrip()[:2] == "- "


def _is_one_name(before: str) -> bool:
    """`my.agent - `, `my.agent:`, `web_1  | `."""
    return len(before.rstrip(" \t:|-").split()) == 1


def _names_behind_the_time(before: str) -> int | None:
    """How many words stand between a time at the beginning and here, without those in brackets and those that are a
    field of their own; None where the beginning is no time."""
    words = before.split()
    if not _is_time(words[0].strip("[<(")) and words[0].strip("[<(").lower() not in TIMES:
        return None
    names = 0
    depth = words[0][:1] in ("[", "(")
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else ""
        opened = word[:1] in ("[", "(", "<")
        inside = depth or opened
        depth = inside and word.rstrip(":,")[-1:] not in ("]", ")", ">")
        if not (inside or _is_timely(word) or word in ("-", "|") or word[-1:] in ":|" or following in ("-", "|")):
            names += 1
    return names


def _is_time(word: str) -> bool:
    """2026-01-02, 03:04:05,123, 2026-01-02T03:04:05Z, 01/02/26, 1767322445.123."""
    if not word[:1].isdigit():
        return False
    whole = word.partition(".")[0]
    return (
        (word.count(":") >= 1 and word[1:2] != "")
        or word.count("-") >= 2
        or word.count("/") >= 2
        or (whole.isdigit() and len(whole) >= 9)
    )


def _is_timely(word: str) -> bool:
    word = word.strip("[]()<>:,;|+-")
    return word[:1].isdigit() or not word or word.lower() in TIMES


def _level_of_pairs(head: str) -> str:
    """logfmt: `time=... level=error msg=...`."""
    key, equals, _ = head.partition(" ")[0].partition("=")
    if not equals or not key.replace(".", "_").replace("@", "_").isidentifier():
        return ""
    for pair in head.split():
        key, _, value = pair.partition("=")
        if key in KEYS:
            return IN_JSON.get(value.strip("'\"").upper(), "")
    return ""


def _level_of_warning(head: str) -> str:
    """How `warnings` of a child process write: `file.py:3: UserWarning: text`."""
    place, _, rest = head.partition(": ")
    kind = rest.partition(":")[0]
    return "warning" if place.rpartition(":")[2].isdigit() and kind.endswith("Warning") and kind.isidentifier() else ""


def _level_of_json(text: str) -> str:
    if not any(key in text[: 16 * 1024] for key in ("level", "severity", "lvl")):
        return ""
    try:
        entry = from_json(text)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(entry, dict):
        return ""
    inner = entry.get("log", entry.get("record"))  # of the Elastic schema, of loguru
    for holder in (entry, inner) if isinstance(inner, dict) else (entry,):
        for key in KEYS:
            level = holder.get(key)
            if isinstance(level, dict):
                level = level.get("name")
            if isinstance(level, str):
                return IN_JSON.get(level.strip().upper(), "")
            if type(level) is int and "time" in holder:
                return NUMBERS.get(level, "")
    return ""


def without_escapes(text: str) -> str:
    """The text without colours and whatever else is said to a terminal."""
    pieces = text.split("\x1b")
    kept = [pieces[0]]
    for piece in pieces[1:]:
        if piece[:1] == "[":
            end = 1
            while end < len(piece) and not "@" <= piece[end] <= "~":
                end += 1
            kept.append(piece[end + 1 :])
        elif piece[:1] == "]":
            kept.append(piece.partition("\x07")[2])  # a link or a title; another end is an escape of its own
        else:
            kept.append(piece[1:])
    return "".join(kept)


class Levels:
    """The levels of the lines of one stream: a traceback is an error from its first line to its last."""

    def __init__(self, default: str = "info") -> None:
        self.default = default
        self.in_traceback = False

    def of(self, text: str) -> str:
        if "\x1b" in text:
            text = without_escapes(text)
        if self.in_traceback:
            return self._of_traceback(text)
        # Of a child process, or printed; what the agent's own Python writes comes with its level.
        if text[-34:].rstrip().endswith("Traceback (most recent call last):") or (
            text[:8] == '  File "' and '", line ' in text
        ):
            self.in_traceback = True
            return "error"
        if text[:11] in ("During hand", "The above e") and text.rstrip() in CHAINED:
            return "error"
        return level_of(text, self.default)

    def _of_traceback(self, text: str) -> str:
        plain = text.strip()
        if not plain:
            self.in_traceback = False
            return level_of(text, self.default)
        if text[:1] != " " or not plain.strip("+-"):  # the exception itself, or the lower edge of a group
            self.in_traceback = False
        return "error"


CHAINED = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)


# --- The output protocol: one JSON object per line on fd 1


PARTIAL_BYTES = 8 << 20  # of text of lines that have not ended, in one run: who looks on is served, not flooded
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
        self.partial_room = PARTIAL_BYTES
        self.truncated = False
        self.broken = False
        self.waiting: list[str] = []

    def line(self, stream: str, text: str, size: int, level: str, *, continued: bool = False) -> None:
        """A line of the agent or the installer; `size`: bytes that it had as they wrote it."""
        if self.truncated:
            return
        self.room -= size
        if self.seq >= self.last_allowed or self.room < 0:
            self._truncate()
            return
        if size * LONGEST_ESCAPE > self.encoded_bytes:
            while cut := cut_of(text, self.encoded_bytes):
                self._append(stream, level, text[:cut], ',"cont":true' if continued else "")
                text, continued = text[cut:], True
                if self.seq >= self.last_allowed:
                    self._truncate()
                    return
        self._append(stream, level, text, ',"cont":true' if continued else "")

    def partial(self, stream: str, level: str, text: str) -> None:
        """What a line that has not ended says so far. It has no number: nobody keeps it, and nobody misses it."""
        if len(text) * LONGEST_ESCAPE > self.encoded_bytes and (cut := cut_of(text, self.encoded_bytes)):
            text = text[:cut]
        said = quote(text)
        self.partial_room -= len(said)
        if self.partial_room >= 0 and not self.truncated:
            self.waiting.append(
                f'{{"partial":true,"ts":{time.time():.6f},"stream":"{stream}","level":"{level}","text":{said},"after":{self.seq}}}\n'
            )

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
PARTIAL_AFTER_S = 0.2  # that a line has not ended is told after this, and its changes no more often than so
LONG_PARTIAL = 4096  # bytes; each time all of the line so far is told, so a long one is told less often
LONG_PARTIAL_S = 1.0
ERASED = (b"\x1b[2K", b"\x1b[K", b"\x1b[0K")  # how a terminal is told that the line is empty from here on: it is


class Lines:
    """Cuts what one stream brings into lines, and long lines into pieces at character boundaries.

    A line is what a terminal would show in the end: what stood before a carriage return was written over.
    """

    def __init__(
        self, name: str, output: Output, level: str = "", *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`level`: of all lines; where it is "", of each what its writer or its text says. `clock`: in seconds."""
        self.clock = clock
        self.name = name
        self.output = output
        self.level = level
        self.levels = Levels()
        self.rest = b""
        self.known = ""  # the level that came with what is in `rest`
        self.continued = False
        self.piece_level = ""  # of the line that goes on
        self.told = b""  # of `rest`, to whoever looks on
        self.told_at = 0.0
        self.changed_at = 0.0  # when `rest` was no longer what was told

    def feed(self, data: bytes, level: str = "") -> None:
        if self.output.truncated:
            return
        if self.rest:
            known = level or self.known
            data = self.rest + data
        else:
            known = level
        overwrites = b"\r" in data
        lines = data.split(b"\n")
        rest = lines.pop()
        usual = ""
        if len(lines) > 1 and not level and not self.levels.in_traceback and says_nothing(data):
            usual = self.levels.default
        for line in lines:
            if overwrites:
                line = last_state(line)
            self._emit(self._long(line, known) if len(line) > self.output.line_bytes else line, known or usual)
            self.continued = False
            known = level
        if overwrites:
            rest = last_state(rest) + (b"\r" if rest[-1:] == b"\r" else b"")
        self.rest = self._long(rest, known)
        self.known = known if self.rest else ""
        if lines:
            self.told, self.changed_at = b"", 0.0
        if not self.changed_at and self.rest and self.rest != self.told:
            self.changed_at = self.clock()

    def end(self) -> None:
        """A last line without a newline is a line."""
        if self.rest:
            self._emit(last_state(self.rest), self.known)
            self.rest = b""

    def partial(self, now: float) -> float | None:
        """Tells what the open line says so far if it is time to; when it will be, where there is something to tell."""
        if not self.changed_at:
            return None
        if not self.rest or self.rest == self.told or self.output.truncated:
            self.changed_at = 0.0
            return None
        gap = PARTIAL_AFTER_S if len(self.rest) < LONG_PARTIAL else LONG_PARTIAL_S
        due = max(self.changed_at + PARTIAL_AFTER_S, self.told_at + gap)
        if due > now:
            return due
        text = whole_characters(last_state(self.rest)).decode("utf-8", "replace")
        level = self.level or self.known or self.piece_level or level_of(text, self.levels.default)
        if text:
            self.output.partial(self.name, level, text)
        self.told, self.told_at, self.changed_at = self.rest, now, 0.0
        return None

    def _long(self, line: bytes, known: str) -> bytes:
        """Sends off full pieces of a long line, gives back what is left of it."""
        limit = self.output.line_bytes
        while len(line) > limit:
            cut = limit
            while cut > limit - 4 and line[cut] & 0xC0 == 0x80:  # inside a UTF-8 sequence
                cut -= 1
            self._emit(line[:cut], known)
            self.continued = True
            line = line[cut:]
        return line

    def _emit(self, line: bytes, known: str) -> None:
        text = line.decode("utf-8", "replace")
        if not self.continued:
            self.piece_level = self.level or known or self.levels.of(text)
        self.output.line(self.name, text, len(line), self.piece_level, continued=self.continued)


class Stream(Lines):
    """One pipe that brings one stream."""

    def __init__(self, fd: int, name: str, output: Output, level: str = "") -> None:
        super().__init__(name, output, level)
        self.fd = fd


class Faults(Stream):
    """What Python says of itself when it dies or is told to end: where each thread was."""

    def _emit(self, line: bytes, known: str) -> None:
        if line.startswith(OUR_FRAMES) and b", in " not in line:
            return
        super()._emit(line, known)


class Transcript(Stream):
    """A stream that remembers its last lines, for the error message."""

    tail: tuple[str, ...] = ()

    def _emit(self, line: bytes, known: str) -> None:
        super()._emit(line, known)
        if line.strip():
            self.tail = (*self.tail[-59:], line.decode("utf-8", "replace"))


class Collector:
    """Keeps the bytes of standard output, up to a limit: for an agent whose answer is what it prints."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0  # of all that came
        self.pieces: list[bytes] = []

    @property
    def too_large(self) -> bool:
        return self.size > self.limit

    def take(self, data: bytes) -> None:
        if self.size < self.limit:
            self.pieces.append(data[: self.limit - self.size])
        self.size += len(data)

    def text(self) -> str:
        return b"".join(self.pieces).decode("utf-8", "replace")


class Channel:
    """The one pipe of an agent: standard output and standard error, in the order in which they were written."""

    def __init__(self, fd: int, token: bytes, output: Output, collector: Collector | None = None) -> None:
        """`collector`: also gets all of standard output, whatever the log keeps of it."""
        self.fd = fd
        self.collector = collector
        self.frames = Unframer(token)
        self.lines = {name: Lines(name, output) for name in ("stdout", "stderr")}

    def feed(self, data: bytes) -> None:
        self._take(self.frames.feed(data))

    def end(self) -> None:
        self._take(self.frames.end())
        for lines in self.lines.values():
            lines.end()

    def partial(self, now: float) -> float | None:
        due = [at for lines in self.lines.values() if (at := lines.partial(now)) is not None]
        return min(due) if due else None

    def _take(self, pieces: list[tuple[str, str, bytes]]) -> None:
        for stream, level, data in pieces:
            if self.collector is not None and stream == "stdout":
                self.collector.take(data)
            self.lines[stream].feed(data, level)


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

    def partial(self, now: float) -> float | None:
        """It is no output."""
        del now
        return None


def last_state(line: bytes) -> bytes:
    """What a line shows after all that was written over it; the carriage returns at its end move nothing."""
    line = line.rstrip(b"\r")
    line = line[line.rfind(b"\r") + 1 :]
    if b"\x1b[" in line:
        for erased in ERASED:
            line = line.replace(erased, b"")
    return line


def whole_characters(data: bytes) -> bytes:
    """Without the beginning of a UTF-8 character whose rest has not come."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 != 0x80:
            size = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
            return data[:-back] if size > back else data
    return data


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
        self,
        child: Child,
        readers: Sequence[Stream | Channel | Answer],
        seconds: float,
        output: Output,
        signals: Signals,
    ) -> None:
        self.pid = child.pid
        self.output = output
        self.signals = signals
        self.pipes: dict[int, Stream | Channel | Answer] = {reader.fd: reader for reader in readers}
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
            wait = min(wait, self._tell_partials(now))
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

    def _tell_partials(self, now: float) -> float:
        """Tells of lines that have not ended; seconds until there is more to tell."""
        due = [at for reader in self.pipes.values() if (at := reader.partial(now)) is not None]
        self.output.flush()
        return max(0.0, min(due) - now) if due else 3600.0

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


VERSIONS = 1, 2  # 2 where there is something in it that a harness of before 2 would leave out
# Container runtimes cut log lines at 16 KiB (moby daemon/logger/copier.go; Fargate's shim loggers do the same).
CONTAINER_LINE_BYTES = 16384


class ContextUnavailable(Exception):
    """There is nothing to run."""


class Context:
    """What is to be done: the object that the runtime wrote, checked for its shape and not for its sense."""

    def __init__(self, raw: bytes) -> None:
        try:
            text, _, contents = raw.partition(b"\n")
            data = from_json(text.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise ContextUnavailable(f"the context is not JSON: {error}") from None
        try:
            if data["version"] not in VERSIONS:
                raise ContextUnavailable(
                    f"the context has version {data['version']}, this harness knows {VERSIONS[0]} to {VERSIONS[-1]}"
                )
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
            self.query: str | None = data.get("query", "")  # None: run without one
            self.agent_path: str = (data.get("project") or {}).get("agent_path") or ""  # "": agent.py alone
            self.strict_answer: bool = data.get("strict_answer") is True
            self.env: dict[str, str] = data.get("env") or {}
            self.timeout_s: float = data["timeout_s"]
            self.python: str | None = data.get("python")
            self.env_dir: str = data.get("env_dir") or "/tmp/env"
            self.from_source: str = data.get("from_source", "if_needed")  # or "never", "at_once"
            project, inputs = data.get("project") or {}, data.get("inputs") or {}
            self.project_files: list[dict[str, Any]] = project.get("files") or []
            self.input_files: list[dict[str, Any]] = inputs.get("files") or []
            self.contents: bytes = contents  # of the files: the project's and then the inputs', unless they come by
            self.contents_fd: int | None = data.get("contents_fd")
            self.outputs: dict[str, int] | None = data.get("outputs")  # how much of `out` is handed back
            limits: dict[str, Any] = data["limits"]
            self.max_lines = limits["lines"]
            self.max_bytes = limits["bytes"]
            self.line_bytes = max(16, limits["line_bytes"])
            self.encoded_line_bytes = limits.get("encoded_line_bytes", CONTAINER_LINE_BYTES if IN_CONTAINER else None)
            self.response_bytes = limits["response_bytes"]
            self.memory_mib: int = data.get("memory_mib") or 0  # 0: not said
            self.max_processes: int = data.get("max_processes") or 0  # and threads
            self.secret_names: list[str] = data.get("secret_names") or []
            self.system_packages: list[str] = data.get("system_packages") or []
        except (KeyError, TypeError, AttributeError) as error:
            raise ContextUnavailable(f"the context lacks something: {type(error).__name__}: {error}") from None
        if self.mode not in ("run", "build", "all"):
            raise ContextUnavailable(f"the context asks for the unknown mode {self.mode!r}")


# --- Files on their way into the work folder, and out of it: a project, inputs, and what the agent leaves in `out`


INPUT_FOLDER, OUTPUT_FOLDER = "in", "out"
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # not to wait for the other end of a pipe
NEW_FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
KIND, REGULAR, FOLDER, LINK = 0o170000, 0o100000, 0o040000, 0o120000
DEEPEST = 30  # folders inside one another in `out`
MOST_SEEN = 10000  # entries of `out` that are looked at
MOST_LEFT_OUT = 100  # lines about files that are not kept
LONGEST_PATH = 240  # characters
LOST_ON_THE_WAY = "All files: they could not be handed over."


# -- into the work folder


def lay_out(context: Context) -> None:
    """Makes the folders and unpacks what goes along. Raises ContextUnavailable."""
    try:
        make_folders()
        if context.project_files or context.input_files:
            content = read_all(context.contents_fd) if context.contents_fd is not None else context.contents
            context.contents = b""  # it counts into the memory that the agent has
            rest = unpack("", context.project_files, content)
            rest = unpack(INPUT_FOLDER + "/", context.input_files, rest)
            if rest:
                raise ContextUnavailable("there is more content than the files of this test have")
        if context.input_files:
            os.chmod(INPUT_FOLDER, 0o555)
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise ContextUnavailable(f"the files of this test cannot be laid out: {error}") from None


def make_folders() -> None:
    """Both are there always: nobody has to ask before writing."""
    for folder in (INPUT_FOLDER, OUTPUT_FOLDER):
        make_folder(folder)


def make_folder(path: str) -> None:
    """A writable folder, which may be there: in a container that is started anew. What its agent has made of it is not
    believed: a link leads elsewhere."""
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        if os.lstat(path).st_mode & KIND != FOLDER:
            raise
        if not os.access(path, os.W_OK | os.X_OK):
            os.chmod(path, 0o755)


def folders_of_the_agent() -> dict[str, str]:
    """How it finds them, wherever the work folder is."""
    work = os.getcwd()
    return {"ASSAY_INPUT_DIR": f"{work}/{INPUT_FOLDER}", "ASSAY_OUTPUT_DIR": f"{work}/{OUTPUT_FOLDER}"}


def unpack(prefix: str, files: Sequence[Mapping[str, Any]], content: bytes) -> bytes:
    """Writes files, read-only, in folders that are read-only afterwards; gives back what is left of the content."""
    from hashlib import sha256

    folders: list[str] = []
    start = 0
    for file in files:
        path, size = file["path"], file["size"]
        parts = path.split("/")
        if not path or "" in parts or "." in parts or ".." in parts:
            raise ContextUnavailable(f"the file name {path!r} leads elsewhere")
        data = content[start : start + size]
        start += size
        if sha256(data).hexdigest() != file["sha256"]:
            raise ContextUnavailable(f"the file {path!r} is not the one that was handed in: its SHA-256 differs")
        for depth in range(1, len(parts)):
            folder = prefix + "/".join(parts[:depth])
            if folder not in folders:
                make_folder(folder)
                folders.append(folder)
        try:
            os.unlink(prefix + path)  # of a container that is started anew
        except FileNotFoundError:
            pass
        fd = os.open(prefix + path, NEW_FILE_FLAGS, 0o600)
        try:
            write_all(fd, data)
            os.fchmod(fd, 0o555 if file.get("executable") else 0o444)
        finally:
            os.close(fd)
    for folder in folders:
        os.chmod(folder, 0o555)
    return content[start:]


# -- out of it


class Left:
    """What the agent has left in `out`: open files in a fixed order, and why others are not among them."""

    def __init__(self, max_files: int, max_bytes: int) -> None:
        self.files: list[dict[str, object]] = []
        self.left_out: list[str] = []
        self.fds: list[int] = []
        self.room = max_bytes
        self.max_files = max_files
        self.max_bytes = max_bytes
        self.seen = 0
        self.more = 0  # reasons that found no room in the list

    def find(self) -> None:
        """Looks through the folder. Nothing of the agent's may run any more."""
        try:
            mode = os.lstat(OUTPUT_FOLDER).st_mode
            if mode & KIND == FOLDER and mode & 0o700 != 0o700:
                os.chmod(OUTPUT_FOLDER, 0o755)  # an agent may have taken its rights from itself, and so from us
            top = os.open(OUTPUT_FOLDER, FOLDER_FLAGS)
        except OSError:
            self._leave_out(OUTPUT_FOLDER, "is no folder any more")
        else:
            self._look(top, "", 0)
        if self.more:
            self.left_out.append(f"and {self.more} more")

    def content(self) -> Iterator[bytes]:
        """The bytes of the files, one behind the other."""
        for index, fd in enumerate(self.fds):
            os.lseek(fd, 0, 0)
            left = int(str(self.files[index]["size"]))
            while left > 0:
                data = os.read(fd, min(READ_BYTES, left))
                if not data:  # shorter than a moment ago: whoever takes it sees that it is not this file
                    data = b"\0" * min(READ_BYTES, left)
                left -= len(data)
                yield data

    def size(self) -> int:
        return self.max_bytes - self.room

    def _look(self, folder: int, prefix: str, depth: int) -> None:
        """Takes the files of a folder, which is closed then, and of those in it."""
        try:
            for name in self._names(folder, prefix):
                path = prefix + name
                why = bad_name(path)
                if not why:
                    try:
                        why = self._take(folder, name, path, depth)
                    except OSError as error:
                        why = f"cannot be read: {error.strerror}"
                if why:
                    self._leave_out(path, why)
        finally:
            os.close(folder)

    def _names(self, folder: int, prefix: str) -> list[str]:
        """What is in a folder, in a fixed order. An agent can make more entries than would fit our memory."""
        names: list[str] = []
        with os.scandir(folder) as entries:
            for entry in entries:
                self.seen += 1
                if self.seen > MOST_SEEN:
                    self._leave_out(f"{prefix}...", f"and more: only {MOST_SEEN} entries are looked at")
                    break
                names.append(entry.name)
        return sorted(names)

    def _take(self, folder: int, name: str, path: str, depth: int) -> str:
        """Keeps this file or looks into this folder; else says why not."""
        kind = os.lstat(name, dir_fd=folder).st_mode & KIND
        if kind == FOLDER:
            if depth >= DEEPEST:
                return f"lies deeper than {DEEPEST} folders"
            self._look(os.open(name, FOLDER_FLAGS, dir_fd=folder), path + "/", depth + 1)
            return ""
        if kind != REGULAR:
            return "is a link" if kind == LINK else "is neither a file nor a folder"
        if len(self.files) >= self.max_files:
            return f"is one too many: {self.max_files} files are kept"
        fd = os.open(name, FILE_FLAGS, dir_fd=folder)
        why = "" if os.fstat(fd).st_mode & KIND == REGULAR else "is neither a file nor a folder"
        size = os.fstat(fd).st_size
        if not why and size > self.room:
            why = f"has {size} bytes: {self.max_bytes} bytes are kept in all"
        if why:
            os.close(fd)
            return why
        return self._keep(fd, path, size)

    def _keep(self, fd: int, path: str, size: int) -> str:
        from hashlib import sha256

        digest = sha256()
        read = 0
        while read < size and (data := os.read(fd, min(READ_BYTES, size - read))):
            digest.update(data)
            read += len(data)
        if read != size:
            os.close(fd)
            return "changes while it is read"
        self.room -= size
        self.fds.append(fd)
        executable = bool(os.fstat(fd).st_mode & 0o100)
        self.files.append({"path": path, "size": size, "sha256": digest.hexdigest(), "executable": executable})
        return ""

    def _leave_out(self, path: str, why: str) -> None:
        if len(self.left_out) < MOST_LEFT_OUT - 1:
            shown = path if len(path) <= LONGEST_PATH else path[:LONGEST_PATH] + "..."
            self.left_out.append(f"{shown!r} {why}"[:500].encode("utf-8", "replace").decode("utf-8"))
        else:
            self.more += 1


def bad_name(path: str) -> str:
    """Why a file of this name cannot be kept: it must be the same everywhere, and printable."""
    if len(path) > LONGEST_PATH:
        return f"has a name of more than {LONGEST_PATH} characters"
    if any(letter < " " or "\x7f" <= letter < "\xa0" or "\ud800" <= letter < "\ue000" for letter in path):
        return "has a name that is no printable text"
    if "\\" in path:
        return "has a backslash in its name"
    return ""


class Delivery:
    """A result and the files behind it, as something to read from: urllib sends it piece by piece, again if need be."""

    def __init__(self, head: bytes, left: Left) -> None:
        self.head = head
        self.left = left
        self.rest = b""
        self.pieces: Iterator[bytes] = iter(())
        self.rewind()

    def rewind(self) -> None:
        self.rest, self.pieces = self.head, self.left.content()

    def size(self) -> int:
        return len(self.head) + self.left.size()

    def read(self, most: int = READ_BYTES) -> bytes:
        if not self.rest:
            self.rest = next(self.pieces, b"")
        data, self.rest = self.rest[:most], self.rest[most:]
        return data


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


def deliver(result: dict[str, object], result_fd: int | None, left: Left | None = None) -> bool:
    """One line of JSON, and behind it the content of the files that it lists. Where the files do not get through, the
    line goes without them: an answer must not be lost for its files."""
    url = ENVIRONMENT.get("ASSAY_RESULT_URL")
    while True:
        data = to_json(result).encode("utf-8", "replace") + b"\n"
        with_files = left is not None and bool(left.files)
        try:
            if url is not None:
                transfer(url, Delivery(data, left) if left is not None and with_files else data)
            elif result_fd is not None:
                write_all(result_fd, data)
                for piece in left.content() if left is not None else ():
                    write_all(result_fd, piece)
                os.close(result_fd)
        except (OSError, ContextUnavailable) as error:
            complain(f"the result cannot be delivered{' with its files' if with_files else ''}: {error}")
            if url is None or left is None or not with_files:
                return False
            result["outputs"] = []
            result["outputs_left_out"] = [*left.left_out[: MOST_LEFT_OUT - 1], LOST_ON_THE_WAY]
            left = None
        else:
            return True


def transfer(url: str, body: bytes | Delivery | None) -> bytes:
    """GET, or PUT of a body, tried again for about 12 s: a new container's network does not always come up at once."""
    import http.client
    import urllib.error
    import urllib.request

    problem = ""
    for pause in (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 0.0):
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if isinstance(body, Delivery):
            body.rewind()
            headers["Content-Length"] = str(body.size())
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


# --- What an installer said, as a message: its decisive lines first, and what the user can do


MOST_SAID = 2000  # characters
_UV_GLYPHS = "×╰─▶│├"
OTHER_FILE = (
    "What the index has is not what the hashes were made for. Make them anew from a release that you trust "
    "(pip-compile --generate-hashes, uv export), or find out who changed it."
)
NOT_ALL_HASHES = (
    "With hashes, everything that is needed has to be listed with one: compile the file anew (pip-compile "
    "--generate-hashes, uv export), or hand it in without hashes."
)
NO_ROOM = (
    "The requirements need more room than there is where they are installed: leave out what the agent does not use, or "
    "ask the operator for more."
)
NO_NETWORK = (
    "The package index could not be reached. Submit the test again; if it stays so, the operator should check the "
    "network and ASSAY_PROCESS_BUILD_ENV (UV_DEFAULT_INDEX, HTTPS_PROXY), or the variables of the image."
)
NO_COMPILER = (
    "It has no wheel for this version of Python, and building it needs a compiler or libraries that are not there. "
    "Take a version with a wheel, or ask the operator for what it needs where requirements are installed."
)
NOT_BUILT = (
    "It has no wheel for this version of Python, and its own build fails. Take a newer version: it may have a wheel."
)
NOT_FOR_THIS_PYTHON = "There is no release of it for this version of Python: take another version."
CONTRADICTION = "Two requirements contradict each other: loosen or drop one of the versions that are named."
NOT_THERE = "Check the name and the version: the name may be misspelt, and not every version is there."
# Words of the installer, in lower case and on one line; the first kind that has one of them counts.
INSTALL_PROBLEMS = (
    (OTHER_FILE, ("hash mismatch for", "do not match the hashes")),
    (NOT_ALL_HASHES, ("no trusted hash was provided", "hash-checking is required", "--require-hashes mode")),
    (NO_ROOM, ("no space left on device", "disk quota exceeded")),
    (
        NO_NETWORK,
        (
            *("connection refused", "connection broken", "dns error", "name resolution", "tcp connect error"),
            *("failed to establish a new connection", "network is unreachable", "error sending request"),
            *("operation timed out", "read timed out", "connection reset", "could not connect"),
            *("http status server error", "http error 50"),
        ),
    ),
    (
        NO_COMPILER,
        (
            *("gcc' failed", "unable to execute 'gcc'", "gcc: not found", "no such file or directory: 'gcc'"),
            *("g++' failed", "clang' failed", "cc' failed", "python.h: no such file", "linker `cc` not found"),
            *("c compiler", "rust compiler", "the rust package manager", "cmake must be installed", "pkg-config"),
            *("ld: cannot find", "fatal error:", "pg_config executable not found", "unable to find a compiler"),
        ),
    ),
    (NOT_BUILT, ("build backend returned an error", "failed to build", "subprocess-exited-with-error")),
    (
        NOT_FOR_THIS_PYTHON,
        ("matching python abi tag", "matching python version tag", "requires a different python", "requires-python"),
    ),
    (CONTRADICTION, ("conflicting dependencies", "resolutionimpossible", "depends on")),
    (
        NOT_THERE,
        (
            *("there is no version of", "there are no versions of", "was not found in the package registry"),
            *("no matching distribution found", "could not find a version", "not found in the provided"),
        ),
    ),
)


def explained(tail: Sequence[str]) -> tuple[str, str]:
    """The message and the hint (empty: the usual one) for the last lines that an installer said before it failed."""
    flat = " ".join(" ".join(tail).lower().split())
    hint = next((advice for advice, words in INSTALL_PROBLEMS if any(word in flat for word in words)), "")
    said = _of_uv(tail) or _of_pip(tail) or "\n".join(tail[-20:])
    return _without_passwords(said)[:MOST_SAID], hint


def _of_uv(tail: Sequence[str]) -> str:
    """`error: ...` with its causes, as one text; of a build that failed also its last word."""
    lines = [line.strip().lstrip(_UV_GLYPHS).strip() for line in tail]
    starts = [index for index, line in enumerate(tail) if line.lstrip().startswith(("error: ", "× "))]
    if not starts or any(line.startswith(("ERROR: ", "error: subprocess-exited")) for line in tail):
        return ""
    first = starts[0]
    said = [lines[first].removeprefix("error: ")]
    for index in range(first + 1, len(lines)):
        line = lines[index]
        if line.startswith(("[stdout]", "[stderr]", "hint: ", "help: ")):
            break
        if line:
            said.append(line.removeprefix("cause: ").removeprefix("Caused by: "))
    message = said[0]
    for line in said[1:]:
        message += (" " if message.endswith((".", ":", ",")) else ": ") + line
    if "[stderr]" in lines[first:] and (last := _last_word(lines[first:])):
        message += f" ({last})"
    return message


def _of_pip(tail: Sequence[str]) -> str:
    """Its `ERROR:` lines with what belongs to them, without the list of all versions and advice on pip."""
    said: list[str] = []
    keeps = False
    for line in tail:
        text = line.strip()
        if line.startswith("ERROR: "):
            keeps = "DO NOT MATCH" in line or "hashes" in line.lower() or "Cannot install" in line
            if "Could not find a version" not in line and "ResolutionImpossible" not in line:
                said.append(text.removeprefix("ERROR: "))
        elif text.startswith(("To fix this", "note: ")):
            keeps = False
        elif keeps and text and text != "The conflict is caused by:":
            said.append(text.partition(" from http")[0])
    if not said and any("subprocess-exited-with-error" in line for line in tail):
        return f"A requirement cannot be built from source: {_last_word([line.strip() for line in tail])}"
    return ": ".join(said[:1]) + ("; " + "; ".join(said[1:8]) if len(said) > 1 else "")


def _last_word(lines: Sequence[str]) -> str:
    """The line that names the error among what a build wrote."""
    for line in reversed(lines):
        head = line.partition(": ")[0]
        if head.endswith(("Error", "error", "Exception")) and "subprocess" not in line and " " not in head.strip():
            return line
        if "fatal error:" in line or line.startswith("error: command"):
            return line
    return ""


def _without_passwords(text: str) -> str:
    """`https://user:password@host` without what is before the host."""
    pieces = text.split("://")
    for index in range(1, len(pieces)):
        host = pieces[index].partition("/")[0].partition(" ")[0].partition("\n")[0]
        if "@" in host:
            pieces[index] = pieces[index].partition("@")[2]
    return "://".join(pieces)


# --- The requirements


NO_WHEEL = ("no wheels", "no usable wheels", "building from source is disabled", "no matching distribution found")


BUILT = "built-from-source"  # a file in an environment for which something was


class InstallFailed(Exception):
    """The requirements cannot be installed; the message is what of the installer's words decides."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


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
        if " --hash=" in self.requirements:
            command.append("--require-hashes")  # of all that is installed, not only of what is named
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
            raise InstallFailed(*explained(said.split("\n")))
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
    annotation = stripped(annotation)
    if annotation is not Absent:
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
    payload = value[0]
    if isinstance(payload, Payload) and can_be_watched(function, target.name):
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
                self.plan = self._object_plan(bound, query)
        except QueryNotAccepted as refusal:
            if not self.named and has_a_main_guard(self.source):
                raise QueryNotAccepted(f"{refusal} Or {AS_A_SCRIPT}.") from None
            raise
        return self.plan

    def _wants_text(self, function: Any, parameters: Any, query: str | None) -> bool:
        if self.registered or query is None or not parameters or plain_name(parameters[0].name) not in HANDLER_NAMES:
            return False
        return json_object(query) is None and handed_on_as_text(function, parameters[0].name, self.module)

    def _object_plan(self, bound: Any, query: str | None) -> Plan:
        if query is not None:
            if is_of_a_framework(self.target) and is_a_command(self.target):
                self.kind = "command"
            plan = framework_plan(self.target, self.name, query)
            if plan is not None:
                if getattr(getattr(plan.function, "__code__", None), "co_filename", "") != _made.__code__.co_filename:
                    self.signature = shown_signature(parameters_of(plan.function))
                return plan
        found = [(name, method, parameters_of(method)) for name, method in methods_of(self.target)]
        if not found or is_a_server(self.target):
            raise EntrypointNotFound(lacking(self.name, self.target, self.module))
        places = [place_of(parameters) for _, _, parameters in found]
        order = [index for index, place in enumerate(places) if not isinstance(place, str) and place.usual]
        order += [index for index, place in enumerate(places) if not isinstance(place, str) and not place.usual]
        if query is None:
            order = [
                index
                for index, (_, _, parameters) in enumerate(found)
                if not any(one.required for one in parameters or ())
            ]
        name, method, _ = found[order[0] if order else 0]
        if name == "__call__":
            return bound(self.target, self.name)  # type: ignore[no-any-return]
        return bound(method, f"{self.name}.{name}")  # type: ignore[no-any-return]

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
    return place is not None and place.tb_frame.f_code.co_filename != _made.__code__.co_filename


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


# --- The query where a script looks for it, beside its arguments


def offer(query: str) -> None:
    """On standard input and in the environment. One memory file, so that no size makes a writer wait."""
    memory = os.memfd_create("query", 0)
    write_all(memory, query.encode("utf-8", "replace"))
    os.lseek(memory, 0, 0)
    os.dup2(memory, 0)
    os.close(memory)
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="replace", closefd=False)  # type: ignore[misc]
    raw = query.encode("utf-8", "surrogateescape")
    if b"\0" not in raw and len(raw) < 128 * 1024:  # what the kernel takes of one variable
        os.putenv(b"ASSAY_QUERY", raw)
        os.environ[b"ASSAY_QUERY"] = raw
        known = sys.modules.get("os")
        if known is not None:
            known.environ["ASSAY_QUERY"] = query


# --- A program that an agent wanted to start and that is not there: how it is had


# program: the Debian package that brings it, where the names differ
DEBIAN = {
    "cc": "build-essential",
    "convert": "imagemagick",
    "dig": "bind9-dnsutils",
    "docker": "docker.io",
    "dot": "graphviz",
    "g++": "build-essential",
    "gcc": "build-essential",
    "java": "default-jre-headless",
    "make": "build-essential",
    "node": "nodejs",
    "npx": "npm",
    "pdftotext": "poppler-utils",
    "pg_dump": "postgresql-client",
    "ping": "iputils-ping",
    "ps": "procps",
    "psql": "postgresql-client",
    "rg": "ripgrep",
    "scp": "openssh-client",
    "soffice": "libreoffice",
    "ssh": "openssh-client",
    "tesseract": "tesseract-ocr",
}
OF_PYTHON = ("uv", "uvx", "pip", "pip3", "pipx", "poetry")  # a requirement of the same name brings it; uvx is uv's


def program_hint(error: BaseException) -> str:
    """Empty where that is not what went wrong."""
    if not isinstance(error, FileNotFoundError):
        return ""
    name = error.filename
    if not isinstance(name, str) or not name or "/" in name or not name.isprintable() or len(name) > 60:
        return ""
    place = error.__traceback__
    files = set()
    while place is not None:
        files.add(place.tb_frame.f_code.co_filename)
        place = place.tb_next
    started = getattr(sys.modules.get("subprocess"), "__file__", "")
    if started not in files:
        return ""
    if name in OF_PYTHON:
        return f"There is no program {name}: add {'uv' if name == 'uvx' else name} to the requirements."
    return (
        f"There is no program {name} where the agent runs: name the Debian package that brings it, as in "
        f"--system {DEBIAN.get(name, name)}."
    )


# --- What the user can do about an exception, where its kind says more than its code. An empty text where it does not


# module: the requirement that brings it, where the names differ
REQUIREMENTS = {
    "agents": "openai-agents",
    "agno": "agno",
    "attr": "attrs",
    "autogen_agentchat": "autogen-agentchat",
    "autogen_core": "autogen-core",
    "autogen_ext": "autogen-ext[openai]",
    "bedrock_agentcore": "bedrock-agentcore",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "crewai_tools": "crewai-tools",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "fitz": "PyMuPDF",
    "git": "GitPython",
    "google.adk": "google-adk",
    "google.genai": "google-genai",
    "google.generativeai": "google-generativeai",
    "haystack": "haystack-ai",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "langchain_anthropic": "langchain-anthropic",
    "langchain_aws": "langchain-aws",
    "langchain_community": "langchain-community",
    "langchain_core": "langchain-core",
    "langchain_google_genai": "langchain-google-genai",
    "langchain_ollama": "langchain-ollama",
    "langchain_openai": "langchain-openai",
    "langchain_text_splitters": "langchain-text-splitters",
    "llama_index": "llama-index",
    "magic": "python-magic",
    "multipart": "python-multipart",
    "MySQLdb": "mysqlclient",
    "OpenSSL": "pyOpenSSL",
    "PIL": "pillow",
    "pkg_resources": "setuptools",
    "pptx": "python-pptx",
    "psycopg2": "psycopg2-binary",
    "pydantic_ai": "pydantic-ai-slim",
    "pydantic_settings": "pydantic-settings",
    "semantic_kernel": "semantic-kernel",
    "sentence_transformers": "sentence-transformers",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "slugify": "python-slugify",
    "strands": "strands-agents",
    "strands_tools": "strands-agents-tools",
    "usb": "pyusb",
    "win32api": "pywin32",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
}
# What people call files of their own. Packages of these names are there, too, and are a stranger's.
OWN_NAMES = frozenset(
    ("tools", "tool", "utils", "util", "helpers", "helper", "common", "config", "configs", "settings", "prompts")
    + ("prompt", "models", "model", "schemas", "schema", "types_", "nodes", "node", "state", "states", "graph", "src")
    + ("app", "agent", "core", "lib", "constants", "memory", "llm", "llms", "client", "clients", "services", "data")
    + ("database", "db", "api", "functions", "main", "workflow", "workflows", "tasks", "my_tools", "chains", "rag")
)
EAGAIN = 11
ENOSPC = 28
FORKING = ("subprocess.py", "popen_fork.py", "popen_spawn_posix.py", "util.py")  # files that start processes


def hint_for(error: BaseException, *, project: bool = False, max_processes: int = 0) -> str:
    """What to do about it. `project` says that more than one file was handed in, `max_processes` how many processes and
    threads there may be (0: what the system tells)."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return _missing_module(error.name, project=project)
    if isinstance(error, ImportError) and "relative import" in str(error):
        if project:
            return "Name the file that is the agent's inside of its package, where a relative import has a parent."
        return "The file imports others of its package: hand in the whole folder (assay submit DIR)."
    if isinstance(error, IndexError) and _reads_the_command_line(error):
        return "The file reads its command line: run it as a script (-e __main__), and the query is its argument."
    variable = environment_variable(error)
    if variable:
        return f"The environment variable {variable} is not set: pass it with --env {variable}."
    if isinstance(error, EOFError) and "reading a line" in str(error):
        return (
            "The agent asked for input, and nobody is there to type. Take the query as a parameter, or run the file as "
            "a script (-e __main__): then input() reads the query."
        )
    if isinstance(error, OSError) and error.errno == ENOSPC:
        return (
            "There is no room left for files. Those in /work, /tmp and /dev/shm count as memory in a sandbox: give the "
            "test more (--memory 1g), or write less at once."
        )
    wanted = _input_that_is_not_there(error)
    if wanted:
        return f"Hand the file in with the test: --file {wanted}=PATH."
    program = program_hint(error)
    if program:
        return program
    if _is_without_processes(error):
        limit = f"{max_processes} " if max_processes else process_limit()
        return (
            f"The agent reached the limit of {limit}processes and threads at once: start fewer, as in "
            "ThreadPoolExecutor(max_workers=16)."
        )
    return ""


def leaf_of(error: BaseException) -> BaseException:
    """What went wrong in a group of one, as task groups raise it; else the error itself."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _input_that_is_not_there(error: BaseException) -> str:
    """Its path among the inputs; empty where another file was looked for."""
    import os

    if not isinstance(error, FileNotFoundError) or not isinstance(error.filename, (str, bytes, os.PathLike)):
        return ""
    path = os.path.abspath(os.fsdecode(error.filename))
    for folder in ("/work/in", os.environ.get("ASSAY_INPUT_DIR"), os.path.abspath("in")):
        if folder and path.startswith(folder.rstrip("/") + "/"):
            return path[len(folder.rstrip("/")) + 1 :]
    return ""


def _missing_module(name: str, *, project: bool) -> str:
    top = name.partition(".")[0]
    two = ".".join(name.split(".")[:2])
    own = (
        f"If {top} is a file or folder of the project, it was not sent: see .gitignore and .assayignore."
        if project
        else f"If {top} is a file or folder of yours, hand it in as well: assay submit DIR, or --include {top}.py."
    )
    requirement = REQUIREMENTS.get(two) or REQUIREMENTS.get(top)
    if requirement:
        return f"Add {requirement} to the requirements: it brings the module {two if two in REQUIREMENTS else top}."
    if top in OWN_NAMES:
        return own
    return f"If {top} is a package, add the one that brings it to the requirements. {own}"


def environment_variable(error: BaseException) -> str:
    """The name of the variable that is not set; empty where that is not what went wrong."""
    if isinstance(error, KeyError) and error.args and isinstance(error.args[0], str):
        place = _last(error.__traceback__)
        if place is not None and place.tb_frame.f_code.co_name == "__getitem__":
            file = place.tb_frame.f_code.co_filename
            if file == "<frozen os>" or file.endswith("/os.py"):
                return error.args[0]
        return ""
    try:
        said = str(error)
    except Exception:
        return ""
    if "environment variable" not in said and "env var" not in said.lower():
        return ""
    for word in said.replace("`", " ").replace("'", " ").replace('"', " ").replace("=", " ").split():
        word = word.strip(".,:;()[]")
        if len(word) > 4 and "_" in word and word.isupper() and word.replace("_", "a").isalnum():
            return word
    return ""


def _reads_the_command_line(error: BaseException) -> bool:
    place = _last(error.__traceback__)
    return place is not None and "argv" in place.tb_frame.f_code.co_names


def _last(place: TracebackType | None) -> TracebackType | None:
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return place


def _is_without_processes(error: BaseException) -> bool:
    if isinstance(error, RuntimeError):
        return "can't start new thread" in str(error)
    if not isinstance(error, OSError) or error.errno != EAGAIN:
        return False
    place = _last(error.__traceback__)
    file = "" if place is None else place.tb_frame.f_code.co_filename.rpartition("/")[2]
    return file in FORKING or "fork" in str(error)


def process_limit() -> str:
    """The number and a space, from the control group or the limits of this process; empty where neither tells."""
    for path in _limit_files():
        try:
            with open(path, encoding="ascii") as file:
                text = file.read().strip()
        except OSError:
            continue
        if text.isdigit():
            return f"{text} "
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    except (ImportError, OSError, ValueError):
        return ""
    return f"{limit} " if 0 < limit < 10_000 else ""  # more is what a machine has, not what a test may have


def _limit_files() -> list[str]:
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            entries = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return []
    folders = [
        f"/sys/fs/cgroup{entry[2]}" if not entry[1] else f"/sys/fs/cgroup/pids{entry[2]}"
        for entry in entries
        if len(entry) == 3 and (not entry[1] or "pids" in entry[1].split(","))
    ]
    return [f"{folder.rstrip('/')}/pids.max" for folder in (*folders, "/sys/fs/cgroup", "/sys/fs/cgroup/pids")]


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
CODE = {"function": "function", "builtin_function_or_method": "function", "method": "method", "module": "module"}


class Reply:
    """The one message from the agent's process to the harness."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.owner = os.getpid()

    def is_ours(self) -> bool:
        """False in a copy that the agent forked: whatever its function does there, it is not asked."""
        return os.getpid() == self.owner

    def answer(self, value: Any, module: object, limit: int, *, strict: bool, loop: Any, seconds: float) -> None:
        """Converts it, or fails where it is `strict` and not plain JSON of at most `limit` bytes. The loop is closed
        then: what still runs in it may do something at its end that belongs to the test."""
        if (kind := code_of(value)) is not None:
            hint = "Was it meant to be called? Return what it gives: return inner(query), not return inner."
            self.fail("RESULT_INVALID", f"The agent returned {kind}, not an answer.", hint=hint)
            return
        answering = Answering(strict=strict, loop=loop, seconds=seconds)
        try:
            response = answering.json(value, limit)
        except (NotJson, TooLarge) as error:
            log_answer(value, loop, answering.budget.left())
            loop.close()
            self.fail("RESULT_INVALID" if isinstance(error, NotJson) else "RESULT_TOO_LARGE", str(error))
        else:
            usage = unwarned(lambda: usage_of(value, module))
            loop.close()
            self._send({"response": response, "usage": usage, "conversions": answering.notes()})

    def printed(self) -> None:
        """The answer is what was printed, which the harness has."""
        self._send({"response": None, "printed": True, "usage": None})

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


def code_of(value: object) -> str | None:
    """What it is, where the whole answer is a piece of a program: something was not called."""
    kind = type(value)
    if not (issubclass(kind, type) or (kind.__module__ == "builtins" and kind.__name__ in CODE)):
        return None
    what = "a class" if issubclass(kind, type) else f"a {CODE[kind.__name__]}"
    try:
        name = value.__name__  # type: ignore[attr-defined]
    except Exception:  # a metaclass may do anything
        return what
    return f"{what} ({name[:200]})" if isinstance(name, str) else what


def describe(error: BaseException | None, message: str | None) -> dict[str, str]:
    """type, message and traceback, in sizes that can be stored; the traceback without our own frames."""
    if error is None:
        return {"type": "", "message": (message or "")[:MAX_MESSAGE], "traceback": ""}
    leaf = leaf_of(error)
    if message is None:
        message = _said(leaf)
        if leaf is not error:
            message += f" (alone in an {type_name(type(error))}: {_said(error)})"
    if isinstance(error, SystemExit):
        return {"type": "SystemExit", "message": message[:MAX_MESSAGE], "traceback": ""}
    import traceback

    place: TracebackType | None = error.__traceback__
    while place is not None and _is_machinery(place.tb_frame.f_code.co_filename):
        place = place.tb_next
    try:
        text = "".join(traceback.format_exception(type(error), error, place))
    except Exception as problem:  # an exception that cannot even be shown
        text = f"{type_name(type(error))} (its traceback cannot be shown: {type(problem).__name__})"
    if len(text) > MAX_TRACEBACK:
        text = f"{text[: MAX_TRACEBACK // 2]}\n[...]\n{text[-MAX_TRACEBACK // 2 :]}"
    return {"type": type_name(type(leaf)), "message": message[:MAX_MESSAGE], "traceback": text}


def _is_machinery(file: str) -> bool:
    """Ours, or what we let Python do before code of the agent is reached."""
    if file in (describe.__code__.co_filename, "<frozen runpy>"):
        return True
    return file.startswith("<frozen importlib") or file.endswith(("/asyncio/runners.py", "/asyncio/base_events.py"))


def _said(error: BaseException) -> str:
    if isinstance(error, KeyError) and environment_variable(error):
        return str(error.args[0])  # without quotes: what the user has to set
    if isinstance(error, SyntaxError):
        name = (error.filename or "agent.py").rpartition("/")[2]
        return f"{name}, line {error.lineno}: {error.msg}"
    try:
        return str(error) or type_name(type(error))
    except Exception:
        return "(its text cannot be shown)"


# --- Standard streams of the agent's process: ordinary text files, which say beside what they write what it is


MOST_CALLERS = 30  # from a write back to who logs: rich takes about ten


class AgentPipe(io.FileIO):
    """One of the fds 1 and 2. A process that the agent forks has it too; another program has the plain pipe."""

    def __init__(self, fd: int, stream: str, token: bytes) -> None:
        super().__init__(fd, "w", closefd=False)
        self.name = f"<{stream}>"  # as usual
        self._number = fd
        self._stream = stream
        self._token = token
        self._pipe = _identity(fd)

    def write(self, data: Buffer, /) -> int:
        """How many bytes it took, for plain text as a pipe takes it. Waits where the agent made the pipe one that does
        not (asyncio does, to write to it)."""
        of_errors = self._stream == "stderr"
        level = level_of_caller(sys._getframe(1), of_errors) if of_errors or "logging" in sys.modules else ""
        if (level or of_errors) and self._is_still_ours():
            text = bytes(data)
            for frame in framed(self._token, self._stream, level, text):
                _write(self._number, frame)
            return len(text)
        return _write(self._number, data)

    def _is_still_ours(self) -> bool:
        """Whether it is where the harness reads: the agent may have put a file of its own in its place."""
        try:
            return _identity(self._number) == self._pipe
        except OSError:
            return False


def _identity(fd: int) -> tuple[int, int]:
    state = os.fstat(fd)
    return state.st_dev, state.st_ino


def _write(fd: int, data: Buffer) -> int:
    while True:
        try:
            return os.write(fd, data)  # of a frame all of it: a pipe takes so few bytes whole or not at all
        except BlockingIOError:
            import select

            poll = select.poll()
            poll.register(fd, select.POLLOUT)
            poll.poll()


def level_of_caller(frame: FrameType | None, of_errors: bool) -> str:  # noqa: FBT001 - on the path of every line
    """What the code that writes says of its text: the level of a log record; on standard error also `warning` for a
    warning and `error` for an exception that is printed; "" where it is just text."""
    logging = _space("logging")
    warnings = traceback = None
    if of_errors:
        warnings, traceback = _space("_py_warnings") or _space("warnings"), _space("traceback")
    for _ in range(MOST_CALLERS):
        if frame is None:
            break
        space = frame.f_globals
        if space is logging:
            if frame.f_code.co_name in ("handle", "callHandlers"):
                return _level_of_record(frame.f_locals.get("record"))
        elif space is traceback:
            if frame.f_code.co_name in ("print", "print_exception"):
                return "error"
        elif space is warnings and frame.f_code.co_name.startswith("_showwarn"):
            return "warning"
        frame = frame.f_back
    return ""


def _space(name: str) -> dict[str, object] | None:
    module = sys.modules.get(name)
    return None if module is None else module.__dict__


def _level_of_record(record: object) -> str:
    number = getattr(record, "levelno", None)
    if type(number) is not int:
        return ""
    return (
        "critical" if number >= 50 else "error" if number >= 40 else "warning" if number >= 30
        else "info" if number >= 20 else "debug"
    )  # fmt: skip


def renew_streams(token: bytes) -> None:
    """Standard streams made for what fds 0, 1 and 2 are now; every line leaves at once, and nothing is unprintable."""
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="replace", closefd=False)  # type: ignore[misc]
    for fd, name in ((1, "stdout"), (2, "stderr")):
        stream = io.TextIOWrapper(
            io.BufferedWriter(AgentPipe(fd, name, token)),
            encoding="utf-8",
            errors="backslashreplace",
            line_buffering=True,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


# --- The agent's process, from its fork to its end


SCRIPT_EXIT = (
    "A script gets the query as its only argument, on its standard input and in ASSAY_QUERY. If it wants an option, "
    "such as --query, read one of these instead, or give the file a function run(query)."
)

NO_COMMAND_LINE = "If the file reads its command line, run it as a script (-e __main__): the query is its argument."


def start_agent() -> Child:
    """Forks the process that will be the agent. It waits for instructions; if none come, it is not needed.

    Its pipes: what it writes, what Python says of it when it dies, and its answer."""
    return fork_with(3, _await_instructions)


def _await_instructions(outputs: Sequence[int], instructions: int) -> None:
    out, faults, answer = outputs
    settle(out, out, (faults, answer, instructions))
    raw = read_all(instructions)
    os.close(instructions)
    if not raw:
        os._exit(0)
    job = from_json(raw.decode("utf-8"))
    if job["python"] is not None:
        _exec_agent(job["python"], raw, faults, answer)
    change_environment({**environment_of_children(), **job["env"]})
    run_agent(job, faults, answer)


def _exec_agent(python: str, raw: bytes, faults: int, answer: int) -> NoReturn:
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
    for fd in (faults, answer):
        os.set_inheritable(fd, True)
    from os.path import realpath

    this = __file__
    if this.endswith("c") and realpath(python) != realpath(sys.executable):
        this = this[:-1]  # compiled for one version of Python
    try:
        os.execve(python, [python, this, "--agent", *map(str, (memory, faults, answer))], env)
    except OSError as error:
        Reply(answer).fail("DEPENDENCY_INSTALL_FAILED", f"The environment of this test cannot be started: {error}")
        os._exit(1)


def run_agent(job: Mapping[str, Any], faults: int, answer: int) -> NoReturn:
    """The life of the agent's process: load, call, answer, end as interpreters do (threads, exit handlers, buffers)."""
    import faulthandler

    libc("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(fd, b"1000")  # when memory runs out, the agent goes and not the harness
        os.close(fd)
    except OSError:
        pass
    faulthandler.enable(faults)
    faulthandler.register(
        _signal.SIGTERM, faults, chain=True
    )  # an agent that is stopped leaves in its log where it was
    renew_streams(bytes.fromhex(job["token"]))
    _leave(_load_and_call(job, Reply(answer)))


def _load_and_call(job: Mapping[str, Any], reply: Reply) -> int:
    code = "AGENT_IMPORT_ERROR"
    package: str | None = None
    ends = time.monotonic() + time_for_the_answer(job["timeout_s"])
    loop = AgentLoop()
    try:
        package = script_of(job["entrypoint"])
        if package is not None:
            code = "AGENT_EXCEPTION"
            _run_script(Script(package, job["agent_path"], job["query"]), job, reply)
            return 0
        module = load_agent(job["code"], job["agent_path"])
        query = job["query"]
        entry = find_entry(module, job["entrypoint"], job["code"], without_query=query is None)
        code = "AGENT_EXCEPTION"
        try:
            plan = entry.bind(query, test_id=job["test_id"], timeout_s=job["timeout_s"], memory_mib=job["memory_mib"])
        finally:
            reply.announce(entry.report())
        value = call_entry(plan, loop)
        seconds = max(0.0, ends - time.monotonic())
        reply.answer(value, module, job["response_bytes"], strict=job["strict_answer"], loop=loop, seconds=seconds)
    except EntrypointNotFound as error:
        reply.fail("ENTRYPOINT_NOT_FOUND", str(error))
    except EntrypointAmbiguous as error:
        reply.fail("ENTRYPOINT_AMBIGUOUS", str(error))
    except QueryNotAccepted as error:
        reply.fail("QUERY_NOT_ACCEPTED", str(error), hint=error.hint)
    except SystemExit as error:
        status = exit_status(error)
        said = f": {error.code}" if isinstance(error.code, str) else ""
        message = f"The agent called sys.exit({status}) instead of returning an answer{said}"
        if package is not None:
            message = f"The script ended with sys.exit({status}){said}"
        reply.fail("AGENT_EXITED", message, error, _hint_for_exit(status, package, code))
        return status
    except BaseException as error:  # whatever an agent may raise is a fact to report
        if not reply.is_ours():
            import traceback

            traceback.print_exc()
        if package is not None and isinstance(error, SyntaxError):
            code = "AGENT_IMPORT_ERROR"
        reply.fail(
            code, None, error, hint_for(error, project=bool(job["agent_path"]), max_processes=job["max_processes"])
        )
    else:
        return 0
    finally:
        loop.close()
    return 1


def time_for_the_answer(timeout_s: float) -> float:
    """Seconds: so much before the time limit an answer is cut that is not yet written, for it to arrive in time."""
    return max(timeout_s / 2, timeout_s - min(10.0, max(2.0, timeout_s / 20)))


def _hint_for_exit(status: int, package: str | None, code: str) -> str:
    """For 2, which is what argparse and click end with when the command line is not what they want."""
    if status != 2:
        return ""
    return SCRIPT_EXIT if package is not None else NO_COMMAND_LINE if code == "AGENT_IMPORT_ERROR" else ""


def _run_script(script: Script, job: Mapping[str, Any], reply: Reply) -> None:
    """To its end, which for a script may be sys.exit(0). Raises what it raises."""
    try:
        script.must_be_asked(job["code"], job["agent_path"])
    finally:
        reply.announce(script.report())
    if script.query is not None:
        offer(script.query)
    try:
        script.run(job["code"], job["agent_path"])
    except SystemExit as end:
        if exit_status(end):
            raise
    reply.printed()


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
        say_last(f"while ending: {type(error).__name__}: {error}")
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # closed or replaced by the agent
            pass
    os._exit(code)


def say_last(text: str) -> None:
    """To the log of the agent, whatever it did to its streams."""
    try:
        print(f"assay harness: {text}", file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):
        complain(text)


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


RESULT_VERSION = 1
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
INSTALL_TOOK_LONG = (
    "Pin the versions, so that the installer does not have to search, and take those with wheels, which are not built. "
    "How long it may take is for the operator to say (ASSAY_PROCESS_BUILD_TIMEOUT_S); in a container the test's limit "
    "counts."
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
        self.printed: Collector | None = None  # of a script, whose answer that is
        self.kills = out_of_memory_kills() if IN_CONTAINER else 0
        output.nonce = context.nonce
        output.seq = context.first_seq - 1
        output.last_allowed = output.seq + context.max_lines
        output.room = context.max_bytes
        output.line_bytes = context.line_bytes
        if context.encoded_line_bytes:
            output.encoded_bytes = max(64, context.encoded_line_bytes - ENVELOPE_OF_LINE)
            output.partial_room //= 2  # it goes through the platform's logs, which cost by the byte
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
        failed: tuple[str, str, str] | None = None
        try:
            Installer(self.context, self.output, self.signals).install()
        except InstallFailed as error:
            failed = ("DEPENDENCY_INSTALL_FAILED", str(error)[:MAX_MESSAGE], error.hint)
            if self._memory_ran_out():
                failed = ("OUT_OF_MEMORY", "Installing the requirements took more memory than the container has.", "")
        except OSError as error:
            failed = ("DEPENDENCY_INSTALL_FAILED", f"The environment cannot be written: {error}", "")
        except Stopped as stop:
            failed = ("CANCELLED", "Stopped while the requirements were installed.", "")
            if str(stop) == "TIMED_OUT":
                said = f"The requirements were not installed within {self.context.timeout_s:g} s."
                failed = ("TIMED_OUT", said, INSTALL_TOOK_LONG)
        self.build_ms = (time.monotonic() - started) * 1000
        if failed is None:
            return None
        code, message, hint = failed
        return self.failure(code, message, hint=hint)

    def agent(self, child: Child, python: str | None) -> dict[str, object]:
        context, output = self.context, self.output
        if python == f"{context.env_dir}/bin/python":
            self.resolved = installed_in(context.env_dir)  # now: an agent may be able to write there
            self.built = built_in(context.env_dir, self.resolved)
        try:
            lay_out(context)
        except ContextUnavailable as error:
            return self.failure("CONTEXT_UNAVAILABLE", str(error))
        if not context.project_files:
            for name, text in context.files.items():
                if name not in ("requirements.txt", "Dockerfile") and "/" not in name:
                    self._write(name, text)
        output.mark("running")
        output.flush()
        token = new_token()
        job = {
            "token": token.hex(),
            "code": context.code,
            "entrypoint": context.entrypoint,
            "query": context.query,
            "agent_path": context.agent_path,
            "test_id": context.test_id,
            "timeout_s": context.timeout_s,
            "memory_mib": context.memory_mib,
            "max_processes": context.max_processes,
            "env": {**context.env, **self._given_by_the_platform(), **folders_of_the_agent()},
            "python": python,
            "response_bytes": context.response_bytes,
            "strict_answer": context.strict_answer,
        }
        try:
            instructions = to_json(job).encode("utf-8")
        except UnicodeEncodeError:
            return self.failure("CONTEXT_UNAVAILABLE", "The context holds half a surrogate pair: not Unicode text.")
        out, faults, back = child.readers
        answer = Answer(back, context.response_bytes + ENVELOPE_BYTES)
        if script_of(context.entrypoint) is not None:
            self.printed = Collector(context.response_bytes)
        readers = (
            Channel(out, token, output, self.printed),
            Faults(faults, "stderr", output, "error"),
            answer,
        )
        self.watch = Watch(child, readers, context.timeout_s, output, self.signals)
        try:
            write_all(child.instructions, instructions)
            os.close(child.instructions)
        except BrokenPipeError:
            pass  # it is dead already; that is told below
        self.watch.follow()
        output.mark("finished")
        self.entry = entry_in(answer.announced)
        return self._verdict(self.watch, answer)

    def left_behind(self, result: dict[str, object]) -> Left | None:
        """What the agent has left in its output folder, named in the result. However its test ended, it has run."""
        limits = self.context.outputs
        if self.watch is None or limits is None:
            return None
        left = Left(limits["max_files"], limits["max_bytes"])
        left.find()
        result["outputs"], result["outputs_left_out"] = left.files, left.left_out
        return left

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
            if self.printed is not None and reply.get("printed") is True:
                text, limit = self.printed.text(), self.context.response_bytes
                response = printed_answer(text, limit, self.printed.size)
                is_cut = self.printed.too_large or (isinstance(response, str) and response != text.rstrip("\r\n"))
                if self.context.strict_answer and is_cut:
                    said = f"The agent printed {self.printed.size:,} bytes; an answer may have {limit:,} as JSON."
                    return self.failure("RESULT_TOO_LARGE", said)
                printed = Answering(strict=self.context.strict_answer)
                response = printed.json(response, limit)
                self.conversions = printed.notes()
            else:
                response = Answering(strict=True).plain(reply["response"])
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
            "version": RESULT_VERSION,
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
    result: dict[str, object] | None = run.lacking()
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
    left = run.left_behind(result)
    output.flush()
    delivered = deliver(result, context.result_fd, left)
    output.mark(
        "end", f',"lines":{output.seq},"outcome":{quote(str(result["outcome"]))},"code":{to_json(result["code"])}'
    )
    output.flush()
    if result["code"] == "CANCELLED":
        return 143
    return 0 if delivered and result["outcome"] == "success" else 1


def main() -> NoReturn:
    if sys.argv[1:2] == ["--agent"]:
        memory, faults, answer = map(int, sys.argv[2:5])
        for fd in (faults, answer):
            os.set_inheritable(fd, False)
        job = from_json(read_all(memory).decode("utf-8"))
        os.close(memory)
        run_agent(job, faults, answer)
    output = Output(1)
    code = 1
    try:
        code = run_test(output, shield())
    except ContextUnavailable as error:
        complain(str(error))
        failed = {"type": "", "message": str(error), "traceback": ""}
        deliver({"version": RESULT_VERSION, "outcome": "error", "code": "CONTEXT_UNAVAILABLE", "error": failed}, None)
    except BaseException as error:  # a bug of ours: say all there is
        import traceback

        complain("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    os._exit(code)


if __name__ == "__main__":
    main()
