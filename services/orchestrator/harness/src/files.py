"""Files on their way into the work folder, and out of it: a project, inputs, and what the agent leaves in `out`.

The content of all files is one piece, cut by sizes that the context names. What the agent leaves is not trusted: no
link is followed, and nothing is read that is no regular file.
"""

from __future__ import annotations

import posix as os  # what is in os without what makes its import cost a millisecond
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.context import Context, ContextUnavailable
from services.orchestrator.harness.src.file_descriptors import READ_BYTES, read_all, write_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

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
