"""Arguments and options that several commands share, declared once."""

from __future__ import annotations

from typing import Annotated

import typer

TestId = Annotated[str, typer.Argument(metavar="TEST", help="Id of a test, or `last` for your newest one.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead; one object a line for streams.")]
