"""The `assay` command. A client of the SDK like any other: it knows neither the server's code nor its store."""

from __future__ import annotations


def main() -> None:
    """Entry point of the `assay` command."""
    from assay.cli.app import app

    app()
