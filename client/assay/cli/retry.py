"""`assay retry` and `assay chain`: a test once more, and all that came of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli import arguments
from assay.cli.jsontext import json_text
from assay.cli.options import FollowJson, Json, TestId

if TYPE_CHECKING:
    from assay.client import AsyncAssay


def retry(
    context: typer.Context,
    test: TestId,
    query: Annotated[
        str | None,
        typer.Option("--query", "-q", metavar="TEXT", help="Another query; `-` reads standard input, `@FILE` a file."),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show phases, log and answer as they come.")] = False,
    as_json: FollowJson = False,
) -> None:
    """Repeat a test that has ended, as it was or with another query."""
    from assay.cli import find
    from assay.cli.session import PASSED, run

    asked = None if query is None else arguments.query(query)

    async def body(client: AsyncAssay) -> int:
        from assay.cli.follow import JsonTeller, StoryTeller, follow_test

        again = await client.retry(await find.test_id(client, test), asked)
        if follow:
            return await follow_test(client, again.id, JsonTeller() if as_json else StoryTeller(), submitted=again)
        print(json_text(again.to_dict()) if as_json else again.id)
        return PASSED

    run(context, body, as_json=as_json)


def chain(context: typer.Context, test: TestId, as_json: Json = False) -> None:
    """List a test and all its retries, the original first."""
    from assay.cli import find, table_text
    from assay.cli.screen import open_screen
    from assay.cli.session import PASSED, run

    async def body(client: AsyncAssay) -> int:
        links = await client.chain(await find.test_id(client, test))
        if as_json:
            print(json_text({"tests": [link.to_dict() for link in links]}))
        else:
            screen = open_screen()
            screen.show(table_text.chain(links, datetime.now(UTC), screen.width))
        return PASSED

    run(context, body, as_json=as_json)
