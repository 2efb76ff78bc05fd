"""How set-up steps run and report: one line each, details in a log file that is shown only when a step fails."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
TOOLS = PROJECT / ".tools"
LOG = TOOLS / "setup.log"
SHOWN_LINES = 25


class Missing(Exception):
    """Something that set-up may not or cannot install. The message says what to do, one line per thing."""


class CommandFailed(Exception):
    """A command of a step failed; its output is in the log."""


@dataclass(frozen=True, slots=True)
class Step:
    """`needed` looks without changing anything; `do` makes it so and returns what to print behind the tick."""

    name: str
    needed: Callable[[], bool]
    do: Callable[[], str]
    others_need_it: bool = False
    """Whether the steps after it are pointless where it could not be done."""
    optional: bool = False
    """Whether the rest works without it: what it lacks is said, and set-up counts as complete."""


def run_all(steps: Sequence[Step]) -> int:
    """Does what is needed, in order; goes on after something is missing, so that all of it is listed at once."""
    TOOLS.mkdir(exist_ok=True)
    begun, done = time.monotonic(), 0
    missing: list[str] = []
    wished: list[str] = []
    for step in steps:
        if not step.needed():
            continue
        if done == 0:
            LOG.write_text("", "utf-8")
        done += 1
        _say(f"  … {step.name}", transient=True)
        try:
            result = step.do()
        except Missing as lack:
            _say(f"  ✗ {step.name}")
            (wished if step.optional else missing).extend(str(lack).splitlines())
            if step.others_need_it:
                break
        except CommandFailed as failure:
            _say(f"  ✗ {step.name}")
            _show_log(failure)
            return 1
        else:
            _say(f"  ✓ {step.name}: {result}")
    if missing:
        _show_missing(missing + wished)
        return 1
    if wished:
        print("\nSet-up could not do everything, and the rest works without it. To have it as well:\n", file=sys.stderr)
        _show(wished)
    what = "set-up is complete" if done else "set-up: nothing to do"
    _say(f"  ✓ {what} ({time.monotonic() - begun:.1f} s)")
    return 0


def command(*words: str, env: Mapping[str, str] | None = None) -> None:
    """Runs it quietly without input. Raises CommandFailed."""
    with LOG.open("ab") as log:
        log.write(f"\n$ {' '.join(words)}\n".encode())
        log.flush()
        try:
            done = subprocess.run(
                words,
                cwd=PROJECT,
                env=os.environ | (env or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
        except OSError as error:
            raise CommandFailed(f"{words[0]} cannot be started: {error}") from error
    if done.returncode != 0:
        raise CommandFailed(f"`{' '.join(words[:4])} ...` ended with {done.returncode}")


def _say(text: str, *, transient: bool = False) -> None:
    if not sys.stdout.isatty():
        if not transient:
            print(text, flush=True)
        return
    print(f"\r\033[K{text}", end="" if transient else "\n", flush=True)


def _show_log(failure: CommandFailed) -> None:
    print(f"\n{failure}. The end of {LOG.relative_to(PROJECT)}:\n", file=sys.stderr)
    for line in LOG.read_text("utf-8", errors="replace").splitlines()[-SHOWN_LINES:]:
        print(f"    {line}", file=sys.stderr)


def _show_missing(missing: Sequence[str]) -> None:
    print("\nSet-up cannot install everything by itself here. Please install, then run it again:\n", file=sys.stderr)
    _show(missing)


def _show(lines: Sequence[str]) -> None:
    for line in lines:
        print(f"    {line}", file=sys.stderr)
