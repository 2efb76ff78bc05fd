"""`assay dev`: hands over to the server's local mode, which is installed beside the client or not at all."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

import typer

MODULE = "deploy.local"


def dev(context: typer.Context) -> None:
    """Start Assay on this machine, with its data in .assay/."""
    if not _installed():
        print(
            "error: local mode is not installed here\n"
            "  Install Assay with its server (pip install 'assay[server]'), or run `make setup` in a clone of it.",
            file=sys.stderr,
        )
        raise typer.Exit(2)
    sys.stdout.flush()
    # -P: a folder called "deploy" where the user happens to stand is not ours.
    os.execv(sys.executable, [sys.executable, "-P", "-m", MODULE, *context.args])  # noqa: S606 - becomes the server; there is no shell


def _installed() -> bool:
    try:
        return find_spec(f"{MODULE}.__main__") is not None
    except ImportError:
        return False
