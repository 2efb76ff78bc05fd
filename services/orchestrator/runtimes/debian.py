"""Which Debian packages this machine has, what they depend on, and which files are theirs: read from dpkg's own
database, without a process.

Knows nothing of sandboxes. deb-control(5), dpkg(1) "FILES", update-alternatives(1) "FILES".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

ADMIN: Final = Path("/var/lib/dpkg")

_NAME: Final = re.compile(r"\s*([a-z0-9][a-z0-9+.-]*)")
_MERGED: Final = ("/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/", "/libx32/")


class Package(NamedTuple):
    """One installed package."""

    name: str
    architecture: str
    base: bool
    """whether every Debian system has it: essential, or of the priority `required`"""
    depends: tuple[tuple[str, ...], ...]
    """what it needs: of each group one"""
    provides: tuple[str, ...]
    settings: tuple[tuple[str, str], ...] = ()
    """its files below /etc, each with the MD5 that it was shipped with"""


class Alternative(NamedTuple):
    """A name that several packages offer a program for."""

    link: str
    """where programs look for it, such as /usr/bin/awk"""
    choices: tuple[str, ...]
    """what it can lead to, the one that it leads to first"""


@dataclass(frozen=True, slots=True)
class Packages:
    """The installed packages."""

    by_name: Mapping[str, Package]
    providers: Mapping[str, tuple[str, ...]]
    """who provides a name, real packages included"""

    def missing(self, wanted: Iterable[str]) -> list[str]:
        """What of this is not installed."""
        return [name for name in wanted if name not in self.providers]

    def base(self) -> list[str]:
        """What every Debian system has."""
        return [package.name for package in self.by_name.values() if package.base]

    def closure(self, wanted: Iterable[str]) -> list[Package]:
        """These packages and all that they depend on, as `apt-get install --no-install-recommends` would bring them."""
        found: dict[str, Package] = {}
        waiting = [name for name in wanted if name in self.providers]
        while waiting:
            name = self._real(waiting.pop())
            if name in found:
                continue
            package = found[name] = self.by_name[name]
            for group in package.depends:
                present = next((choice for choice in group if choice in self.providers), None)
                if present is not None:
                    waiting.append(present)
        return list(found.values())

    def _real(self, name: str) -> str:
        return name if name in self.by_name else self.providers[name][0]


def installed(status: str) -> Packages:
    """What dpkg's status file says is installed."""
    by_name: dict[str, Package] = {}
    for paragraph in status.split("\n\n"):
        fields = _fields(paragraph)
        if fields.get("Status", "").endswith(" installed") and fields.get("Package"):
            package = _package(fields)
            by_name.setdefault(package.name, package)  # of several architectures the first, which is the machine's own
    providers: dict[str, tuple[str, ...]] = {name: (name,) for name in by_name}
    for package in by_name.values():
        for name in package.provides:
            providers[name] = (*providers.get(name, ()), package.name)
    return Packages(by_name, providers)


def read(admin: Path = ADMIN) -> Packages | None:
    """The packages of this machine; None where it is not a Debian."""
    try:
        return installed((admin / "status").read_text("utf-8", "replace"))
    except OSError:
        return None


def files_of(packages: Iterable[Package], admin: Path = ADMIN) -> set[str]:
    """All files of these packages, as they are found where /bin and /lib are links into /usr."""
    found: set[str] = set()
    for package in packages:
        for name in (package.name, f"{package.name}:{package.architecture}"):
            try:
                lines = (admin / "info" / f"{name}.list").read_text("utf-8", "replace").splitlines()
            except OSError:
                continue
            found.update(map(merged, lines))
    return found


def unchanged_settings(packages: Iterable[Package]) -> list[str]:
    """Their files below /etc that are as they were shipped: what somebody has changed may hold a password."""
    found = []
    for package in packages:
        for path, shipped in package.settings:
            try:
                content = Path(path).read_bytes()
            except OSError:
                continue
            if hashlib.md5(content, usedforsecurity=False).hexdigest() == shipped:  # deb-md5sums has no other
                found.append(path)
    return found


def merged(path: str) -> str:
    """Where a file lies for whom /bin, /sbin and /lib are links into /usr."""
    return f"/usr{path}" if path.startswith(_MERGED) else path


def alternatives(admin: Path = ADMIN) -> Iterator[Alternative]:
    """Every name with several programs for it, such as `awk`, with those that belong to it (`nawk`)."""
    try:
        names = sorted(path.name for path in (admin / "alternatives").iterdir())
    except OSError:
        return
    for name in names:
        try:
            text = (admin / "alternatives" / name).read_text("utf-8", "replace")
            current = str(Path("/etc/alternatives", name).readlink())
        except OSError:
            continue
        yield from read_alternative(text, current)


def read_alternative(text: str, current: str) -> list[Alternative]:
    """One file of update-alternatives: status, link, pairs of name and link, an empty line; then each choice with its
    priority and what the names lead to with it."""
    lines = iter(text.splitlines())
    next(lines, "")
    links = [next(lines, "")]
    for name in lines:
        if not name:
            break
        links.append(next(lines, ""))
    choices: list[list[str]] = []
    for path in lines:
        if not path:
            break
        next(lines, "")  # its priority
        choices.append([path, *(next(lines, "") for _ in links[1:])])
    choices.sort(key=lambda choice: choice[0] != current)
    return [
        Alternative(link, tuple(choice[place] for choice in choices if choice[place]))
        for place, link in enumerate(links)
        if link
    ]


def _package(fields: Mapping[str, str]) -> Package:
    base = fields.get("Essential") == "yes" or fields.get("Priority") == "required"
    needs = ", ".join(fields[name] for name in ("Pre-Depends", "Depends") if fields.get(name))
    groups = (tuple(_names(group.split("|"))) for group in needs.split(",") if group.strip())
    provides = tuple(_names(fields.get("Provides", "").split(",")))
    settings = tuple(
        (words[0], words[1]) for line in fields.get("Conffiles", "").splitlines() if len(words := line.split()) == 2
    )
    return Package(fields["Package"], fields.get("Architecture", ""), base, tuple(groups), provides, settings)


def _names(terms: Iterable[str]) -> Iterator[str]:
    """The names in terms such as ` libc6:any (>= 2.36)`."""
    for term in terms:
        if found := _NAME.match(term):
            yield found[1]


def _fields(paragraph: str) -> dict[str, str]:
    """The fields of a paragraph, each with the lines that go on with it."""
    fields: dict[str, str] = {}
    last = ""
    for line in paragraph.splitlines():
        if line.startswith((" ", "\t")):
            if last == "Conffiles":  # of the others the first line is enough
                fields[last] += f"\n{line}"
            continue
        last, colon, value = line.partition(":")
        if colon:
            fields[last] = value.strip()
    return fields
