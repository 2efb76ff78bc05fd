"""Commands that stay and print what comes: logs, watch."""

from __future__ import annotations

import sys
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.arguments import whole
from assay.cli.jsontext import json_text
from assay.cli.options import JsonLines, TestId

if TYPE_CHECKING:
    from assay.cli.screen import Screen
    from assay.client import AsyncAssay, AsyncLogs


def logs(
    context: typer.Context,
    test: TestId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay until the output has ended.")] = False,
    tail: Annotated[
        int | None,
        typer.Option(
            "--tail",
            "-n",
            metavar="N",
            parser=whole("--tail", least=1, most=10_000),
            help="Begin with the last N lines.",
        ),
    ] = None,
    from_seq: Annotated[
        int, typer.Option("--from", metavar="SEQ", parser=whole("--from", least=1), help="Begin at this line.")
    ] = 1,
    level: Annotated[str, typer.Option(metavar="LEVEL", help="Only lines of at least this level.")] = "",
    stream: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only stdout, stderr, build or system.")
    ] = None,
    times: Annotated[bool, typer.Option("--times", "-t", help="Show time and stream of each line.")] = False,
    partial: Annotated[
        bool,
        typer.Option("--partial", help="With --follow --json: also what lines that have not ended say so far."),
    ] = False,
    as_json: JsonLines = False,
) -> None:
    """Print the output of a test."""
    from assay.cli import find
    from assay.cli.session import run

    async def body(client: AsyncAssay) -> int:
        wanted = client.logs(
            await find.test_id(client, test),
            follow=follow,
            from_seq=from_seq,
            tail=tail,
            min_level=level or None,
            streams=stream or (),
        )
        return await _print_logs(wanted, times=times, as_json=as_json, partial=partial)

    run(context, body, as_json=as_json)


async def _print_logs(wanted: AsyncLogs, *, times: bool, as_json: bool, partial: bool) -> int:
    from assay.cli import text
    from assay.cli.output import RawOutput
    from assay.cli.screen import open_screen
    from assay.cli.session import PASSED

    if as_json:
        await _print_json(wanted, partial=partial)
    else:
        out = TimedOutput(open_screen()) if times else RawOutput(sys.stdout)
        try:
            async with aclosing(wanted.updates()) as updates:
                async for lines, partials in updates:
                    if lines:
                        out.write(lines)
                    if partials:
                        out.say(partials)
        finally:
            out.close()
    if wanted.complete is None:
        return PASSED
    if as_json:
        print(json_text({"logs_complete": wanted.complete.to_dict()}), flush=True)
    elif not wanted.complete.complete or wanted.complete.truncated:
        note = "".join(piece for piece, _ in text.output(wanted.complete)).strip()
        print(f"note: {note}", file=sys.stderr)
    return PASSED


async def _print_json(wanted: AsyncLogs, *, partial: bool) -> None:
    if not partial:
        async for batch in wanted.batches():
            print("\n".join(json_text(line.to_dict()) for line in batch), flush=True)
        return
    async for lines, partials in wanted.updates():
        found = [line.to_dict() for line in lines] + [{"partial": said.to_dict()} for said in partials]
        print("\n".join(map(json_text, found)), flush=True)


class TimedOutput:
    """Lines with their times, on a screen."""

    def __init__(self, screen: Screen) -> None:
        self.write = screen.log
        self.say = screen.say
        self.close = screen.close


def watch(context: typer.Context, test: TestId, as_json: JsonLines = False) -> None:
    """Follow a test from state to state (exit code 1: it failed)."""
    from assay.cli import find
    from assay.cli.session import run

    async def body(client: AsyncAssay) -> int:
        from assay.cli.follow import JsonTeller, StoryTeller, follow_test

        found = await find.test_id(client, test)
        return await follow_test(client, found, JsonTeller() if as_json else StoryTeller(), with_logs=False)

    run(context, body, as_json=as_json)
