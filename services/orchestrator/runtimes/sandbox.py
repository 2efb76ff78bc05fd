"""The command line of the sandbox: what a task sees and what it may do, as bubblewrap arguments.

Pure text from values. Limits on memory and processes are elsewhere (cgroups.py), and so is the user outside
(forkserver/becoming.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

INSIDE_UID: Final = 1000
HARNESS_FOLDER: Final = "/assay"
ENVIRONMENT: Final = "/env"
CACHE: Final = "/cache"
TOOLS: Final = "/assay/bin"
CA_BUNDLE: Final = "/etc/ssl/certs/ca-certificates.crt"
STATUS_FD: Final = 4  # forkserver/becoming.py puts the status file there
RESULT_FD: Final = 3
CONTENTS_FD: Final = 8
FILTER_FD: Final = 9

_WRITABLE: Final = ("/dev/shm", "/tmp", "/work")  # noqa: S108 - private to each sandbox

EMPTY: Final = "/work"
"""A folder of the system view with nothing in it."""
MOUNT_POINTS: Final = ("usr", "proc", "dev", "tmp", "work", "env", "cache", "assay/bin", "etc/ssl/certs")
"""Folders that the system view must have, because nothing can be made in it once it is mounted read-only."""


@dataclass(frozen=True, slots=True)
class Room:
    """What one task finds in its sandbox besides the system."""

    view: Path
    """folder with the root of the sandbox (system_view.py)"""
    memory_mib: int
    network: bool
    shared: tuple[str, ...] = ("/usr",)
    """folders of the host that are mounted where they are"""
    hidden: tuple[str, ...] = ()
    """folders in those that are empty inside"""
    environment: Path | None = None
    environment_writable: bool = False
    cache: Path | None = None
    tools: Path | None = None
    """folder with `uv`"""
    ptys: Path | None = None
    """where a devpts with a limit is mounted; None: bubblewrap's own, which has none"""
    filtered: bool = False
    """whether a filter of system calls is handed over"""


def command(bwrap: str, room: Room, program: list[str]) -> list[str]:
    """The line that runs `program` as process 1 of a sandbox.

    Without --die-with-parent, for a task outlives the orchestrator."""
    # What is written there counts against the memory limit anyway; the size is the bound without cgroups.
    size = str(room.memory_mib << 20)
    line = [bwrap, "--unshare-user", "--disable-userns", "--uid", str(INSIDE_UID), "--gid", str(INSIDE_UID)]
    line += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "agent"]
    if not room.network:
        line.append("--unshare-net")
    line += ["--ro-bind", str(room.view), "/"]
    for folder in room.shared:
        line += ["--ro-bind", folder, folder]
    for folder in room.hidden:
        line += ["--ro-bind", f"{room.view}{EMPTY}", folder]
    line += ["--proc", "/proc", "--dev", "/dev"]
    if room.ptys:
        line += ["--dev-bind", str(room.ptys), "/dev/pts"]
    for folder in _WRITABLE:
        line += ["--size", size, "--tmpfs", folder]
    line += ["--remount-ro", "/dev"]  # bubblewrap makes it a writable place without a bound
    if room.environment:
        line += ["--bind" if room.environment_writable else "--ro-bind", str(room.environment), ENVIRONMENT]
    if room.cache:
        line += ["--bind", str(room.cache), CACHE]
    if room.tools:
        line += ["--ro-bind", str(room.tools), TOOLS]
    line += ["--chdir", "/work", "--cap-drop", "ALL", "--new-session", "--as-pid-1"]
    if room.filtered:
        line += ["--seccomp", str(FILTER_FD)]
    return [*line, "--json-status-fd", str(STATUS_FD), "--", *program]


def variables(*, build: bool) -> dict[str, str]:
    """The environment of bubblewrap itself and so of everything inside: nothing of the host's."""
    values = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/work",
        "LANG": "C.UTF-8",
        "SSL_CERT_FILE": CA_BUNDLE,
        "REQUESTS_CA_BUNDLE": CA_BUNDLE,
        "CURL_CA_BUNDLE": CA_BUNDLE,
    }
    if build:
        values |= {
            "PATH": f"{TOOLS}:{values['PATH']}",
            "PIP_CERT": CA_BUNDLE,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_CACHE_DIR": CACHE,
            "UV_LINK_MODE": "copy",  # the cache is another mount, and an environment must not share files with it
            "UV_NO_CONFIG": "1",
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "NO_COLOR": "1",
        }
    return values
