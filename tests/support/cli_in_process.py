"""The `assay` command in this process, for tests that run it hundreds of times."""

from __future__ import annotations

import io
from typing import NamedTuple

from typer.testing import CliRunner

from assay.cli.app import app

# A session may take its time; a command that hangs is a fault of its own.
ENVIRONMENT = {"ASSAY_API_KEY": "key", "NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "200"}


class Ran(NamedTuple):
    code: int
    out: str
    err: str


def command(address: str, *arguments: str) -> Ran:
    """Runs it against the server at `address`."""
    result = CliRunner().invoke(app, ["--address", address, *arguments], env=ENVIRONMENT)
    return Ran(result.exit_code, result.stdout, result.stderr)


class Terminal(io.StringIO):
    """A terminal, as far as a program can tell."""

    def isatty(self) -> bool:
        return True
