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
(`json` alone costs more than all of this), and the process leaves through os._exit. What a plain function with a plain
answer does not need is in test_runner_rest.py, which has to lie beside this file (see `from_the_rest`). Compiling both
costs twice as much as running them: where that matters, compile them once with py_compile and run the .pyc.

    python3 -S -I test_runner.py            context on fd 0, or from ASSAY_CONTEXT_URL
    python test_runner.py --agent IN ...    inside: the agent's process as another interpreter (see _exec_agent)
"""

# Made from services/orchestrator/harness/src/ by deploy/setup/join.py: edit there.

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import io
import marshal
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
SI_USER = 0
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
        """Takes in what has arrived. A SIGTERM from outside sets `cancelled`: seen from PID 1 its sender has no pid.

        Only what kill(2) sends counts, where the kernel says who sent it. A signal with data (SI_QUEUE) says so itself,
        and one that tells of input on a descriptor (F_SETSIG) has no sender either: both an agent can make."""
        while True:
            try:
                data = os.read(self.fd, 128 * 16)
            except BlockingIOError:
                return
            for at in range(0, len(data), 128):
                number = int.from_bytes(data[at : at + 4], sys.byteorder)
                code = int.from_bytes(data[at + 8 : at + 12], sys.byteorder)
                sender = int.from_bytes(data[at + 12 : at + 16], sys.byteorder)
                if number != _signal.SIGCHLD and code == SI_USER and (sender == 0 or os.getpid() != 1):
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


# --- Which frames of a traceback are ours


def is_our_file(name: object) -> bool:
    """Whether code of this file name is the harness, or the server of a package."""
    return name in OUR_FILES


# As compiled, wherever the files lie now: this one, and the one with what most tests do not need (see rest.py).
OUR_FILES = (is_our_file.__code__.co_filename, f"{is_our_file.__code__.co_filename[:-3]}_rest.py")


# --- What most tests do not need: in a file of its own beside this one, loaded when something of it is first called


OUR_PLACE = __file__  # absolute, and known before an agent can change it or the work folder
OUR_NAMESPACE = globals()
PYC_HEADER = 16  # bytes before the code
TOO_MANY_FILES = 24  # EMFILE


def from_the_rest(name: str) -> Callable[..., Any]:
    """Stands for a function or class until the rest is loaded. It raises OSError where that cannot be read."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if OUR_NAMESPACE[name] is call:
            exec(code_of_the_rest(), OUR_NAMESPACE)
        return OUR_NAMESPACE[name](*args, **kwargs)

    return call


def code_of_the_rest() -> CodeType:
    """Compiled where we are: by the interpreter that runs us, then."""
    stem, _, ending = OUR_PLACE.rpartition(".")
    if ending == "pyc":
        try:
            compiled = _content(f"{stem}_rest.pyc")
        except FileNotFoundError:
            pass
        else:
            code: CodeType = marshal.loads(compiled[PYC_HEADER:])
            return code
    return compile(_content(f"{stem}_rest.py"), OUR_FILES[1], "exec", dont_inherit=True)


def _content(path: str) -> bytes:
    """By system calls: an agent may have replaced `open`, and have used up its file descriptors."""
    gave_up_input = False
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != TOO_MANY_FILES:
            raise
        os.close(0)
        gave_up_input = True
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return read_all(fd)
    finally:
        os.close(fd)
        if gave_up_input:
            os.open("/dev/null", os.O_RDONLY)


Answering = from_the_rest("Answering")
CallContext = from_the_rest("CallContext")
Delivery = from_the_rest("Delivery")
Installer = from_the_rest("Installer")
Left = from_the_rest("Left")
Payload = from_the_rest("Payload")
Script = from_the_rest("Script")
_crew_of = from_the_rest("_crew_of")
_given = from_the_rest("_given")
_has_a_method = from_the_rest("_has_a_method")
_has_objects = from_the_rest("_has_objects")
_hears = from_the_rest("_hears")
_made = from_the_rest("_made")
_makes_crews = from_the_rest("_makes_crews")
_object_plan = from_the_rest("_object_plan")
_spread = from_the_rest("_spread")
_text_of = from_the_rest("_text_of")
_unfit = from_the_rest("_unfit")
_without_query = from_the_rest("_without_query")
answers = from_the_rest("answers")
asked_in_vain = from_the_rest("asked_in_vain")
can_be_watched = from_the_rest("can_be_watched")
collected = from_the_rest("collected")
collected_async = from_the_rest("collected_async")
command_plan = from_the_rest("command_plan")
consume_inside = from_the_rest("consume_inside")
fallbacks_of = from_the_rest("fallbacks_of")
handed_on_as_text = from_the_rest("handed_on_as_text")
has_a_main_guard = from_the_rest("has_a_main_guard")
hint_for = from_the_rest("hint_for")
holds = from_the_rest("holds")
imported_names = from_the_rest("imported_names")
imported_of = from_the_rest("imported_of")
instead = from_the_rest("instead")
is_a_server = from_the_rest("is_a_server")
is_async_stream = from_the_rest("is_async_stream")
is_of_a_framework = from_the_rest("is_of_a_framework")
is_of_python = from_the_rest("is_of_python")
is_part_of_a_script = from_the_rest("is_part_of_a_script")
is_payload = from_the_rest("is_payload")
is_stream = from_the_rest("is_stream")
json_object = from_the_rest("json_object")
lacking = from_the_rest("lacking")
log_answer = from_the_rest("log_answer")
messages_value = from_the_rest("messages_value")
methods_of = from_the_rest("methods_of")
missing_packages = from_the_rest("missing_packages")
must_be_asked_for = from_the_rest("must_be_asked_for")
must_be_parsed = from_the_rest("must_be_parsed")
offer = from_the_rest("offer")
offers = from_the_rest("offers")
own_of = from_the_rest("own_of")
payload_of_text = from_the_rest("payload_of_text")
plan_of_variadic = from_the_rest("plan_of_variadic")
printed_answer = from_the_rest("printed_answer")
resolved = from_the_rest("resolved")
stripped = from_the_rest("stripped")
transfer = from_the_rest("transfer")
typed_value = from_the_rest("typed_value")
unpack = from_the_rest("unpack")
uses = from_the_rest("uses")
uses_of = from_the_rest("uses_of")


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


# how faulthandler writes a frame of ours; the user of a log looks for frames of the agent
OUR_FRAMES = tuple(f'  File "{name}", line '.encode() for name in OUR_FILES)
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
KIND, REGULAR, FOLDER, LINK = 0o170000, 0o100000, 0o040000, 0o120000
MOST_LEFT_OUT = 100  # lines about files that are not kept
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


def is_out_empty() -> bool:
    """Whether the agent has left nothing at all. False where that cannot be told."""
    try:
        top = os.open(OUTPUT_FOLDER, FOLDER_FLAGS)
    except OSError:
        return False
    try:
        with os.scandir(top) as entries:
            return next(entries, None) is None
    except OSError:
        return False
    finally:
        os.close(top)


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
            if getattr(error, "errno", None) == 27:  # EFBIG: a limit of ours was changed; not the platform's fault
                raise
            if url is None or left is None or not with_files:
                return False
            result["outputs"] = []
            result["outputs_left_out"] = [*left.left_out[: MOST_LEFT_OUT - 1], LOST_ON_THE_WAY]
            left = None
        else:
            return True


# --- The requirements


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


MOST_FUNCTIONS = 50  # of a module that are looked at for one entry point


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


# --- What to write, for those whose function cannot take the query


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


def that_is_read(plan: Plan, shown: str) -> Plan:
    """Raises QueryNotAccepted where the call would put something into `*args` or `**kwargs` that no code reads."""
    place = never_read(plan.function, len(plan.args), plan.kwargs)
    if place:
        raise QueryNotAccepted(
            f"{shown} cannot take the query: {plan.call} would put it into {place}, which never reads that. Hand on "
            "what is given, as in return function(*args, **kwargs), or name another entry point."
        )
    return plan


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


# --- What of a module uses or holds what: told from compiled code and from objects, without running any of it


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


# --- Commands of click and typer: called through their own parser, so that options and defaults are what they say


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


# --- Objects that wait for requests instead of answering a query: servers, and what adapts them to a platform


# Who gives these to a method starts a server. No `debug`: agents have that, too.
SERVER_PARAMETERS = frozenset(("host", "port", "reload", "workers", "use_reloader", "transport"))
ADAPTER_NAMES = ("app", "application", "handler", "lambda_handler")


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


def is_own(module: ModuleType, source: str, name: str, target: Any) -> bool:
    """Whether the file makes it, and does not only import it."""
    if is_function(target) or issubclass(type(target), type):
        if getattr(target, "__module__", module.__name__) == module.__name__:
            return True
    elif source.startswith(f"{name} = ") or f"\n{name} = " in source:
        return True
    return name not in imported_names(source)  # a decorator may give it another home


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


def peers_of(chosen: Candidate, own: Sequence[Candidate], module: ModuleType) -> list[Candidate]:
    """Others of the same class beside one that is called after a part which it may play among them."""
    if not chosen.is_object or chosen.name not in ROLES:
        return []
    peers = [one for one in own if type(one.target) is type(chosen.target) and one.fit]
    return [one for one in _outermost([chosen, *peers], module) if one.target is not chosen.target]


def _outermost(several: Sequence[Candidate], module: ModuleType) -> list[Candidate]:
    """Without those that another of them uses or holds."""
    inner = {
        id(part)
        for part in several
        for whole in several
        if part is not whole and (uses(whole.target, part.target, module) or holds(whole.target, part.target))
    }
    return [one for one in several if id(one) not in inner] or list(several)


# --- What is said of a file that has nothing to call, and what its writer can do


AS_A_SCRIPT = (
    "run the file as a script with the entry point __main__ (-e __main__): the query then is its argument, its "
    "standard input and in ASSAY_QUERY, and what it prints is the answer"
)


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


# --- What the user can do about an exception, where its kind says more than its code. An empty text where it does not


def leaf_of(error: BaseException) -> BaseException:
    """What went wrong in a group of one, as task groups raise it; else the error itself."""
    import builtins

    group: Any = getattr(builtins, "BaseExceptionGroup", ())  # which Python before 3.11 has not
    while isinstance(error, group) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


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


def _last(place: TracebackType | None) -> TracebackType | None:
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return place


# --- What can be told of a value by its type alone: nothing that overrides attribute access is asked


class Unfit:
    """What a conversion gives back where it has nothing to say; the next one is tried."""


UNFIT = Unfit()


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


# --- Notes on what was made of values that are not plain JSON: where, of which type, and how


def unwarned(work: Callable[[], Any]) -> Any:
    """What libraries warn of when we look into their objects is no output of the agent."""
    warnings = sys.modules.get("warnings")
    if warnings is None:
        return work()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return work()


# --- From what an agent returns to JSON: nothing of it is thrown away, and what is not plain JSON is noted


class TooLarge(Exception):
    """The answer has more bytes as JSON than are kept, and is not to be cut."""


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


# --- Answers that are plain JSON data already, as most are: told in one pass, without what it takes to convert others


DEEPEST_PLAIN = 60  # answers.py counts exactly, and says where it is too deep
LONGEST_PLAIN = 1 << 20  # characters and values: of more it is told what is cut
LONGEST_PLAIN_KEY = 10_000
MOST_PLAIN_BITS = 14_000  # of an integer that every reader can read


class NotPlain(Exception):
    """It is for `Answering` to say what becomes of the value."""


def plain_copy(value: Any, limit: int) -> Any:
    """What `Answering` would make of it without a note, in at most `limit` bytes as JSON. Raises NotPlain, where
    that may not be so."""
    try:
        copy = _plain(value, DEEPEST_PLAIN, [min(limit, LONGEST_PLAIN)])
    except UnicodeEncodeError:
        raise NotPlain from None
    if len(to_json(copy).encode("utf-8")) > limit:
        raise NotPlain
    return copy


def _plain(value: Any, depth: int, room: list[int]) -> Any:
    """By exact types: what is made from one of them may do anything when asked. A copy, as threads may change it."""
    kind = type(value)
    room[0] -= 1
    if room[0] < 0:
        raise NotPlain
    if kind is str:
        room[0] -= len(value)
        if not value.isascii():
            value.encode("utf-8")  # half a surrogate pair is no text
        return value
    if kind is dict or kind is list or kind is tuple:
        if not depth:
            raise NotPlain
        if kind is not dict:
            return [_plain(item, depth - 1, room) for item in value]
        return {_plain_key(key, room): _plain(item, depth - 1, room) for key, item in list(value.items())}
    if value is None or kind is bool or (kind is int and value.bit_length() <= MOST_PLAIN_BITS):
        return value
    if kind is float and value - value == 0:  # neither infinite nor no number
        return value
    raise NotPlain


def _plain_key(key: Any, room: list[int]) -> str:
    if type(key) is not str or len(key) > LONGEST_PLAIN_KEY:
        raise NotPlain
    text: str = _plain(key, 0, room)
    return text


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
        try:
            response = plain_copy(value, limit)
        except NotPlain:
            self._convert(value, module, limit, strict=strict, loop=loop, seconds=seconds)
        else:
            usage = unwarned(lambda: usage_of(value, module))
            loop.close()
            self._send({"response": response, "usage": usage, "conversions": []})

    def _convert(self, value: Any, module: object, limit: int, *, strict: bool, loop: Any, seconds: float) -> None:
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
    if is_our_file(file) or file == "<frozen runpy>":
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
        reply.fail(code, None, error, _hint(error, job))
    else:
        return 0
    finally:
        loop.close()
    return 1


def time_for_the_answer(timeout_s: float) -> float:
    """Seconds: so much before the time limit an answer is cut that is not yet written, for it to arrive in time."""
    return max(timeout_s / 2, timeout_s - min(10.0, max(2.0, timeout_s / 20)))


def _hint(error: BaseException, job: Mapping[str, Any]) -> str:
    try:
        return hint_for(error, project=bool(job["agent_path"]), max_processes=job["max_processes"])
    except Exception:  # whatever state the agent has left its process in: what it raised is worth more than a hint
        return ""


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
        named = self.context.system_packages if IN_CONTAINER else []
        missing = missing_packages(named) if named else []
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
        if is_out_empty():
            result["outputs"], result["outputs_left_out"] = [], []
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
                response = self._plain(reply["response"])
            if len(to_json(response).encode("utf-8")) > self.context.response_bytes:
                return self.failure("RESULT_TOO_LARGE", "The answer is too large.")
            return self._result("success", None, response, None, tokens_of(reply["usage"]))
        except (ValueError, LookupError, TypeError, RecursionError, NotJson) as error:  # the agent wrote on our pipe
            return self.failure("RESULT_INVALID", f"What the agent's process sent is not an answer: {error}")

    def _plain(self, response: object) -> object:
        try:
            return plain_copy(response, self.context.response_bytes)
        except NotPlain:
            return Answering(strict=True).plain(response)

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


NOT_DELIVERED = 75  # EX_TEMPFAIL: the test is tried again (the orchestrator's diagnosis.py)
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
    """The exit code: 0 for success, 1 for an error with a result, 143 when it was cancelled, or NOT_DELIVERED."""
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
            return 0 if deliver(report, context.result_fd) else NOT_DELIVERED
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
    if not delivered:
        return NOT_DELIVERED
    return 0 if result["outcome"] == "success" else 1


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
        said: dict[str, object] = {"version": RESULT_VERSION, "outcome": "error", "code": "CONTEXT_UNAVAILABLE"}
        if not deliver({**said, "error": failed}, None) or not IN_CONTAINER:
            code = NOT_DELIVERED
    except BaseException as error:  # a bug of ours: say all there is
        import traceback

        complain("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    os._exit(code)


if __name__ == "__main__":
    main()
