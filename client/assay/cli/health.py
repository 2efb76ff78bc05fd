"""`assay health`: how a server is, for those who run it and for their scripts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from assay.cli.jsontext import json_text
from assay.cli.options import Json

if TYPE_CHECKING:
    from assay.client import AsyncAssay


def health(context: typer.Context, as_json: Json = False) -> None:
    """Show how services and what they need are (for admins). Exit code: 0 all is healthy, 1 something is not."""
    from assay.cli import health_text
    from assay.cli.screen import open_screen
    from assay.cli.session import FAILED, PASSED, run

    async def body(client: AsyncAssay) -> int:
        found = await client.admin.health()
        if as_json:
            print(json_text(found.to_dict()))
        else:
            screen = open_screen()
            screen.show(health_text.health(found, datetime.now(UTC), screen.width))
        return PASSED if found.healthy else FAILED

    run(context, body, as_json=as_json)
