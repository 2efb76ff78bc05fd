"""`assay queue`: how the queue stands; and for admins how many tests run at once, and whether any may start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.help import Command
from assay.cli.jsontext import json_text
from assay.cli.options import Json, JsonLines, Limit, PageToken, wants_json

if TYPE_CHECKING:
    from assay.client import AsyncAssay
    from assay.queue import QueueEntry, QueuePage, QueueStatus

MOST_SLOTS = 10_000

queue = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@queue.callback()
def status(context: typer.Context, as_json: Json = False) -> None:
    """Show the queue; list, watch, pause or resize it. Without a command: shows how it stands now."""
    if context.invoked_subcommand is None:
        _show(context, lambda client: client.queue_status(), as_json=as_json)


@queue.command()
def watch(context: typer.Context, as_json: JsonLines = False) -> None:
    """Print a line at each change. Stop it with Ctrl-C."""
    from assay.cli import queue_text
    from assay.cli.screen import open_screen
    from assay.cli.session import PASSED, run

    as_json = wants_json(context, as_json)

    async def body(client: AsyncAssay) -> int:
        screen = open_screen()
        if not as_json:
            screen.show([queue_text.WATCH_TITLES])
        async with aclosing(client.watch_queue()) as changes:
            async for found in changes:
                if as_json:
                    print(json_text(found.to_dict()), flush=True)
                else:
                    screen.show([queue_text.watched(found, datetime.now(UTC))])
        return PASSED

    run(context, body, as_json=as_json)


@queue.command("list")
def list_queue(context: typer.Context, limit: Limit = 20, page_token: PageToken = "", as_json: Json = False) -> None:
    """List the tests that run and wait. In the order in which slots are granted; those of others have no names."""
    from assay.cli import queue_text
    from assay.cli.pages import gathered
    from assay.cli.screen import open_screen
    from assay.cli.session import PASSED, run

    as_json = wants_json(context, as_json)

    async def body(client: AsyncAssay) -> int:
        running: list[QueueEntry] = []

        def waiting(page: QueuePage) -> tuple[QueueEntry, ...]:
            running.extend(page.running)
            return page.waiting

        found, token = await gathered(client.queue_list(limit=limit, page_token=page_token), waiting)
        if as_json:
            both = {"running": [one.to_dict() for one in running], "waiting": [one.to_dict() for one in found]}
            print(json_text({**both, "next_page_token": token}))
            return PASSED
        screen = open_screen()
        screen.show(queue_text.entries([*running, *found], datetime.now(UTC), screen.width))
        if token:
            screen.show([[(f"more: add --page-token {token}", "dim")]])
        return PASSED

    run(context, body, as_json=as_json)


@queue.command()
def pause(
    context: typer.Context,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for those who wait.")] = "",
    as_json: Json = False,
) -> None:
    """Let no further test start (for admins). Running ones go on, new ones wait."""
    _show(context, lambda client: client.admin.pause_queue(reason), as_json=as_json)


@queue.command()
def resume(context: typer.Context, as_json: Json = False) -> None:
    """Let tests start again (for admins)."""
    _show(context, lambda client: client.admin.resume_queue(), as_json=as_json)


# A number below zero looks like an option: taken as an argument, it is told what it should be.
@queue.command(cls=Command, context_settings={"ignore_unknown_options": True})
def capacity(
    context: typer.Context,
    slots: Annotated[str, typer.Argument(metavar="N", help="How many tests run at once: 0 to 10,000.")],
    as_json: Json = False,
) -> None:
    """Set how many tests run at once (for admins). Fewer lets running ones end."""
    if not slots.isdecimal() or int(slots) > MOST_SLOTS:
        raise typer.BadParameter(f"{slots!r} is no capacity: write a number from 0 to {MOST_SLOTS:,}", param_hint="N")
    _show(context, lambda client: client.admin.set_capacity(int(slots)), as_json=as_json)


def _show(context: typer.Context, ask: Callable[[AsyncAssay], Awaitable[QueueStatus]], *, as_json: bool) -> None:
    from assay.cli import queue_text
    from assay.cli.screen import open_screen
    from assay.cli.session import PASSED, run

    as_json = wants_json(context, as_json)

    async def body(client: AsyncAssay) -> int:
        found = await ask(client)
        if as_json:
            print(json_text(found.to_dict()))
        else:
            open_screen().show(queue_text.status(found))
        return PASSED

    run(context, body, as_json=as_json)
