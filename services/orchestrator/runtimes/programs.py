"""Which programs of this machine an agent finds: those that a small Python image has too, and those of the packages
that its test names.

So what was tested runs as it was tested in its deployment package: a `git` that happened to be here would be missing
there. Programs are copied into the system view (system_view.py); libraries and data stay where they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.orchestrator.runtimes import debian

# What python:3.11-slim-bookworm has beside the packages that every Debian has: apt from Debian's base image, the others
# from the Dockerfile of the slim variant (docker-library/python).
OF_THE_IMAGE: Final = ("apt", "ca-certificates", "netbase", "tzdata")
# Says `required` of itself, which Debian's archive overrides: no base image has it.
NOT_OF_THE_IMAGE: Final = "sensible-utils"

# Where there is no dpkg: what an agent's shell commands need, as coreutils, findutils and their like have it.
_ELSEWHERE: Final = (
    "[ arch awk b2sum base32 base64 basename bash cat chgrp chmod chown cksum clear cmp comm cp cut dash date dd df "
    "diff dir dirname du echo egrep env expand expr factor false fgrep find flock fold getconf getent getopt grep "
    "groups gunzip gzip head hostname iconv id install ionice join ldd link ln locale logger ls md5sum mkdir "
    "mkfifo mktemp more mv nice nl nohup nproc numfmt od openssl paste perl printenv printf pwd readlink "
    "realpath rev rm rmdir sed seq setsid sh sha1sum sha256sum sha512sum shuf sleep sort split stat stdbuf stty sum "
    "sync tac tail tar taskset tee test timeout touch tr true truncate tsort tty uname unexpand uniq unlink users wc "
    "which who whoami xargs yes zcat zgrep"
)
_FOLDERS: Final = ("/usr/bin/", "/usr/sbin/", "/usr/games/", "/usr/libexec/")
_LIBRARIES: Final = ("lib", "lib32", "lib64", "libx32", "share")
_MODULES: Final = "/usr/lib/python3/dist-packages"  # of Debian's own Python programs
_SERVICES: Final = "netbase"  # /etc/services, which socket.getservbyname reads
_LOCAL: Final = "/usr/local/"


class PackagesMissing(Exception):
    """This machine lacks packages that a test names; `args[0]` is their names."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(names)
        self.names = names


@dataclass(frozen=True, slots=True)
class Usr:
    """What is below /usr in a sandbox, and what the packages that a test names have below /etc."""

    files: tuple[str, ...]
    """programs, links between them, and settings, to copy"""
    links: Mapping[str, str]
    """links to make, by where they lie: what each leads to"""
    shared: tuple[str, ...]
    """folders of the machine that are mounted as they are"""
    hidden: tuple[str, ...]
    """folders in them that are empty inside"""


def visible(interpreter: str, wanted: Iterable[str] = ()) -> Usr:
    """What a task finds that runs on this interpreter and names these Debian packages. Raises PackagesMissing."""
    wanted = tuple(wanted)
    machine = debian.read()
    own, settings = set[str](), list[str]()
    if machine is None:
        if wanted:
            raise PackagesMissing(list(wanted))
        files, links = {f"/usr/bin/{name}" for name in _ELSEWHERE.split()}, dict[str, str]()
    else:
        if missing := machine.missing(wanted):
            raise PackagesMissing(missing)
        base = machine.closure([*(name for name in machine.base() if name != NOT_OF_THE_IMAGE), *OF_THE_IMAGE])
        more = [package for package in machine.closure(wanted) if package not in base]
        own = debian.files_of(more)
        settings = debian.unchanged_settings([*more, *(package for package in base if package.name == _SERVICES)])
        files = debian.files_of(base) | own
        links = alternatives_among(files, debian.alternatives())
    python = _chain(debian.merged(interpreter))
    links |= _names_of_python(python[-1])
    shared, more_links = _shared(python, wanted)
    programs = {path for path in files if path.startswith(_FOLDERS)}
    programs |= {path for path in python if path.startswith((*_FOLDERS, _LOCAL))}
    hide = Path(_MODULES).is_dir() and not any(path.startswith(f"{_MODULES}/") for path in own)
    return Usr(
        files=tuple(sorted(path for path in {*programs, *settings} - links.keys() if not os.path.isdir(path))),  # noqa: PTH112
        links=links | more_links,
        shared=shared,
        hidden=(_MODULES,) if hide else (),
    )


def alternatives_among(files: set[str], offered: Iterable[debian.Alternative]) -> dict[str, str]:
    """Links for names that several packages have a program for: each leads to the machine's own choice, or to another
    one where the agent does not have that."""
    links = {}
    for alternative in offered:
        choice = next((path for path in alternative.choices if debian.merged(path) in files), None)
        if choice is not None and alternative.link.startswith(_FOLDERS):
            links[alternative.link] = choice
    return links


def _names_of_python(interpreter: str) -> dict[str, str]:
    """`python` and `python3`, whatever names this machine has for its Python."""
    folder, _, name = interpreter.rpartition("/")
    if f"{folder}/" not in ("/usr/bin/", f"{_LOCAL}bin/"):
        folder, name = f"{_LOCAL}bin", interpreter
    return {f"{folder}/{alias}": name for alias in ("python", "python3") if f"{folder}/{alias}" != interpreter}


def _chain(path: str) -> list[str]:
    """A program, and what it leads to by links."""
    found = [path]
    while os.path.islink(found[-1]) and len(found) < 20:  # noqa: PTH114
        target = os.readlink(found[-1])  # noqa: PTH115
        beside = os.path.join(os.path.dirname(found[-1]), target)  # noqa: PTH118, PTH120
        found.append(debian.merged(os.path.normpath(beside)))
    return found


def _shared(python: Iterable[str], wanted: Iterable[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The folders to mount, and links to make instead of those that have nothing but links in them."""
    names = [*_LIBRARIES, *(["include"] if wanted else [])]  # a compiler that was asked for needs them
    if any(path.startswith(_LOCAL) for path in python):
        names.append("local/lib")
    shared, links = [], dict[str, str]()
    for name in names:
        folder = Path("/usr", name)
        if folder.is_symlink():
            links[str(folder)] = str(folder.readlink())
        elif folder.is_dir():
            inside = list(folder.iterdir())
            if len(inside) < 20 and all(path.is_symlink() for path in inside):
                links |= {str(path): str(path.readlink()) for path in inside}
            else:
                shared.append(str(folder))
    return tuple(shared), links


def stamps() -> Iterator[Path]:
    """What changes with the programs of this machine."""
    yield debian.ADMIN / "status"
    yield from (Path(folder) for folder in ("/usr/bin", "/usr/sbin", "/usr/local/bin"))
