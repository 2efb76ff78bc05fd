"""The requirements."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import posix as os  # what is in os without what makes its import cost a millisecond
import sys
import time
from typing import TYPE_CHECKING

from services.orchestrator.harness.src.children import fork_with, settle
from services.orchestrator.harness.src.context import Context
from services.orchestrator.harness.src.environment import (
    ENVIRONMENT,
    IN_CONTAINER,
    environment_of_children,
    find_program,
)
from services.orchestrator.harness.src.install_message import explained
from services.orchestrator.harness.src.output import Output
from services.orchestrator.harness.src.streams import Transcript
from services.orchestrator.harness.src.system import Signals
from services.orchestrator.harness.src.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Sequence


NO_WHEEL = ("no wheels", "no usable wheels", "building from source is disabled", "no matching distribution found")


BUILT = "built-from-source"  # a file in an environment for which something was


class InstallFailed(Exception):
    """The requirements cannot be installed; the message is what of the installer's words decides."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class NeedsSource(Exception):
    """Not everything comes as a wheel, and the context does not allow to build here."""


class Stopped(Exception):
    """The time limit or a SIGTERM came while installing."""


class Installer:
    """Fills a fresh environment, with uv where there is one, else with venv and pip. Their output is stream `build`."""

    def __init__(self, context: Context, output: Output, signals: Signals) -> None:
        self.env_dir = context.env_dir
        self.python = f"{context.env_dir}/bin/python"
        self.requirements = context.requirements
        self.deadline = time.monotonic() + context.timeout_s
        self.shared = context.mode == "all"  # an image may bring packages of its own
        self.keeps = context.mode == "build"  # the environment, for tests to come
        self.from_source = context.from_source
        self.output = output
        self.signals = signals
        self.env = environment_of_children()
        if IN_CONTAINER:
            self.env.update((name, value) for name, value in ENVIRONMENT.items() if _is_for_installers(name))
            self.env.update(UV_NO_CACHE="1", PIP_NO_CACHE_DIR="1")  # nobody comes after us who could use it
        self.env.update(UV_NO_PROGRESS="1", NO_COLOR="1", UV_PYTHON_DOWNLOADS="never")
        self.env.update(
            PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", PIP_PROGRESS_BAR="off", PIP_ROOT_USER_ACTION="ignore"
        )

    def install(self) -> None:
        """Raises InstallFailed, NeedsSource, Stopped."""
        uv = find_program("uv", self.env.get("PATH", ""))
        shared = ["--system-site-packages"] if self.shared else []
        base = sys.executable or "/usr/bin/python3"
        if uv:
            self._must(uv, "venv", "--quiet", "--allow-existing", "--python", base, *shared, self.env_dir)
            command = [uv, "pip", "install", "--python", self.python]
        else:
            self._must(base, "-m", "venv", *shared, self.env_dir)
            command = [self.python, "-m", "pip", "install"]
        if " --hash=" in self.requirements:
            command.append("--require-hashes")  # of all that is installed, not only of what is named
        file = f"{self.env_dir}/requirements.txt"
        with open(file, "w", encoding="utf-8") as target:
            target.write(self.requirements)
        code, said = 1, ""
        building = self.from_source == "at_once"
        if not building:
            code, said = self._call(*command, "--only-binary", ":all:", "-r", file)
            building = code != 0 and any(sign in " ".join(said.lower().split()) for sign in NO_WHEEL)
            if building:
                self.output.say("Not everything comes as a wheel: installing again, with building from source.")
        if building:
            if self.from_source == "never":
                raise NeedsSource
            code, said = self._call(*command, "-r", file)
        if code:
            raise InstallFailed(*explained(said.split("\n")))
        if building:
            with open(f"{self.env_dir}/{BUILT}", "w", encoding="utf-8"):
                pass  # for those who find this environment later (built_in)
        if uv and self.keeps:
            # pip does so by itself. Without `site` nothing that was installed runs here; uv would run *.pth files.
            self._call(base, "-S", "-I", "-m", "compileall", "-qq", "-j", "0", f"{self.env_dir}/lib")

    def _must(self, *command: str) -> None:
        code, said = self._call(*command)
        if code:
            raise InstallFailed(f"{' '.join(command)} ended with {code}: {said}")

    def _call(self, *command: str) -> tuple[int, str]:
        def become(outputs: Sequence[int], instructions: int) -> None:
            settle(outputs[0], outputs[0], (instructions,))
            _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
            os.execve(command[0], command, self.env)

        child = fork_with(1, become)
        os.close(child.instructions)
        said = Transcript(child.readers[0], "build", self.output)
        watch = Watch(child, [said], max(0.0, self.deadline - time.monotonic()), self.output, self.signals)
        watch.follow()
        if watch.stopped:
            raise Stopped(watch.stopped)
        return watch.exit_code if watch.exit_code is not None else 128 + (watch.signal or 0), "\n".join(said.tail)


def _is_for_installers(name: str) -> bool:
    """Settings of an image for its installer, which may hold the password of an index: not for the agent."""
    return name.startswith(("PIP_", "UV_")) or name.lower() in ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


def installed_in(env_dir: str) -> list[str]:
    """`name==version` of every package in an environment, by the names of their folders: no file has to be read."""
    found = set()
    try:
        for version in os.listdir(f"{env_dir}/lib"):
            if version.startswith("python"):
                for name in os.listdir(f"{env_dir}/lib/{version}/site-packages"):
                    project, dash, release = name.removesuffix(".dist-info").rpartition("-")
                    if dash and name.endswith(".dist-info") and project != "pip":  # which venv brings along
                        found.add(f"{project.replace('_', '-').lower()}=={release}")
    except OSError:
        pass  # a test is worth more than the list of its packages
    return sorted(found)


def built_in(env_dir: str, resolved: Sequence[str]) -> list[str]:
    """Those of these packages that were compiled here: wheels of an index say for which Linux they are (manylinux,
    musllinux), and one that is pure Python says `any`."""
    if not os.access(f"{env_dir}/{BUILT}", os.F_OK):
        return []
    found = []
    try:
        for version in os.listdir(f"{env_dir}/lib"):
            packages = f"{env_dir}/lib/{version}/site-packages"
            for name in os.listdir(packages) if version.startswith("python") else ():
                if name.endswith(".dist-info") and _is_compiled(f"{packages}/{name}/WHEEL"):
                    project, _, release = name.removesuffix(".dist-info").rpartition("-")
                    found.append(f"{project.replace('_', '-').lower()}=={release}")
    except OSError:
        pass
    return sorted(name for name in found if name in resolved)


def _is_compiled(path: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            tags = [line.split(":", 1)[1].strip() for line in file.read(65536).splitlines() if line.startswith("Tag:")]
    except OSError:
        return False
    return any(tag.rpartition("-")[2].startswith("linux_") for tag in tags)


def wants_install(requirements: str) -> bool:
    return any(line.strip() and not line.strip().startswith("#") for line in requirements.splitlines())
