"""What few runs of test_runner.py need: it loads this into its own namespace when they call for it."""

# Made from services/orchestrator/harness/src/ by deploy/setup/join.py: edit there.

from __future__ import annotations


# --- Files on their way into the work folder, and out of it: a project, inputs, and what the agent leaves in `out`


FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # not to wait for the other end of a pipe
NEW_FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
DEEPEST = 30  # folders inside one another in `out`
MOST_SEEN = 10000  # entries of `out` that are looked at
LONGEST_PATH = 240  # characters


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


# --- Models, dataclasses and messages of the agent's own, made of the query


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


# --- What the code of a function does with a parameter: told from what is compiled, without running any of it


ASKS_FOR_A_KEY = ("get", "pop", "setdefault", "__getitem__")
SEES_ALL_NAMES = frozenset(("locals", "vars", "eval", "exec"))


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


def _given(one: Parameter, context: Callable[[], object], session: str) -> tuple[object, str]:
    name = plain_name(one.name)
    if name in SESSION_NAMES:
        return session, "session"
    return ([], "[]") if name in HISTORY_NAMES else (context(), "context")


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
SERVING = ("run", "arun", "run_sync")


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


# --- What of a module is its own and what it only imports


ONLY_AST = 0x400  # ast.PyCF_ONLY_AST, without the import of ast
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


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


# --- What a module offers to be called, and what of it plainly is the agent


PROGRAMS = frozenset(("click", "typer", "langgraph", "crewai", "dspy", "haystack"))  # all that runs there is the agent


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


def _hears(kind: type) -> bool:
    """Whether a public method of a class takes a query under a usual name."""
    methods = [value for name, value in vars(kind).items() if not name.startswith("_") and is_function(value)]
    places = [place_of((parameters_of(one) or [])[1:]) for one in methods]
    return any(not isinstance(place, str) and place.usual for place in places)


def _has_objects(kind: type, module: ModuleType) -> bool:
    return any(type(value) is kind for value in list(vars(module).values()))


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


# --- A connection that a test's own network does not have: what the agent reaches, and how it is had


ECONNREFUSED = 111
NO_WAY = (101, 113)  # ENETUNREACH, EHOSTUNREACH
DEPTH = 20


def unreachable_hint(error: BaseException) -> str:
    """Empty where that is not what went wrong. Clients wrap what the system says: what led to the error counts too."""
    for one in _chain(error):
        if isinstance(one, OSError) and one.errno in NO_WAY:
            return (
                "A test reaches the internet, over IPv4. Private addresses, and those of the machine that it runs on, "
                "it reaches only where the operator permits it: ask for the host with --allow-host HOST:PORT."
            )
        if isinstance(one, ConnectionRefusedError) or (isinstance(one, OSError) and one.errno == ECONNREFUSED):
            return (
                "Nothing listens there. 127.0.0.1 and localhost are the test's own machine: a server of the machine "
                "that runs the tests, such as a local model, is reached with --allow-host 127.0.0.1:PORT, where the "
                "operator permits it."
            )
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    waiting = [error]
    for _ in range(DEPTH):
        if not waiting:
            return
        one = waiting.pop(0)
        yield one
        waiting += getattr(one, "exceptions", ())  # of a group, as asyncio raises for several addresses
        waiting += [cause for cause in (one.__cause__, one.__context__) if cause is not None]


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
    connection = unreachable_hint(error)
    if connection:
        return connection
    if _is_without_processes(error):
        limit = f"{max_processes} " if max_processes else process_limit()
        return (
            f"The agent reached the limit of {limit}processes and threads at once: start fewer, as in "
            "ThreadPoolExecutor(max_workers=16)."
        )
    return ""


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


def _reads_the_command_line(error: BaseException) -> bool:
    place = _last(error.__traceback__)
    return place is not None and "argv" in place.tb_frame.f_code.co_names


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
