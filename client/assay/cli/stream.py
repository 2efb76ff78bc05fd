"""Commands that stay and print what comes: logs, watch."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from assay.cli.arguments import line_range, whole
from assay.cli.jsontext import json_text
from assay.cli.options import JsonLines, TestId

if TYPE_CHECKING:
    from assay.cli.screen import Screen
    from assay.client import AsyncAssay
    from assay.log_client import AsyncLogs

BEFORE_ERROR = 10  # lines that say how it came to the first error


class LogFilters(TypedDict):
    """Which lines, as the methods of the SDK take it."""

    min_level: str | None
    streams: Iterable[str]
    text: str
    match_case: bool


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
    grep: Annotated[
        str, typer.Option("--grep", "-g", metavar="TEXT", help="Only lines with this in them, whatever its case.")
    ] = "",
    match_case: Annotated[bool, typer.Option("--match-case", help="With --grep: upper and lower case differ.")] = False,
    lines: Annotated[
        str, typer.Option("--lines", metavar="A-B", help="Only these, by their numbers: 120-180, 120- or 120.")
    ] = "",
    first_error: Annotated[
        bool, typer.Option("--first-error", help=f"Begin at the first error, {BEFORE_ERROR} lines before it.")
    ] = False,
    times: Annotated[bool, typer.Option("--times", "-t", help="Show time and stream of each line.")] = False,
    partial: Annotated[
        bool,
        typer.Option("--partial", help="With --follow --json: also what lines that have not ended say so far."),
    ] = False,
    as_json: JsonLines = False,
) -> None:
    """Print the output of a test."""
    from assay.cli import find
    from assay.cli.session import PASSED, run

    begins = {"--from": from_seq != 1, "--tail": tail is not None, "--lines": bool(lines), "--first-error": first_error}
    _check([name for name, given in begins.items() if given], grep=grep, match_case=match_case, tail=tail)
    first, last = line_range(lines, "--lines") if lines else (from_seq, None)

    async def body(client: AsyncAssay) -> int:
        found = await find.test_id(client, test)
        filters: LogFilters = {
            "min_level": level or None,
            "streams": stream or (),
            "text": grep,
            "match_case": match_case,
        }
        begin = await _before_first_error(client, found, filters) if first_error else first
        if begin is None:
            return PASSED
        wanted = client.logs(found, follow=follow, from_seq=begin, to_seq=last, tail=tail, **filters)
        return await _print_logs(wanted, times=times, as_json=as_json, partial=partial)

    run(context, body, as_json=as_json)


def _check(begins: Sequence[str], *, grep: str, match_case: bool, tail: int | None) -> None:
    if len(begins) > 1:
        raise typer.BadParameter("each says where to begin: give one of them", param_hint=" and ".join(begins))
    if match_case and not grep:
        raise typer.BadParameter("needs --grep", param_hint="--match-case")
    if grep and tail is not None:
        raise typer.BadParameter("exclude each other: give --from or --lines", param_hint="--grep and --tail")


async def _before_first_error(client: AsyncAssay, test_id: str, filters: LogFilters) -> int | None:
    """The number to begin at; None, and a word on it, where there is no error so far."""
    found = await client.search_logs(test_id, **filters)
    if found.first_error_seq is None:
        print("note: there is no error in these lines" + ("" if found.complete else " so far"), file=sys.stderr)
        return None
    return max(found.first_error_seq - BEFORE_ERROR, 1)


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
