"""Commands about one test that ask once and print: get, cancel."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.jsontext import json_text
from assay.cli.options import Json, TestId

if TYPE_CHECKING:
    from assay.client import AsyncAssay


def get(context: typer.Context, test: TestId, as_json: Json = False) -> None:
    """Show one test: state, answer or failure, times."""
    from assay.cli import find, result_text, text
    from assay.cli.screen import open_screen
    from assay.cli.session import PASSED, run

    async def body(client: AsyncAssay) -> int:
        found = await client.get(await find.test_id(client, test))
        if as_json:
            print(json_text(found.to_dict()))
        else:
            screen = open_screen()
            screen.show(text.details(found, datetime.now(UTC)))
            screen.show(result_text.notes(found, every=True))
        return PASSED

    run(context, body, as_json=as_json)


def cancel(
    context: typer.Context,
    test: TestId,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the record.")] = "",
    as_json: Json = False,
) -> None:
    """Stop a test, waiting or running."""
    from assay.cli import find
    from assay.cli.screen import open_screen
    from assay.cli.session import PASSED, run
    from assay.tests import CancelOutcome, TestState

    waiting = {TestState.SUBMITTED, TestState.QUEUED}
    said = {
        CancelOutcome.REMOVED_FROM_QUEUE: "cancelled: it was waiting, and nothing of it runs",
        CancelOutcome.STOPPING: "stopping: its task was told to end",
        CancelOutcome.ALREADY_ENDED: "it had ended already",
    }

    async def body(client: AsyncAssay) -> int:
        cancelled = await client.cancel(await find.test_id(client, test), reason)
        if as_json:
            print(json_text({"outcome": cancelled.outcome.value, "test": cancelled.test.to_dict()}))
        else:
            words = said.get(cancelled.outcome, "cancelled")
            if cancelled.outcome is CancelOutcome.ALREADY_ENDED:
                words += f": {cancelled.test.state.value}"
            elif cancelled.outcome is CancelOutcome.STOPPING and cancelled.test.state in waiting:
                words = "stopping: it leaves the queue and does not run"  # once there is a scheduler again
            open_screen().show([[(cancelled.test.id, "id"), (f"  {words}", "")]])
        return PASSED

    run(context, body, as_json=as_json)
