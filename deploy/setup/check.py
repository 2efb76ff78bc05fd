"""`make check`: every tool that holds a rule of this code base up, all at once; failures are shown at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from deploy.setup import node, page
from deploy.setup.steps import PROJECT, TOOLS, run_all

BIN = Path(sys.executable).parent  # the tools of this environment, whatever PATH says
CHECKED_TYPES = (
    "shared",
    "services",
    "client/assay",
    "deploy",
    "tests",
    "docs/generate.py",
    "proto/build.py",
    "proto/page_types.py",
)
SCANNED = ("shared", "services", "client/assay", "deploy", "docs", "proto")
BUF_FOLDER = TOOLS / "buf"
BUF_LOCK = PROJECT / "deploy" / "setup" / "buf"
BUF_FILES = ("package.json", "package-lock.json", ".npmrc")


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    command: Sequence[str]
    skipped: str = ""
    """Why it cannot run here, if so."""


@dataclass(frozen=True, slots=True)
class Outcome:
    check: Check
    passed: bool
    seconds: float
    output: str


def checks() -> list[Check]:
    python, ruff = sys.executable, str(BIN / "ruff")
    return [
        Check("types", (str(BIN / "mypy"), *CHECKED_TYPES)),  # the slowest goes first
        Check("imports", (str(BIN / "lint-imports"),)),
        Check("lint", (ruff, "check", ".")),
        Check("format", (ruff, "format", "--check", ".")),
        Check("security", (str(BIN / "bandit"), "--quiet", "--configfile", "pyproject.toml", "--recursive", *SCANNED)),
        Check("docs", (python, "docs/generate.py", "--check")),
        Check("joined", (python, "-m", "deploy.setup.join", "--check")),
        _api_lint(),
        *_page(),
    ]


def _page() -> list[Check]:
    """Types and lint of the console's page, with libraries that nothing else needs."""
    names = {"page types": "types", "page lint": "lint"}
    if run_all(page.EVERYTHING) != 0:
        return [Check(name, (), "needs what is listed above") for name in names]
    npm = (node.npm(), "--prefix", str(page.WEB), "run", "--silent")
    return [Check(name, (*npm, script)) for name, script in names.items()]


def _api_lint() -> Check:
    command = ("lint", "proto")
    if found := shutil.which("buf"):
        return Check("api", (found, *command))
    local = BUF_FOLDER / "node_modules" / ".bin" / "buf"
    if not _is_buf_of_the_lock(local) and (npm := shutil.which("npm")):
        BUF_FOLDER.mkdir(parents=True, exist_ok=True)
        for name in BUF_FILES:
            shutil.copyfile(BUF_LOCK / name, BUF_FOLDER / name)
        # `ci` takes what the lock names by its hashes, and nothing else. Its folder must be named without links.
        _run((npm, "ci", "--prefix", str(BUF_FOLDER.resolve()), "--ignore-scripts", "--loglevel=error"))
    if not local.exists():
        return Check("api", (), "needs buf or npm")
    return Check("api", (str(local), *command))


def _is_buf_of_the_lock(program: Path) -> bool:
    copy = BUF_FOLDER / "package-lock.json"
    wanted = (BUF_LOCK / "package-lock.json").read_bytes()
    return program.exists() and copy.exists() and copy.read_bytes() == wanted


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=os.environ | node.environment() | {"NO_COLOR": "1"},
    )


def _outcome(check: Check) -> Outcome:
    begun = time.monotonic()
    done = _run(check.command)
    return Outcome(check, done.returncode == 0, time.monotonic() - begun, done.stdout)


def main() -> int:
    everything = checks()
    for check in everything:
        if check.skipped:
            print(f"  - {check.name}: skipped, {check.skipped}", flush=True)
    failed: list[Outcome] = []
    with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for outcome in pool.map(_outcome, [check for check in everything if not check.skipped]):
            mark = "✓" if outcome.passed else "✗"
            print(f"  {mark} {outcome.check.name} ({outcome.seconds:.1f} s)", flush=True)
            if not outcome.passed:
                failed.append(outcome)
    for outcome in failed:
        print(f"\n── {outcome.check.name}: {' '.join(outcome.check.command[-2:])}\n\n{outcome.output.strip()}")
    print("CHECK_EXIT=1" if failed else "CHECK_EXIT=0")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
