"""`assay agents`: the agents that have tests, and how these went."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from assay.cli.options import Json, Limit, OfUser, PageToken

if TYPE_CHECKING:
    from assay.client import AsyncAssay

SHOWN_RUNS = 10


def agents(
    context: typer.Context,
    user: OfUser = "",
    limit: Limit = 20,
    page_token: PageToken = "",
    as_json: Json = False,
) -> None:
    """List agents, the one with the newest test first. Yours; for admins, as everyone is in local mode, all.

    RECENT shows the newest runs, the last one at the right: + passed, F failed, T timed out, - cancelled.
    """
    from assay.cli import agents_text
    from assay.cli.pages import gathered, show
    from assay.cli.session import PASSED, run

    async def body(client: AsyncAssay) -> int:
        listing = client.agents(runs=SHOWN_RUNS, user_id=user, limit=limit, page_token=page_token)
        found, token = await gathered(listing, lambda page: page.agents)
        show("agents", found, token, lambda width: agents_text.agents(found, datetime.now(UTC), width), as_json=as_json)
        return PASSED

    run(context, body, as_json=as_json)
