"""`assay whoami`: who is calling, with which key, and what is left to them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from assay.cli.jsontext import json_text
from assay.cli.options import Json

if TYPE_CHECKING:
    from assay.client import AsyncAssay


def whoami(context: typer.Context, as_json: Json = False) -> None:
    """Show who you are. Your key, your limits and what is left of them, and the server."""
    from assay.cli import account_text
    from assay.cli.screen import open_screen
    from assay.cli.session import PASSED, run

    async def body(client: AsyncAssay) -> int:
        found = await client.account()
        if as_json:
            print(json_text(found.to_dict()))
        else:
            open_screen().show(account_text.account(found, client.connection.address, datetime.now(UTC)))
        return PASSED

    run(context, body, as_json=as_json)
