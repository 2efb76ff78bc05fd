"""`assay stats`: how the tests of an agent went, and one of them against the others."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.jsontext import json_text
from assay.cli.options import Json

if TYPE_CHECKING:
    from assay.client import AsyncAssay

TEST_PREFIX = "tst_"


def stats(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="AGENT|TEST", help="Id of an agent; or of a test, or `last`, to set it against the others."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Show how an agent's tests went. Success rate, run time, build time, memory."""
    from assay.cli import find, stats_text
    from assay.cli.screen import open_screen
    from assay.cli.session import PASSED, run

    async def body(client: AsyncAssay) -> int:
        if name == "last" or name.startswith(TEST_PREFIX):
            found = await client.agent_stats(test_id=await find.test_id(client, name))
        else:
            found = await client.agent_stats(name)
        if as_json:
            print(json_text(found.to_dict()))
        else:
            open_screen().show(stats_text.stats(found, datetime.now(UTC)))
        return PASSED

    run(context, body, as_json=as_json)
