"""The `assay` command. A client of the SDK like any other: it knows neither the server's code nor its store."""

from __future__ import annotations


def main() -> None:
    """Entry point of the `assay` command."""
    import io
    import os
    import sys

    # gRPC's core writes to standard error whenever a server goes away; we say it in our own words.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")

    for stream in (sys.stdout, sys.stderr):
        # What an agent said may hold characters that this terminal has not, or half of a surrogate pair.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    from assay.cli.app import app

    app()
