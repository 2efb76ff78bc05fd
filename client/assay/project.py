"""The files of an agent that is more than one: collected from a folder, or beside the agent's own file.

Owns what is sent, under which path, and what is left out and why. Knows nothing of the server but bounds that keep a
mistake (`assay submit ~`) from being read: the limits of a project are the server's.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from assay import ignore
from assay.bundle import Bundle, BundleFile
from assay.ignore import Ignored, Tree
from assay.imports import package_to_wrap_in
from assay.reading import read_bytes

MOST_ENTRIES = 20_000  # looked at
MOST_FILES = 2_000  # taken: ten times what a server usually allows
MOST_BYTES = 64 << 20  # taken
DEEPEST = 40  # folders in one another
_AGENT_FILES = ("agent.py", "main.py", "app.py", "__main__.py")
_AT_THE_TOP = ("requirements.txt", "pyproject.toml")  # the server looks for them there


class BadProject(ValueError):
    """These files cannot be a project. The message names them and says what to do."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file or folder (with a `/` at its end) that is not sent."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Project:
    """What is sent. `agent_path` is empty where the server is to find the agent's file. `folder`: where it was."""

    bundle: Bundle
    agent_path: str = ""
    left_out: tuple[LeftOut, ...] = ()
    folder: Path | None = None

    @classmethod
    def from_folder(
        cls,
        folder: str | os.PathLike[str],
        agent_path: str = "",
        include: Iterable[str | os.PathLike[str]] = (),
        entrypoint: str = "",
    ) -> Project:
        """All files of a folder that are not ignored, and those in `include` even if they are. `agent_path`: the
        agent's file, relative to the folder. `entrypoint` says whether the folder is a package by itself
        (`folder.agent:run`). Raises BadProject, OSError."""
        root = _absolute(folder)
        wanted = [_named_within(Path(one), root) for one in include]
        walk = _Walk(root, wanted)
        walk.folder(root, ignore.ignored_around(root), frozenset())
        for path in wanted:
            walk.named(path)
        if not walk.files:
            raise BadProject(f"{folder} has no files to send{walk.hint()}")
        if agent_path and agent_path not in walk.files:
            raise BadProject(walk.missing(agent_path))
        return _made(walk, agent_path, entrypoint)

    @classmethod
    def from_files(
        cls,
        agent: str | os.PathLike[str],
        include: Iterable[str | os.PathLike[str]],
        entrypoint: str = "",
    ) -> Project:
        """An agent's file with files and folders beside it. Paths in `include` are relative to the agent's folder, or
        to the current one; what could be either is refused. Raises BadProject, OSError."""
        file = _absolute(agent)
        wanted = [_named(Path(one), file.parent) for one in include]
        tops = [file.parent, *(path if path.is_dir() else path.parent for path in wanted)]
        root = Path(os.path.commonpath(tops))
        if root != file.parent and root == Path(root.anchor):
            raise BadProject(f"{agent} and what goes with it have no folder in common")
        walk = _Walk(root, [file, *wanted])
        for path in (file, *wanted):
            walk.named(path)
        return _made(walk, file.relative_to(root).as_posix(), entrypoint)


def _absolute(path: str | os.PathLike[str]) -> Path:
    """With links as they are, unlike Path.resolve: a link in a project keeps its name."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _named(path: Path, beside: Path) -> Path:
    """What was meant by a path. Never guessed: what lies beside the agent may be what nobody wanted to send."""
    there = dict.fromkeys(_absolute(folder / path) for folder in (Path.cwd(), beside) if (folder / path).exists())
    if not there:
        raise BadProject(f"{path}: there is no such file or folder beside the agent's file, nor here")
    if len({os.path.realpath(one) for one in there}) > 1:
        here, other = there
        raise BadProject(f"{path} could be {here} or {other}: write the whole path of the one that is meant")
    return list(there)[-1]


def _named_within(path: Path, root: Path) -> Path:
    """The same in a folder that is handed in: what lies elsewhere cannot be meant."""
    here = _absolute(path)
    found = _named(path, root) if here.is_relative_to(root) else _absolute(root / path)
    if not found.is_relative_to(root):
        raise BadProject(f"{path} is not in {root}")
    if not found.exists():
        raise BadProject(f"{path}: there is no such file or folder in {root}")
    return found


def _made(walk: _Walk, agent_path: str, entrypoint: str) -> Project:
    files = list(walk.files.values())
    usual = next((one for one in _AGENT_FILES if one in walk.files), "")
    sources = {file.path: file.data for file in files}
    if name := package_to_wrap_in(walk.root.name, sources, agent_path or usual, entrypoint):
        if not agent_path and not entrypoint.startswith(f"{name}."):  # the entry point says it better
            agent_path = usual
        agent_path = agent_path and f"{name}/{agent_path}"
        top = [file for file in files if file.path in _AT_THE_TOP]
        files = [BundleFile(f"{name}/{file.path}", file.data, file.executable) for file in files] + top
    return Project(Bundle.of(files), agent_path, tuple(walk.left_out), walk.root)


@dataclass(slots=True)
class _Walk:
    """Files of one root as they are found."""

    root: Path
    wanted: list[Path]  # sent even if they are ignored
    files: dict[str, BundleFile] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    looked_at: int = 0
    bytes: int = 0
    real: Tree = field(init=False)  # where links lead

    def __post_init__(self) -> None:
        self.real = Tree(Path(os.path.realpath(self.root)), {Path(os.path.realpath(path)) for path in self.wanted})

    def folder(self, folder: Path, around: Ignored, above: frozenset[str], *, linked: bool = False) -> None:
        """Takes what is in a folder. `above`: the real paths of the folders around it, since links can lead back.
        `linked`: a link led here, so that what the ignore files say of the real paths holds, too."""
        real = os.path.realpath(folder)
        if real in above:
            self._leave(folder, "a link that leads back to a folder around it", is_folder=True)
            return
        if len(above) >= DEEPEST:
            raise BadProject(f"{self._shown(folder)}: folders are more than {DEEPEST} deep here")
        rules = around.within(folder)
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            self._look()
            path = folder / entry.name
            is_folder = entry.is_dir()
            why = ignore.always(entry.name) or (self._environment(path) if is_folder else "")
            why = why or self._strange(path, entry) or rules.why(path, is_folder=is_folder)
            if linked and not why:
                why = self.real.why(Path(os.path.realpath(path)))
            if why:
                self._leave(path, why, is_folder=is_folder)
            elif is_folder:
                self.folder(path, rules, above | {real}, linked=linked or entry.is_symlink())
            else:
                self._take(path)

    def named(self, path: Path) -> None:
        """Takes a file or folder that was named: no ignore file leaves it out itself."""
        if path.name.startswith(".env"):
            raise BadProject(f"{path.name}: {ignore.ENVIRONMENT}")
        if path.is_dir():
            linked = os.path.realpath(path) != str(path)
            self.folder(path, ignore.ignored_around(path, self.root), frozenset(), linked=linked)
        elif not path.is_file():
            raise BadProject(f"{path.name} is no file")
        elif path.is_symlink() and (why := self._link(path)):
            raise BadProject(f"{path.name}: {why}")
        else:
            self._take(path)

    def hint(self) -> str:
        return f" (left out: {', '.join(one.path for one in self.left_out[:5])})" if self.left_out else ""

    def missing(self, agent_path: str) -> str:
        why = next((one.why for one in self.left_out if one.path.rstrip("/") == agent_path), "")
        return f"{agent_path} is not among the files to send" + (f": left out by {why}" if why else "")

    def _strange(self, path: Path, entry: os.DirEntry[str]) -> str:
        try:
            entry.name.encode()
        except UnicodeEncodeError:
            return "its name is not UTF-8"
        if entry.is_symlink():
            return self._link(path)
        return "" if entry.is_dir() or entry.is_file() else "neither a file nor a folder"

    def _link(self, path: Path) -> str:
        """Why a link is not followed; empty when it is. What it leads to must itself be something that is sent."""
        target = Path(os.path.realpath(path))
        if not target.exists():
            return "a link to something that is not there"
        root = self.real.root
        if not target.is_relative_to(root):
            return "a link out of the project"
        why = next(filter(None, map(ignore.always, target.relative_to(root).parts)), "") or self.real.why(target)
        return f"a link to something that is not sent ({why})" if why else ""

    def _environment(self, folder: Path) -> str:
        return "a virtual environment" if (folder / "pyvenv.cfg").exists() else ""

    def _look(self) -> None:
        self.looked_at += 1
        if self.looked_at > MOST_ENTRIES:
            raise BadProject(
                f"{self.root} has more than {MOST_ENTRIES:,} entries and is hardly one agent's project: "
                f"name its folder, or leave folders out with .assayignore{self._largest()}"
            )

    def _take(self, path: Path) -> None:
        relative = path.relative_to(self.root).as_posix()
        if relative in self.files:
            return
        about = path.stat()
        if len(self.files) >= MOST_FILES:
            crowds = "; ".join(crowded(self.files.values()))
            raise BadProject(f"more than {MOST_FILES:,} files: leave some out with .assayignore (so far: {crowds})")
        if self.bytes + about.st_size > MOST_BYTES:
            raise BadProject(
                f"more than {MOST_BYTES >> 20} MiB of files, of which {relative} has {about.st_size >> 10:,} KiB: "
                f"leave large ones out with .assayignore, or hand data in with --file{self._largest()}"
            )
        data = read_bytes(path, MOST_BYTES)
        self.bytes += len(data)
        self.files[relative] = BundleFile(relative, data, bool(about.st_mode & stat.S_IXUSR))

    def _largest(self) -> str:
        told = "; ".join(largest(self.files.values()))
        return f" (largest so far: {told})" if told else ""

    def _leave(self, path: Path, why: str, *, is_folder: bool) -> None:
        self.left_out.append(LeftOut(self._shown(path) + ("/" if is_folder else ""), why))

    def _shown(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix().encode(errors="replace").decode()


def largest(files: Iterable[BundleFile], count: int = 5) -> Iterator[str]:
    """The largest files with their sizes, for whoever has to leave some out."""
    for file in sorted(files, key=lambda file: -len(file.data))[:count]:
        yield f"{file.path} {len(file.data) / 1024:,.1f} KiB"


def crowded(files: Iterable[BundleFile], count: int = 5) -> Iterator[str]:
    """The folders at the top with the most files."""
    folders = Counter(f"{file.path.split('/')[0]}/" for file in files if "/" in file.path)
    for folder, number in folders.most_common(count):
        yield f"{folder} {number:,}"
