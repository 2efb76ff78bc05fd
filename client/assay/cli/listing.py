"""`assay list`: which tests there are, by what one knows of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli import arguments
from assay.cli.jsontext import json_text
from assay.cli.options import (
    Agent,
    FailureCode,
    Json,
    Labels,
    OfUser,
    PageToken,
    Provider,
    Since,
    States,
    Until,
    Words,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assay.client import AsyncAssay
    from assay.requests import ListOptions
    from assay.tests import Test, TestState

ORDERS = ("NEWEST", "OLDEST", "STATE", "RUN_TIME")


def list_tests(
    context: typer.Context,
    state: States = None,
    agent: Agent = "",
    label: Labels = None,
    provider: Provider = "",
    failure: FailureCode = "",
    since: Since = "",
    until: Until = "",
    text: Words = "",
    user: OfUser = "",
    archived: Annotated[bool, typer.Option("--archived", help="Archived ones, too.")] = False,
    order: Annotated[
        str, typer.Option(metavar="ORDER", help="newest, oldest, state or run-time (longest first).")
    ] = "newest",
    totals: Annotated[
        bool, typer.Option("--totals", help="Also count all your tests by state, whatever the conditions.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most tests to show.")] = 20,
    page_token: PageToken = "",
    as_json: Json = False,
) -> None:
    """List your tests, newest first. Conditions are joined by "and"."""
    from assay.cli.session import run

    wanted = arguments.conditions(
        state=state,
        agent=agent,
        label=label,
        provider=provider,
        failure=failure,
        since=since,
        until=until,
        text=text,
        user=user,
    )
    options: ListOptions = {
        **wanted,
        "include_archived": archived,
        "order": arguments.chosen(order, ORDERS, "--order"),
        "totals": totals,
        "page_size": min(limit, 100),
        "page_token": page_token,
    }

    async def body(client: AsyncAssay) -> int:
        return await _list(client, options, limit, as_json=as_json)

    run(context, body, as_json=as_json)


async def _list(client: AsyncAssay, options: ListOptions, limit: int, *, as_json: bool) -> int:
    from assay.cli import table_text
    from assay.cli.screen import open_screen
    from assay.cli.session import PASSED

    tests: list[Test] = []
    totals: Mapping[TestState, int] = {}
    token = ""
    async for page in client.list(limit=limit, **options).pages():
        tests += page.tests
        token, totals = page.next_page_token, totals or page.totals
    if as_json:
        found = {"tests": [test.to_dict() for test in tests], "next_page_token": token}
        print(json_text(found | ({"totals": dict(totals)} if options.get("totals") else {})))
        return PASSED
    screen = open_screen()
    if not tests:
        screen.show([[("no tests", "dim")]])
    else:
        screen.show(table_text.table(tests, datetime.now(UTC), screen.width))
    if options.get("totals"):
        screen.show([table_text.totals(totals)])
    if token:
        screen.show([[(f"more: add --page-token {token}", "dim")]])
    return PASSED
