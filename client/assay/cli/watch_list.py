"""`assay list --watch`: the tests of a list as they change, until one leaves it."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import typer

from assay.cli.jsontext import json_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.changes import WatchOptions
    from assay.cli.screen import Screen
    from assay.client import AsyncAssay
    from assay.requests import ListOptions
    from assay.tests import Test

WATCHED = {"agent_id", "labels", "user_id"}
# What a list has without any condition.
PLAIN = {"order": "NEWEST", "page_token": "", "include_archived": False, "totals": False}


def refuse_others(options: ListOptions) -> None:
    """A test that stops fulfilling a condition is of interest, too: so only those that last can be watched."""
    for name, value in options.items():
        if name not in {*WATCHED, "page_size"} and value != PLAIN.get(name) and value:
            raise typer.BadParameter("goes with --agent, --label, --user and --limit only", param_hint="--watch")


async def watch_list(client: AsyncAssay, options: ListOptions, limit: int, *, as_json: bool) -> int:
    """Shows the list, then what changes; the list again where more has changed than could be told."""
    from assay.cli.screen import open_screen
    from assay.cli.session import PASSED

    watched = cast("WatchOptions", {name: value for name, value in options.items() if name in WATCHED})
    screen = None if as_json else open_screen()
    begun = False
    async with aclosing(client.watch_tests(**watched)) as changes:
        async for change in changes:
            again = change.more or not begun
            # Read after the watch has begun, so that nothing slips through between the two.
            tests = [test async for test in client.list(limit=limit, **options)] if again else list(change.tests)
            if screen is None:
                print(json_text({"tests": [test.to_dict() for test in tests], "listed": again}), flush=True)
            else:
                _show(screen, tests, first=not begun)
            begun = True
    return PASSED


def _show(screen: Screen, tests: Sequence[Test], *, first: bool) -> None:
    from assay.cli import table_text

    if first:
        screen.show([table_text.WATCH_TITLES])
    # The newest is last, where the next change will be.
    screen.show([table_text.watched(test, datetime.now(UTC)) for test in reversed(tests)])
