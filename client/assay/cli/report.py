"""`assay usage` and `assay cost`: figures over many tests, for those who run Assay."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli import arguments
from assay.cli.jsontext import json_text
from assay.cli.options import Json, OfUser, ReportSince, ReportUntil

if TYPE_CHECKING:
    from assay.client import AsyncAssay
    from assay.reports import CostOptions, UsageOptions

INTERVALS = ("HOUR", "DAY")
GROUPINGS = ("DAY", "USER", "AGENT", "LABEL")


def usage(
    context: typer.Context,
    by: Annotated[str, typer.Option(metavar="STEP", help="hour or day.")] = "day",
    since: ReportSince = "",
    until: ReportUntil = "",
    user: OfUser = "",
    as_json: Json = False,
) -> None:
    """Show usage by hour or day (for admins). Tests submitted and ended, run times, waiting times, tokens.

    Without --since: the last 30 days, by hour the last 24 hours.
    """
    from assay.cli import usage_text
    from assay.cli.screen import open_screen
    from assay.cli.session import PASSED, run

    interval = arguments.chosen(by, INTERVALS, "--by")
    options: UsageOptions = {"interval": interval, "user_id": user}
    if since:
        options["since"] = arguments.when(since, "--since", zone=UTC)
    if until:
        options["until"] = arguments.when(until, "--until", zone=UTC)

    async def body(client: AsyncAssay) -> int:
        from assay.reports import ReportInterval

        found = await client.admin.usage(**options)
        if as_json:
            print(json_text(found.to_dict()))
        else:
            screen = open_screen()
            screen.show(usage_text.usage(found, ReportInterval(interval), screen.width))
        return PASSED

    run(context, body, as_json=as_json)


def cost(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="With `--by label`: the key of the label.")] = "",
    by: Annotated[
        str, typer.Option(metavar="ROWS", help="day, user, agent or label, such as `--by label team`.")
    ] = "day",
    since: ReportSince = "",
    until: ReportUntil = "",
    user: OfUser = "",
    as_json: Json = False,
) -> None:
    """Show what tests cost, in US dollars (for admins). Without --since: the last 30 days."""
    from assay.cli import usage_text
    from assay.cli.screen import open_screen
    from assay.cli.session import PASSED, run

    rows = arguments.chosen(by, GROUPINGS, "--by")
    if rows == "LABEL" and not key:
        raise typer.BadParameter("name the key of the label: --by label team", param_hint="--by")
    if rows != "LABEL" and key:
        raise typer.BadParameter(f"{key!r} would be the key of a label: write --by label {key}", param_hint="KEY")
    options: CostOptions = {"by": rows, "label_key": key, "user_id": user}
    if since:
        options["since"] = arguments.when(since, "--since", zone=UTC)
    if until:
        options["until"] = arguments.when(until, "--until", zone=UTC)

    async def body(client: AsyncAssay) -> int:
        found = await client.admin.costs(**options)
        if as_json:
            print(json_text(found.to_dict()))
        else:
            open_screen().show(usage_text.cost(found, usage_text.cost_title(rows, key)))
        return PASSED

    run(context, body, as_json=as_json)
