"""Arguments and options that several commands share, declared once."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli.arguments import whole

TestId = Annotated[str, typer.Argument(metavar="TEST", help="Id of a test, or `last` for your newest one.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]
JsonLines = Annotated[bool, typer.Option("--json", help="Print JSON instead, one object a line.")]
WatchJson = Annotated[bool, typer.Option("--json", help="Print JSON instead; with --watch one object a line.")]
FollowJson = Annotated[bool, typer.Option("--json", help="Print JSON instead; with --follow one object a line.")]

# Which tests: `arguments.conditions` reads them.
States = Annotated[
    list[str] | None,
    typer.Option("--state", "-s", metavar="STATE", help="In this state, such as failed; more than once: in any."),
]
Agent = Annotated[str, typer.Option("--agent", metavar="ID", help="Of this agent.")]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", "-l", metavar="K=V", help="With this label; K alone: with any value. More than once: all."),
]
Provider = Annotated[str, typer.Option("--provider", metavar="NAME", help="With this model provider, such as ollama.")]
FailureCode = Annotated[
    str, typer.Option("--failure", metavar="CODE", help="Failed with this code, such as OUT_OF_MEMORY.")
]
Since = Annotated[
    str,
    typer.Option(
        "--since",
        metavar="WHEN",
        help="Submitted then or later: a date or time (2026-01-31, 2026-01-31T14:00), or how long ago (7d, 2h).",
    ),
]
Until = Annotated[str, typer.Option("--until", metavar="WHEN", help="Submitted before then.")]
Words = Annotated[str, typer.Option("--text", metavar="WORDS", help="With these words in the name or query.")]
OfUser = Annotated[str, typer.Option("--user", metavar="USER", help="Of this user (for admins).")]

# Of a list.
Limit = Annotated[
    int, typer.Option("--limit", "-n", metavar="N", parser=whole("--limit", least=1), help="Show so many at most.")
]
PageToken = Annotated[str, typer.Option("--page-token", metavar="TOKEN", help="Go on where an earlier list ended.")]

# Of a report, whose steps are hours and days in UTC.
ReportSince = Annotated[
    str,
    typer.Option(
        "--since",
        metavar="WHEN",
        help="From then on: a date or time in UTC (2026-01-31, 2026-01-31T14:00), or how long ago (7d, 2h).",
    ),
]
ReportUntil = Annotated[str, typer.Option("--until", metavar="WHEN", help="Up to then; else now.")]


def wants_json(context: typer.Context, as_json: bool) -> bool:
    """Whether `--json` was written, behind a command or behind the name of its group."""
    return as_json or bool(context.parent and context.parent.params.get("as_json"))
