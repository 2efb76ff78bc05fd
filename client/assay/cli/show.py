"""Commands that ask once and print: get, list, cancel, queue."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.jsontext import json_text
from assay.cli.options import Json, TestId

if TYPE_CHECKING:
    from assay.client import AsyncAssay
    from assay.tests import Test


def get(context: typer.Context, test: TestId, as_json: Json = False) -> None:
    """Show one test: state, answer or failure, times."""
    from assay.cli import find, text
    from assay.cli.screen import open_screen
    from assay.cli.session import PASSED, run

    async def body(client: AsyncAssay) -> int:
        found = await client.get(await find.test_id(client, test))
        if as_json:
            _print_json(found.to_dict())
        else:
            open_screen().show(text.details(found, datetime.now(UTC)))
        return PASSED

    run(context, body, as_json=as_json)


def list_tests(
    context: typer.Context,
    state: Annotated[
        list[str] | None, typer.Option("--state", "-s", help="In this state; more than once: any.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most tests to show.")] = 20,
    page_token: Annotated[str, typer.Option(help="Go on where an earlier list ended.")] = "",
    as_json: Json = False,
) -> None:
    """List your tests, newest first."""
    from assay.cli.session import run
    from assay.requests import ListOptions

    options: ListOptions = {"page_size": min(limit, 100), "states": state or ()}
    if page_token:
        options["page_token"] = page_token

    async def body(client: AsyncAssay) -> int:
        return await _list(client, options, limit, as_json=as_json)

    run(context, body, as_json=as_json)


async def _list(client: AsyncAssay, options: Any, limit: int, *, as_json: bool) -> int:
    from assay.cli import text
    from assay.cli.screen import open_screen
    from assay.cli.session import PASSED

    tests: list[Test] = []
    token = ""
    async for page in client.list(**options).pages():
        tests += page.tests
        token = page.next_page_token
        if len(tests) >= limit:
            break
    # A page may carry the list over its limit; then the token of the next page would skip what is cut off here.
    if len(tests) > limit:
        tests, token = tests[:limit], ""
    if as_json:
        _print_json({"tests": [test.to_dict() for test in tests], "next_page_token": token})
        return PASSED
    screen = open_screen()
    if not tests:
        screen.show([[("no tests", "dim")]])
    else:
        screen.show(text.table(tests, datetime.now(UTC), screen.width))
    if token:
        screen.show([[(f"more: add --page-token {token}", "dim")]])
    return PASSED


def cancel(
    context: typer.Context,
    test: TestId,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")] = "",
    as_json: Json = False,
) -> None:
    """Stop a test, waiting or running."""
    from assay.cli import find
    from assay.cli.screen import open_screen
    from assay.cli.session import PASSED, run
    from assay.tests import CancelOutcome

    said = {
        CancelOutcome.REMOVED_FROM_QUEUE: "cancelled: it was still waiting and never ran",
        CancelOutcome.STOPPING: "stopping: its task was told to end",
        CancelOutcome.ALREADY_ENDED: "it had ended already",
    }

    async def body(client: AsyncAssay) -> int:
        cancelled = await client.cancel(await find.test_id(client, test), reason)
        if as_json:
            _print_json({"outcome": cancelled.outcome.value, "test": cancelled.test.to_dict()})
        else:
            words = said.get(cancelled.outcome, "cancelled")
            open_screen().show([[(cancelled.test.id, "id"), (f"  {words}", "")]])
        return PASSED

    run(context, body, as_json=as_json)


def queue(context: typer.Context, as_json: Json = False) -> None:
    """Show how the queue stands."""
    from assay.cli import text
    from assay.cli.screen import open_screen
    from assay.cli.session import PASSED, run

    async def body(client: AsyncAssay) -> int:
        status = await client.queue_status()
        if as_json:
            _print_json(status.to_dict())
        else:
            open_screen().show(text.queue(status))
        return PASSED

    run(context, body, as_json=as_json)


def _print_json(value: object) -> None:
    print(json_text(value))
