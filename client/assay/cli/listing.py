"""`assay list`: which tests there are, by what one knows of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import arguments, watch_list
from assay.cli.jsontext import json_text
from assay.cli.options import (
    Agent,
    FailureCode,
    Labels,
    Limit,
    OfUser,
    PageToken,
    Provider,
    Since,
    States,
    Until,
    WatchJson,
    Words,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assay.cli.screen import Screen
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
        bool,
        typer.Option(
            "--totals",
            help="Also count by state, whatever the other conditions: all your tests; for admins everybody's, or "
            "those of --user.",
        ),
    ] = False,
    limit: Limit = 20,
    page_token: PageToken = "",
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Stay, and show tests as they are new or change. Ctrl-C leaves.")
    ] = False,
    as_json: WatchJson = False,
) -> None:
    """List tests, newest first. Yours; for admins, as everyone is in local mode, those of all users.

    Conditions are joined by "and". Ctrl-C ends a long search and shows what was found.
    """
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

    if watch:
        watch_list.refuse_others(options)

    async def body(client: AsyncAssay) -> int:
        if watch:
            return await watch_list.watch_list(client, options, limit, as_json=as_json)
        return await _list(client, options, limit, as_json=as_json)

    run(context, body, as_json=as_json)


async def _list(client: AsyncAssay, options: ListOptions, limit: int, *, as_json: bool) -> int:
    import asyncio

    from assay.cli.screen import open_screen
    from assay.cli.session import PASSED
    from assay.cli.text import plural

    tests: list[Test] = []
    totals: Mapping[TestState, int] | None = None
    token = ""
    screen = None if as_json else open_screen()
    try:
        async for page in client.list(limit=limit, **options).pages():
            tests += page.tests
            token = page.next_page_token
            if totals is None and options.get("totals"):
                totals = page.totals
            if screen and token and len(tests) < limit:  # a page may come short or empty, and more are asked for
                screen.busy("searching", f"{plural(len(tests), 'test')} so far; Ctrl-C shows them")
    except asyncio.CancelledError:
        if screen and token:
            _show(screen, tests, totals, token)
        raise
    finally:
        if screen:
            screen.close()
    if screen:
        _show(screen, tests, totals, token)
    else:
        found: dict[str, Any] = {"tests": [test.to_dict() for test in tests], "next_page_token": token}
        print(json_text(found if totals is None else {**found, "totals": dict(totals)}))
    return PASSED


def _show(screen: Screen, tests: Sequence[Test], totals: Mapping[TestState, int] | None, token: str) -> None:
    from assay.cli import table_text

    screen.close()
    if tests:
        screen.show(table_text.table(tests, datetime.now(UTC), screen.width))
    else:
        screen.show([[("no tests so far" if token else "no tests", "dim")]])
    if totals is not None:
        screen.show([table_text.totals(totals)])
    if token:
        screen.show([[(f"more: add --page-token {token}", "dim")]])
