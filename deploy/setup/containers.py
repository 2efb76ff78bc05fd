"""What tests in real containers need beside the rest: a Docker Engine, a maker of images, an emulator of AWS.

Not part of `make setup`, as only these tests need it. They do these steps themselves when the first of them runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess

from deploy.setup import emulator
from deploy.setup.steps import CommandFailed, Missing, Step
from deploy.setup.system import install, on_path

SYSTEM_SOCKET = "unix:///var/run/docker.sock"
EMULATOR = emulator.FOLDER


def engine_at(host: str) -> str | None:
    """The version of the Docker Engine that answers there; None where none does."""
    client = shutil.which("docker")
    if client is None:
        return None
    words = (client, "--host", host, "version", "--format", "{{.Server.Version}}")
    try:
        asked = subprocess.run(words, capture_output=True, text=True, check=False, timeout=20)
    except subprocess.TimeoutExpired:
        return None
    return asked.stdout.strip() or None if asked.returncode == 0 else None


def running_engine() -> str | None:
    """The address of an engine that is there already: what DOCKER_HOST says, else the system's own."""
    host = os.environ.get("DOCKER_HOST") or SYSTEM_SOCKET
    return host if engine_at(host) else None


def _absent() -> list[str]:
    absent = []
    if not (on_path("dockerd") and shutil.which("docker")) and running_engine() is None:
        absent.append("docker.io")
    if not on_path("mmdebstrap"):
        absent.append("mmdebstrap")
    return absent


def _install_absent() -> str:
    absent = _absent()
    try:
        install(absent)
    except Missing as lack:
        raise Missing(
            f"{' and '.join(absent)} (Debian packages) are missing, and cannot be installed: {lack}"
        ) from lack
    if still := _absent():
        raise CommandFailed(f"{' and '.join(still)} did not come with the package")
    return ", ".join(absent)


STEPS = (
    Step("docker.io and mmdebstrap, by apt-get", lambda: bool(_absent()), _install_absent),
    emulator.STEP,
)
