"""`make demo`: local mode in the background, two example agents through the CLI, and the server left running.

A client of `assay`, as a user is; the only thing it knows of the inside is how to start local mode.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from deploy.local.ownership import Owner, owner_of
from deploy.local.tools import PROJECT

FOLDER = PROJECT / ".assay"
OUTPUT = FOLDER / "logs" / "assay-dev.log"
ASSAY = str(Path(sys.executable).parent / "assay")
START_S = 90.0
EXAMPLES = (
    ("examples/plain_function.py", "How many words are in this question?"),
    ("examples/async_generator.py", "Count to five, and think aloud."),
)


class DemoFailed(Exception):
    """What went wrong, for a person."""


def start() -> Owner:
    """Local mode in the background, unless it runs already; returns when it is ready."""
    if (owner := owner_of(FOLDER)) and owner.address:
        return owner
    OUTPUT.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with OUTPUT.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-P", "-m", "deploy.local", "--data", str(FOLDER), "--log-level", "info"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # it outlives this demo and the terminal
        )
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if (owner := owner_of(FOLDER)) and owner.address:
            return owner
        if server.poll() is not None:
            break
        time.sleep(0.05)
    tail = "\n".join(OUTPUT.read_text("utf-8", errors="replace").splitlines()[-15:])
    raise DemoFailed(f"Assay did not start. The end of {OUTPUT.relative_to(PROJECT)}:\n{tail}")


def submit(file: str, query: str) -> None:
    words = ["submit", file, "-q", query, "--follow"]
    _say(f"$ assay {shlex.join(words)}")
    done = subprocess.run([ASSAY, *words], cwd=PROJECT, stdin=subprocess.DEVNULL, check=False, env=_as_a_user_here())
    if done.returncode != 0:
        raise DemoFailed(f"{file} ended with exit code {done.returncode}.")


def _as_a_user_here() -> dict[str, str]:
    # The demo is about the server it started, whichever one this shell is set to use.
    return {name: value for name, value in os.environ.items() if name not in {"ASSAY_ADDRESS", "ASSAY_API_KEY"}}


def _say(text: str) -> None:
    print(f"\n── {text}\n", flush=True)


def main() -> int:
    try:
        begun = time.monotonic()
        _say("Starting Assay on this machine")
        server = start()
        print(f"  Ready at {server.address} after {time.monotonic() - begun:.1f} s.", flush=True)
        for file, query in EXAMPLES:
            submit(file, query)
    except DemoFailed as failure:
        print(f"\n{failure}\nDEMO_EXIT=1", file=sys.stderr)
        return 1
    _say("Both passed. Assay is still running")
    print(f"  Yours:    .venv/bin/assay submit {EXAMPLES[0][0]} -q 'your question' --follow")
    if server.console:
        print(f"  Console:  {server.console}   (.venv/bin/assay open signs you in)")
    print("  More:     .venv/bin/assay list, .venv/bin/assay --help, README.md")
    print("  Stop it:  .venv/bin/assay dev --stop")
    print("\nDEMO_EXIT=0")
    return 0


if __name__ == "__main__":
    sys.exit(main())
