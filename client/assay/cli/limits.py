"""`assay limits`: what a user may take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from assay.cli.arguments import number, whole
from assay.cli.jsontext import json_text
from assay.cli.options import Json

if TYPE_CHECKING:
    from assay.admin import LimitChanges, UserLimitsReport
    from assay.client import AsyncAssay

MOST = 10_000  # as the API has it


def limits(
    context: typer.Context,
    user: Annotated[str, typer.Argument(metavar="USER", help="The user.")],
    per_hour: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=whole("--per-hour", least=0, most=MOST),
            help="Submissions in any 60 minutes, retries included.",
        ),
    ] = None,
    max_pending: Annotated[
        int | None,
        typer.Option(metavar="N", parser=whole("--max-pending", least=0, most=MOST), help="Tests that wait at once."),
    ] = None,
    max_running: Annotated[
        int | None,
        typer.Option(metavar="N", parser=whole("--max-running", least=0, most=MOST), help="Tests that run at once."),
    ] = None,
    weight: Annotated[
        float | None,
        typer.Option(
            metavar="W", parser=number("--weight"), help="Share in the queue; 1 is usual, 2 gets twice as many turns."
        ),
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Go back to the defaults.")] = False,
    as_json: Json = False,
) -> None:
    """Show or set a user's limits (for admins). Sets those that are given and keeps the others; 0 is no limit."""
    from assay.cli import admin_text
    from assay.cli.screen import open_screen
    from assay.cli.session import PASSED, run

    given: dict[str, Any] = {
        "submissions_per_hour": per_hour,
        "max_pending": max_pending,
        "max_running": max_running,
        "weight": weight,
    }
    changes = cast("LimitChanges", {name: value for name, value in given.items() if value is not None})
    if reset and changes:
        raise typer.BadParameter("give new limits, or go back to the defaults; not both", param_hint="--reset")

    async def body(client: AsyncAssay) -> int:
        found = await _limits(client, user, changes, reset=reset)
        if as_json:
            print(json_text({"user_id": user, **found.to_dict()}))
        else:
            open_screen().show(admin_text.limits(user, found))
        return PASSED

    run(context, body, as_json=as_json)


async def _limits(client: AsyncAssay, user: str, changes: LimitChanges, *, reset: bool) -> UserLimitsReport:
    from assay.admin import UserLimits, UserLimitsReport

    if reset:
        return UserLimitsReport(UserLimits(), await client.admin.set_user_limits(user, UserLimits()))
    return await client.admin.change_user_limits(user, **changes)
