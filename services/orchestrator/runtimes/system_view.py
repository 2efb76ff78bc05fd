"""The root of every sandbox: a folder of a few links and copies that is mounted read-only in one piece.

One mount instead of a dozen saves a millisecond a task. The folder is named by its content, so running tasks
keep theirs when the harness or the host's name servers change. /usr is not in it: it is mounted from the
host.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from services.orchestrator.runtimes.sandbox import CA_BUNDLE, HARNESS_FOLDER, INSIDE_UID, MOUNT_POINTS

HARNESS: Final = Path(__file__).parent.parent / "harness" / "test_runner.py"

_MERGED: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_FROM_HOST: Final = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ld.so.cache", "/etc/ssl/openssl.cnf")
_CA_BUNDLES: Final = (
    CA_BUNDLE,  # Debian, Ubuntu, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # Alpine
)
_COMPILE: Final = "import py_compile, sys; py_compile.compile(sys.argv[1], sys.argv[2], sys.argv[3], doraise=True)"


class SystemView:
    """Keeps the folder current: asked for at every launch, made anew only when something in it changed."""

    def __init__(self, parent: Path, environ: Mapping[str, str], *, interpreter: str) -> None:
        self._parent = parent
        self._interpreter = interpreter
        self._sources = [*map(Path, _FROM_HOST), HARNESS]
        bundles = (environ.get("SSL_CERT_FILE"), *_CA_BUNDLES)
        self._ca = next((Path(path) for path in bundles if path and Path(path).is_file()), None)
        if self._ca:
            self._sources.append(self._ca)
        self._seen: list[tuple[int, int] | None] = []
        self._current = parent

    @property
    def harness(self) -> str:
        """Where the harness lies inside: compiled, because compiling it would cost each task more than running it."""
        compiled = f"{HARNESS_FOLDER}/test_runner.pyc"
        return compiled if (self._current / compiled[1:]).exists() else f"{HARNESS_FOLDER}/test_runner.py"

    def current(self) -> Path:
        """The folder to mount."""
        stamps = [_stamp(path) for path in self._sources]
        if stamps != self._seen or not self._current.exists():
            self._current = self._made(self._contents())
            self._seen = stamps
        return self._current

    def _contents(self) -> dict[str, bytes]:
        files = {path: Path(path).read_bytes() for path in _FROM_HOST if Path(path).is_file()}
        if self._ca:
            files[CA_BUNDLE] = self._ca.read_bytes()
        files[f"{HARNESS_FOLDER}/test_runner.py"] = HARNESS.read_bytes()
        user = f"agent:x:{INSIDE_UID}:{INSIDE_UID}::/work:/bin/sh\n"
        files["/etc/passwd"] = f"{user}nobody:x:65534:65534::/:/bin/false\n".encode()
        files["/etc/group"] = f"agent:x:{INSIDE_UID}:\nnogroup:x:65534:\n".encode()
        return files

    def _made(self, files: Mapping[str, bytes]) -> Path:
        digest = hashlib.sha256()
        for path, content in sorted(files.items()):
            digest.update(f"{path}\0{len(content)}\0".encode() + content)
        target = self._parent / digest.hexdigest()[:16]
        if target.exists():
            return target
        staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=self._parent))
        staging.chmod(0o755)
        for folder in MOUNT_POINTS:
            (staging / folder).mkdir(parents=True, exist_ok=True)
        for name in _MERGED:
            if Path("/", name).is_symlink():
                (staging / name).symlink_to(Path("/", name).readlink())
        if Path("/etc/alternatives").is_dir():  # /usr/bin/cc and others lead through it
            shutil.copytree("/etc/alternatives", staging / "etc/alternatives", symlinks=True)
        for path, content in files.items():
            (staging / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            (staging / path[1:]).write_bytes(content)
        harness = staging / HARNESS_FOLDER[1:] / HARNESS.name
        # Compiled by the interpreter that will run it. Where that fails the source is run instead.
        names = [str(harness), f"{harness}c", f"{HARNESS_FOLDER}/{HARNESS.name}"]
        subprocess.run(
            [self._interpreter, "-S", "-I", "-c", _COMPILE, *names], check=False, capture_output=True, timeout=60
        )
        try:
            staging.rename(target)
        except OSError:  # somebody else made the same
            shutil.rmtree(staging)
        return target


def _stamp(path: Path) -> tuple[int, int] | None:
    """What tells that a file changed."""
    try:
        facts = os.stat(path)  # noqa: PTH116 - asked a dozen times a launch
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size
