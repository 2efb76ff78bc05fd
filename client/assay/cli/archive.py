"""`assay archive`: tests that ended are put away, out of the lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli import arguments
from assay.cli.jsontext import json_text
from assay.cli.options import Agent, FailureCode, Json, Labels, OfUser, Provider, Since, States, Until, Words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.client import AsyncAssay


def archive(
    context: typer.Context,
    tests: Annotated[
        list[str] | None, typer.Argument(metavar="TEST", help="Ids of tests; `last` is your newest one.")
    ] = None,
    older_than: Annotated[
        str, typer.Option(metavar="TIME", help="That ended so long ago: 7d, 12h. Without any TEST: 7d if not said.")
    ] = "",
    state: States = None,
    agent: Agent = "",
    label: Labels = None,
    provider: Provider = "",
    failure: FailureCode = "",
    since: Since = "",
    until: Until = "",
    text: Words = "",
    user: OfUser = "",
    everybody: Annotated[bool, typer.Option("--everybody", help="Of all users (for admins); else your own.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count them, change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Archive tests that ended. Lists leave them out then, everything else stays.

    Without any TEST and option: those that ended at least 7 days ago. Waiting and running tests are never archived.
    """
    from assay.cli import admin_text, find
    from assay.cli.screen import open_screen
    from assay.cli.session import PASSED, run

    age = arguments.ago(older_than, "--older-than") if older_than else None
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
    if tests and (wanted or everybody):
        raise typer.BadParameter("name tests, or say by conditions which; not both", param_hint="TEST")
    if user and everybody:
        raise typer.BadParameter("goes without --user only", param_hint="--everybody")

    async def body(client: AsyncAssay) -> int:
        named = [await find.test_id(client, name) for name in tests or ()]
        screen = None if as_json else open_screen()
        try:
            if screen is not None:
                screen.busy("counting" if dry_run else "archiving")  # which may take minutes
            done = await client.archive(named, older_than=age, everybody=everybody, validate_only=dry_run, **wanted)
            if screen is None:
                print(json_text(done.to_dict()))
                return PASSED
            reasons = await _reasons(client, done.skipped[: admin_text.MOST_NAMED])
            screen.close()
            screen.show(admin_text.archived(done, reasons, dry_run=dry_run))
        finally:
            if screen is not None:
                screen.close()
        return PASSED

    run(context, body, as_json=as_json)


async def _reasons(client: AsyncAssay, skipped: Sequence[str]) -> dict[str, str]:
    """Why tests were skipped, as far as looking at them tells."""
    from assay.errors import NotFound
    from assay.tests import TestState

    reasons = {}
    for test_id in skipped:
        try:
            test = await client.get(test_id)
        except NotFound:
            reasons[test_id] = "there is no such test"
            continue
        if test.state is TestState.ARCHIVED:
            reasons[test_id] = "is archived already"
        elif test.ended:
            reasons[test_id] = "ended too short a time ago"
        else:
            reasons[test_id] = f"has not ended: {test.state}"
    return reasons
