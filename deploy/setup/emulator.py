"""The emulator of AWS for local mode's packages and for tests, from PyPI into .tools; ASSAY_AWS_BUCKET comes before it.

A tool with libraries of its own and never a dependency of the services.
"""

from __future__ import annotations

import shutil

from deploy.setup.python import UV, install_locked
from deploy.setup.steps import PROJECT, TOOLS, Step, command

LOCK = PROJECT / "deploy" / "setup" / "emulator.lock"
FOLDER = TOOLS / "emulator"
INSTALLED = FOLDER / ".installed"


def _needed() -> bool:
    return not (INSTALLED.exists() and INSTALLED.read_bytes() == LOCK.read_bytes())


def _install() -> str:
    shutil.rmtree(FOLDER, ignore_errors=True)
    command(str(UV), "venv", "--quiet", str(FOLDER))
    install_locked(LOCK, "--python", str(FOLDER / "bin" / "python"))
    INSTALLED.write_bytes(LOCK.read_bytes())
    return "ministack in .tools/emulator"


STEP = Step("emulator of AWS", _needed, _install)
