"""Which files of a folder are not part of a project: by .gitignore and .assayignore, and some always.

Owns the rules; walking the folder is project.py's.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from assay.gitignore import Pattern, patterns, verdict

_FILES = (".gitignore", ".assayignore")  # of one folder; the later one has the last word

_CACHE = "made anew by its tool"
_VERSIONS = "version control"
_EDITOR = "settings of an editor"
_CREDENTIALS = "credentials of this machine"
_ALWAYS = {
    **dict.fromkeys((".git", ".hg", ".svn", ".bzr", ".gitignore", ".gitattributes", ".gitmodules"), _VERSIONS),
    **dict.fromkeys(("__pycache__", "*.pyc", "*.pyo", "*.egg-info", "*.dist-info", "__pypackages__"), _CACHE),
    **dict.fromkeys((".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".tox", ".nox", ".eggs"), _CACHE),
    **dict.fromkeys((".cache", "node_modules"), _CACHE),
    **dict.fromkeys((".coverage", "htmlcov", ".ipynb_checkpoints", ".terraform"), _CACHE),
    **dict.fromkeys((".venv", "venv"), "a virtual environment"),
    **dict.fromkeys((".idea", ".vscode", ".vs", ".fleet", ".zed", "*.swp", "*.swo", "*~", ".#*"), _EDITOR),
    **dict.fromkeys((".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX", "._*"), "written by the system"),
    **dict.fromkeys((".aws", ".ssh", ".gnupg", ".netrc", ".pypirc", ".npmrc", ".kube", ".docker"), _CREDENTIALS),
    ".assay": "data of Assay",
    ".assayignore": "says what is left out",
}
_EXACT = {name: why for name, why in _ALWAYS.items() if "*" not in name}
_PATTERNS = tuple((name, why) for name, why in _ALWAYS.items() if "*" in name)
ENVIRONMENT = "environment variables are not sent as a file: --env-file hands their values to the agent"


def always(name: str) -> str:
    """Why an entry of this name is never sent; empty when it may be."""
    if name.startswith(".env") or name.endswith(".env"):
        return ENVIRONMENT
    if why := _EXACT.get(name):
        return why
    return next((why for pattern, why in _PATTERNS if fnmatch.fnmatchcase(name, pattern)), "")


@dataclass(frozen=True, slots=True)
class _Rules:
    folder: Path
    patterns: tuple[Pattern, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """The ignore files that hold in one folder, its own ones last."""

    rules: tuple[_Rules, ...] = ()

    def within(self, folder: Path) -> Ignored:
        """What holds in this folder, which lies in the one that these rules are of."""
        own = _rules_of(folder, [folder / name for name in _FILES])
        return Ignored((*self.rules, own)) if own else self

    def why(self, path: Path, *, is_folder: bool) -> str:
        """Which file says that this entry is not wanted; empty when none does. The last word is the nearest one's."""
        for rules in reversed(self.rules):
            said = verdict(rules.patterns, path.relative_to(rules.folder).as_posix(), is_folder=is_folder)
            if said is not None:
                return rules.source if said else ""
        return ""


@dataclass(slots=True)
class Tree:
    """What the ignore files say of anything under `root`, wherever one comes from: of what links lead to. `named`:
    files and folders that are wanted all the same. Paths are without links in them."""

    root: Path
    named: set[Path] = field(default_factory=set)
    _known: dict[Path, tuple[Ignored, str]] = field(default_factory=dict)

    def why(self, path: Path) -> str:
        """Why this entry is not sent, or a folder around it; empty when it may be."""
        if path == self.root or path in self.named:
            return ""
        rules, why = self._within(path.parent)
        return why or always(path.name) or rules.why(path, is_folder=path.is_dir())

    def _within(self, folder: Path) -> tuple[Ignored, str]:
        if folder not in self._known:
            if folder == self.root or folder in self.named or folder == folder.parent:
                self._known[folder] = ignored_around(folder, self.root).within(folder), ""
            else:
                self._known[folder] = self._within(folder.parent)[0].within(folder), self.why(folder)
        return self._known[folder]


def ignored_around(folder: Path, root: Path | None = None) -> Ignored:
    """The rules that the repository (and the project at `root`) around a folder has for what is in it, none of the
    folder's own. The folder was named, so that those which would leave it out itself do not hold in it."""
    found = Ignored()
    above = _above(folder, root)
    if above and (exclude := _rules_of(above[0], [above[0] / ".git" / "info" / "exclude"])):
        found = Ignored((exclude,))
    for parent, child in pairwise([*above, folder]):
        found = found.within(parent)
        if found.why(child, is_folder=True):
            found = Ignored()
    return found


def _above(folder: Path, root: Path | None) -> list[Path]:
    """The folders above this one that have a say, the outermost first."""
    if (folder / ".git").exists():
        return []
    above = list(folder.parents)
    tops = [number for number, parent in enumerate(above) if parent == root or (parent / ".git").exists()]
    repository = next((number for number in tops if above[number] != root), -1)
    project = above.index(root) if root in above else -1
    return above[: max(repository, project) + 1][::-1]


def _rules_of(folder: Path, files: list[Path]) -> _Rules | None:
    lines: list[str] = []
    names: list[str] = []
    for file in files:
        try:
            lines += file.read_text(encoding="utf-8-sig", errors="replace").split("\n")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            continue
        names.append(file.name)
    return _Rules(folder, found, " and ".join(names)) if (found := patterns(lines)) else None
