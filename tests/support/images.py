"""The images that tests run: a base made of Debian packages, as no registry need be reachable, and the runner on it.

Both are named after what they are made of, so that they are made once and again when something changes.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from deploy.setup.steps import PROJECT
from tests.support.docker_engine import DockerEngine, NoContainers, Say

SUITE = "bookworm"
PACKAGES = "python3,python3-pip,python3-venv,ca-certificates"
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
DOCKERFILE = PROJECT / "deploy" / "docker" / "runner.Dockerfile"
MADE_OF = (
    DOCKERFILE,
    PROJECT / "requirements.lock",
    PROJECT / "services/orchestrator/harness/test_runner.py",
    PROJECT / "services/orchestrator/harness/test_runner_rest.py",
)
BASE, RUNNER = "assay-test-base", "assay-test-runner"


def runner_image(engine: DockerEngine, say: Say) -> str:
    """The name of the runner image, built from deploy/docker/runner.Dockerfile. Raises NoContainers."""
    base = base_image(engine, say)
    name = f"{RUNNER}:{_digest(base.encode(), *(path.read_bytes() for path in MADE_OF))}"
    if not engine.has_image(name):
        begun = time.monotonic()
        _build(engine, base, name)
        _forget_others(engine, RUNNER, name)
        say(f"containers for tests: the runner image is built ({time.monotonic() - begun:.1f} s)")
    return name


def base_image(engine: DockerEngine, say: Say) -> str:
    """The name of an image with Python, pip and the certificates that this machine trusts. Raises NoContainers."""
    bundle = CA_BUNDLE.read_bytes() if CA_BUNDLE.exists() else b""
    name = f"{BASE}:{_digest(SUITE.encode(), PACKAGES.encode(), bundle)}"
    if not engine.has_image(name):
        begun = time.monotonic()
        say("containers for tests: making a base image of Debian packages, once (20 to 60 s) ...")
        _bootstrap(engine, name, trusting=bool(bundle))
        _forget_others(engine, BASE, name)
        say(f"containers for tests: the base image is made ({time.monotonic() - begun:.1f} s)")
    return name


def _bootstrap(engine: DockerEngine, name: str, *, trusting: bool) -> None:
    mmdebstrap = shutil.which("mmdebstrap")
    if mmdebstrap is None:
        raise NoContainers("mmdebstrap is not installed (Debian package), and no registry is asked for a base image")
    # A machine may reach the package index through something that signs with an authority of its own.
    certificates = [f"--customize-hook=upload {CA_BUNDLE} {CA_BUNDLE}"] if trusting else []
    variables = [f"--change=ENV {name}={CA_BUNDLE}" for name in ("SSL_CERT_FILE", "PIP_CERT")] if trusting else []
    with tempfile.TemporaryDirectory(prefix="assay-base-") as folder:
        made = Path(folder) / "base.tar"
        done = subprocess.run(
            [mmdebstrap, "--variant=minbase", f"--include={PACKAGES}", *certificates, SUITE, str(made)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if done.returncode != 0:
            raise NoContainers(f"mmdebstrap made no base image: {done.stderr[-600:]}")
        engine.run("import", *variables, str(made), name)


def _build(engine: DockerEngine, base: str, name: str) -> None:
    # The builder gets what the Dockerfile copies and nothing else.
    with tempfile.TemporaryDirectory(prefix="assay-runner-") as folder:
        for path in MADE_OF:
            target = Path(folder) / path.relative_to(PROJECT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        # Made of what the checkout holds, whatever its umask was.
        for path in Path(folder).rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        engine.run(
            *("build", "--quiet", "--force-rm", "--build-arg", f"BASE_IMAGE={base}", "--tag", name),
            *("--file", str(Path(folder) / DOCKERFILE.relative_to(PROJECT)), folder),
        )


def _forget_others(engine: DockerEngine, repository: str, name: str) -> None:
    """Earlier ones, unless a container of another test process still runs one."""
    for other in engine.run("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", repository).stdout.split():
        if other != name:
            engine.run("image", "rm", other, check=False)


def _digest(*parts: bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()[:12]
