"""The environment in .venv: libraries by hash from requirements.lock, and Assay itself as an editable install."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from pathlib import Path

from deploy.setup.steps import PROJECT, CommandFailed, Missing, Step, command
from deploy.setup.system import install as install_packages

OLDEST_MINOR = 11
VENV = PROJECT / ".venv"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
LOCK = PROJECT / "requirements.lock"
LIBRARIES_STAMP = VENV / ".installed-lock"
PROJECT_STAMP = VENV / ".installed-project"


def _has_environment() -> bool:
    return PYTHON.exists() and _new_enough() and (UV.exists() or _has_pip())


def _new_enough() -> bool:
    written = re.search(r"^version\w* = 3\.(\d+)", (VENV / "pyvenv.cfg").read_text("utf-8"), re.MULTILINE)
    return written is not None and int(written.group(1)) >= OLDEST_MINOR


def _has_pip() -> bool:
    return any(VENV.glob("lib/python3*/site-packages/pip/__main__.py"))


def _make_environment() -> str:
    if VENV.exists():
        shutil.rmtree(VENV)  # half made: whatever is in it can be had again
    make = (_base_python(), "-m", "venv", str(VENV))
    try:
        command(*make)
    except CommandFailed:
        # Debian keeps what venv needs in a package of its own.
        shutil.rmtree(VENV, ignore_errors=True)
        name = f"python3.{sys.version_info.minor}-venv" if shutil.which("apt-get") else "venv"
        try:
            install_packages([name])
        except Missing as lack:
            raise Missing(f"as root: apt-get install {name}    # makes Python environments") from lack
        command(*make)
    return f"Python {sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro} in .venv"


def _base_python() -> str:
    return getattr(sys, "_base_executable", None) or sys.executable


def _libraries_wanted() -> str:
    return hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()


def _install_libraries() -> str:
    LIBRARIES_STAMP.unlink(missing_ok=True)
    if not UV.exists():
        _install_uv()
    install_locked(LOCK, "--python", str(PYTHON))
    LIBRARIES_STAMP.write_text(_libraries_wanted(), "utf-8")
    return f"{LOCK.read_text('utf-8').count('==')} locked, from requirements.lock"


def install_locked(lock: Path, *options: str) -> None:
    """Installs exactly what the file lists, each artifact by its hash."""
    # The lock has all there is; what the environment says about other sources must not add to it.
    command(str(UV), "pip", "install", "--require-hashes", "--no-deps", *options, "-r", str(lock))


def _install_uv() -> None:
    block = re.search(r"^uv==(?:.*\\\n)*.*\n", LOCK.read_text("utf-8"), re.MULTILINE)
    if block is None:
        raise CommandFailed("requirements.lock does not list uv")
    only_uv = VENV / "uv.lock"
    only_uv.write_text(block.group(), "utf-8")
    pip = (str(PYTHON), "-m", "pip", "install", "--quiet", "--no-input", "--require-hashes", "--no-deps")
    command(*pip, "-r", str(only_uv), env={"PIP_DISABLE_PIP_VERSION_CHECK": "1"})


def _project_wanted() -> str:
    return hashlib.sha256((PROJECT / "pyproject.toml").read_bytes() + os.fsencode(PROJECT)).hexdigest()


def _install_project() -> str:
    PROJECT_STAMP.unlink(missing_ok=True)
    # Without isolation the build takes hatchling from .venv, so that it works without a network.
    command(str(UV), "pip", "install", "--python", str(PYTHON), "--no-deps", "--no-build-isolation", "-e", ".")
    PROJECT_STAMP.write_text(_project_wanted(), "utf-8")
    return "`.venv/bin/assay` runs this checkout"


def _differs(stamp: Path, wanted: str) -> bool:
    return not stamp.exists() or stamp.read_text("utf-8") != wanted


ENVIRONMENT = Step("python environment", lambda: not _has_environment(), _make_environment, others_need_it=True)
LIBRARIES = Step(
    "libraries", lambda: not UV.exists() or _differs(LIBRARIES_STAMP, _libraries_wanted()), _install_libraries
)
ASSAY = Step(
    "assay",
    lambda: not (VENV / "bin" / "assay").exists() or _differs(PROJECT_STAMP, _project_wanted()),
    _install_project,
)
