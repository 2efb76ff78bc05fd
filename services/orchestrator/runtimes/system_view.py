"""The root of every sandbox: a folder of links and copies that is mounted read-only in one piece.

One mount instead of a dozen saves a millisecond a task. The folder is named by its content, so running tasks
keep theirs when the harness, the host's name servers or its programs change. It has the programs that a task may
see (programs.py); libraries and data below /usr are mounted from the host. A program lies on the disk once, however
many folders have it (copies.py): anybody may name another set of packages.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.orchestrator.runtimes import programs
from services.orchestrator.runtimes.copies import Copies
from services.orchestrator.runtimes.sandbox import CA_BUNDLE, HARNESS_FOLDER, INSIDE_UID, MOUNT_POINTS

HARNESS: Final = Path(__file__).parent.parent / "harness" / "test_runner.py"
HARNESS_REST: Final = HARNESS.with_name("test_runner_rest.py")
"""What few tests need: the harness loads it from beside itself."""
PYTHON_FOLDER: Final = f"{HARNESS_FOLDER}/python"
"""`python` and `python3`, for the PATH of tasks without a sandbox."""

_MERGED: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_RESOLV_CONF: Final = "/etc/resolv.conf"
_FROM_HOST: Final = (_RESOLV_CONF, "/etc/hosts", "/etc/nsswitch.conf", "/etc/ld.so.cache", "/etc/ssl/openssl.cnf")
_CA_BUNDLES: Final = (
    CA_BUNDLE,  # Debian, Ubuntu, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # Alpine
)
_MOST_REMEMBERED: Final = 1000
_COMPILE: Final = """\
import py_compile, sys
for path, name in zip(sys.argv[1::2], sys.argv[2::2]):
    py_compile.compile(path, path + "c", name, doraise=True, optimize=2)  # without docstrings, which cost time to read
"""


@dataclass(frozen=True, slots=True)
class View:
    """One such folder, and what belongs to it."""

    folder: Path
    harness: str
    """where the harness lies inside: compiled, because compiling it would cost each task more than running it"""
    shared: tuple[str, ...]
    """folders of the host that are mounted where they are"""
    hidden: tuple[str, ...]
    """folders in those that are empty inside"""


class SystemView:
    """Keeps the folders current: asked for at every launch, made anew only when something in them changed."""

    def __init__(self, parent: Path, environ: Mapping[str, str], *, interpreter: str) -> None:
        self._parent = parent
        self.copies = Copies(parent.with_name("programs"))
        self._interpreter = interpreter
        bundles = (environ.get("SSL_CERT_FILE"), *_CA_BUNDLES)
        self._ca = next((Path(path) for path in bundles if path and Path(path).is_file()), None)
        self._sources = [*map(Path, _FROM_HOST), HARNESS, HARNESS_REST, *programs.stamps(), Path(interpreter)]
        if self._ca:
            self._sources.append(self._ca)
        self._seen: list[tuple[int, int] | None] = []
        self._name_server = ""
        self._views: dict[tuple[str, ...], View] = {}

    def ask_names_at(self, server: str) -> None:
        """Views that are made from now on have tests ask there for names, not where the host asks."""
        self._name_server = server
        self._seen, self._views = [], {}

    def ready(self, packages: tuple[str, ...] = ()) -> View | None:
        """The one with the programs of these Debian packages, if it is there and current: quick."""
        if [_stamp(path) for path in self._sources] != self._seen:
            return None
        view = self._views.get(packages)
        if view is None or not view.folder.exists():
            return None
        if packages:
            with contextlib.suppress(OSError):
                os.utime(view.folder)  # what is used is not removed (pruning.py)
        return view

    def current(self, packages: tuple[str, ...] = ()) -> View:
        """The same, made if need be: that reads dpkg's database and copies 30 MB. Raises PackagesMissing."""
        view = self.ready(packages)
        if view is None:
            stamps = [_stamp(path) for path in self._sources]
            if stamps != self._seen or len(self._views) > _MOST_REMEMBERED:
                self._views, self._seen = {}, stamps
            view = self._views[packages] = self._made(self._contents(), programs.visible(self._interpreter, packages))
        return view

    def _contents(self) -> dict[str, bytes]:
        files = {path: Path(path).read_bytes() for path in _FROM_HOST if Path(path).is_file()}
        if self._name_server:
            files[_RESOLV_CONF] = resolv_conf(
                files.get(_RESOLV_CONF, b"").decode("utf-8", "replace"), self._name_server
            )
        if self._ca:
            files[CA_BUNDLE] = self._ca.read_bytes()
        for path in (HARNESS, HARNESS_REST):
            files[f"{HARNESS_FOLDER}/{path.name}"] = path.read_bytes()
        user = f"agent:x:{INSIDE_UID}:{INSIDE_UID}::/work:/bin/sh\n"
        files["/etc/passwd"] = f"{user}nobody:x:65534:65534::/:/bin/false\n".encode()
        files["/etc/group"] = f"agent:x:{INSIDE_UID}:\nnogroup:x:65534:\n".encode()
        return files

    def _made(self, files: Mapping[str, bytes], usr: programs.Usr) -> View:
        target = self._parent / _name(files, usr)
        if not target.exists():
            staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=self._parent))
            staging.chmod(0o755)
            self._fill(staging, files, usr)
            try:
                staging.rename(target)
            except OSError:  # somebody else made the same
                shutil.rmtree(staging)
        compiled = f"{HARNESS_FOLDER}/{HARNESS.name}c"
        harness = compiled if (target / compiled[1:]).exists() else f"{HARNESS_FOLDER}/{HARNESS.name}"
        return View(target, harness, usr.shared, usr.hidden)

    def _fill(self, folder: Path, files: Mapping[str, bytes], usr: programs.Usr) -> None:
        for place in (*MOUNT_POINTS, *(path[1:] for path in usr.shared), "usr/local/bin", PYTHON_FOLDER[1:]):
            (folder / place).mkdir(parents=True, exist_ok=True)
        for name in _MERGED:
            if Path("/", name).is_symlink():
                (folder / name).symlink_to(Path("/", name).readlink())
        if Path("/etc/alternatives").is_dir():  # /usr/bin/cc and others lead through it where packages are built
            shutil.copytree("/etc/alternatives", folder / "etc/alternatives", symlinks=True)
        for path, content in files.items():
            (folder / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            (folder / path[1:]).write_bytes(content)
        for path in usr.files:
            self.copies.link(path, folder / path[1:])
        links = {**usr.links, **{f"{PYTHON_FOLDER}/{name}": self._interpreter for name in ("python", "python3")}}
        for path, leads_to in links.items():
            (folder / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            (folder / path[1:]).symlink_to(leads_to)
        # Compiled by the interpreter that will run it. Where that fails the source is run instead.
        inside = [f"{HARNESS_FOLDER}/{path.name}" for path in (HARNESS_REST, HARNESS)]
        names = [name for path in inside for name in (f"{folder}{path}", path)]
        subprocess.run(
            [self._interpreter, "-S", "-I", "-c", _COMPILE, *names], check=False, capture_output=True, timeout=60
        )


def resolv_conf(of_host: str, name_server: str) -> bytes:
    """What the host's says of names, with another server to ask."""
    kept = [line for line in of_host.splitlines() if line.split()[:1] in (["search"], ["domain"], ["options"])]
    return "\n".join([f"nameserver {name_server}", *kept, ""]).encode()


def _name(files: Mapping[str, bytes], usr: programs.Usr) -> str:
    """The name of the folder with this content. Programs count by size and time: they are many and large."""
    digest = hashlib.sha256()
    for path, content in sorted(files.items()):
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    for line in _lines(usr):
        digest.update(line.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()[:16]


def _lines(usr: programs.Usr) -> Iterator[str]:
    yield from usr.shared
    yield from (f"{path} -> {leads_to}" for path, leads_to in sorted(usr.links.items()))
    for path in usr.files:
        with contextlib.suppress(OSError):
            facts = os.lstat(path)
            yield f"{path} {facts.st_mode} {facts.st_size} {facts.st_mtime_ns}"


def _stamp(path: Path) -> tuple[int, int] | None:
    """What tells that a file changed."""
    try:
        facts = os.stat(path)  # noqa: PTH116 - asked a dozen times a launch
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size
