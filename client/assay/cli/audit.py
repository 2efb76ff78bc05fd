"""`assay audit`: who did what with the power of an admin, for those who run Assay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli import arguments
from assay.cli.jsontext import json_text
from assay.cli.options import FollowJson, Limit, PageToken

if TYPE_CHECKING:
    from assay.audit import AuditEntry, AuditOptions
    from assay.client import AsyncAssay

LOOK_S = 2.0
SETTLES = timedelta(seconds=5)  # so long an entry is waited for to have its end; a later one is not told of


def audit(
    context: typer.Context,
    user: Annotated[str, typer.Option("--user", metavar="USER", help="What this user did.")] = "",
    owner: Annotated[str, typer.Option("--owner", metavar="USER", help="What was done to this user's things.")] = "",
    action: Annotated[
        str, typer.Option("--action", metavar="METHOD", help="By this method of the API, such as CreateApiKey.")
    ] = "",
    since: Annotated[
        str, typer.Option("--since", metavar="WHEN", help="Then or later: a date or time, or how long ago (7d, 2h).")
    ] = "",
    until: Annotated[str, typer.Option("--until", metavar="WHEN", help="Before then.")] = "",
    limit: Limit = 20,
    page_token: PageToken = "",
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Stay, and print entries as they come. Ctrl-C leaves.")
    ] = False,
    as_json: FollowJson = False,
) -> None:
    """Show who did what with the power of an admin, newest first (for admins).

    Changes of keys, limits, capacity and the queue, and what admins did to or read of other users' tests."""
    from assay.cli.session import run

    options: AuditOptions = {"page_token": page_token, "user_id": user, "owner_id": owner, "action": action}
    if since:
        options["since"] = arguments.when(since, "--since")
    if until:
        options["until"] = arguments.when(until, "--until")

    if follow and (page_token or until):
        raise typer.BadParameter("goes without --page-token and --until", param_hint="--follow")

    async def body(client: AsyncAssay) -> int:
        if follow:
            return await _follow(client, options, limit, as_json=as_json)
        from assay.cli import audit_text
        from assay.cli.pages import gathered, show
        from assay.cli.session import PASSED

        found, token = await gathered(client.admin.audit(limit=limit, **options), lambda page: page.entries)
        show(
            "entries", found, token, lambda width: audit_text.entries(found, datetime.now(UTC), width), as_json=as_json
        )
        return PASSED

    run(context, body, as_json=as_json)


async def _follow(client: AsyncAssay, options: AuditOptions, limit: int, *, as_json: bool) -> int:
    """Prints the newest entries, the oldest of them first, then what comes."""
    import asyncio

    from assay.cli import audit_text
    from assay.cli.screen import open_screen

    screen = None if as_json else open_screen()
    told: dict[str, None] = {}
    most: int | None = limit
    while True:
        found = [entry async for entry in client.admin.audit(limit=most, **options)]
        now = datetime.now(UTC)
        for entry in reversed(found):
            if entry.id in told or not _is_settled(entry, now):
                continue
            told[entry.id] = None
            if screen is None:
                print(json_text(entry.to_dict()), flush=True)
            else:
                screen.show([audit_text.told(entry)])
        # What is read again next time is as long ago as the clocks of gateways may differ.
        options["since"], most = now - 6 * SETTLES, None
        while len(told) > 10_000:
            del told[next(iter(told))]
        await asyncio.sleep(LOOK_S)


def _is_settled(entry: AuditEntry, now: datetime) -> bool:
    return bool(entry.status) or entry.time is None or now - entry.time > SETTLES
