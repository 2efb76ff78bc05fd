"""`assay audit`: who did what with the power of an admin, for those who run Assay."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli import arguments
from assay.cli.options import Json, Limit, PageToken

if TYPE_CHECKING:
    from assay.audit import AuditOptions
    from assay.client import AsyncAssay


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
    as_json: Json = False,
) -> None:
    """Show who did what with the power of an admin, newest first (for admins).

    Changes of keys, limits, capacity and the queue, and what admins did to or read of other users' tests."""
    from assay.cli.session import run

    options: AuditOptions = {"page_token": page_token, "user_id": user, "owner_id": owner, "action": action}
    if since:
        options["since"] = arguments.when(since, "--since")
    if until:
        options["until"] = arguments.when(until, "--until")

    async def body(client: AsyncAssay) -> int:
        from assay.cli import audit_text
        from assay.cli.pages import gathered, show
        from assay.cli.session import PASSED

        found, token = await gathered(client.admin.audit(limit=limit, **options), lambda page: page.entries)
        show(
            "entries", found, token, lambda width: audit_text.entries(found, datetime.now(UTC), width), as_json=as_json
        )
        return PASSED

    run(context, body, as_json=as_json)
