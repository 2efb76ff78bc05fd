"""`assay-admin dead`: messages that no service could handle, listed and sent again. Talks to NATS directly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from shared.bus.dead import DeadLetter, DeadLetters, Replayed

LONGEST_BODY = 200
T = TypeVar("T")

app = typer.Typer(
    help="Messages that no service could handle (ASSAY_NATS_URL).", no_args_is_help=True, rich_markup_mode=None
)


@app.command("list")
def list_letters(
    *,
    service: Annotated[str, typer.Option(help="Of this service: gateway, scheduler, orchestrator ...")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most letters to show.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead, one object a line.")] = False,
) -> None:
    """List dead letters, newest first: what was to be told, to whom, and why it was given up."""

    async def work(letters: DeadLetters) -> None:
        found: list[DeadLetter] = []
        below: int | None = None
        while len(found) < limit:
            page = await letters.page(below, limit - len(found), service=service)
            found += page.letters
            below = page.below
            if below is None:
                break
        for letter in found:
            print(json.dumps(_plain(letter)) if as_json else _text(letter))
        if not as_json:
            count = await letters.count()
            print(f"{count} dead letters in all" if count != 1 else "1 dead letter in all")

    _with_letters(work)


@app.command()
def replay(
    letter: Annotated[
        int | None, typer.Argument(metavar="NUMBER", min=1, help="Which one, as `list` shows it.")
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All there are now, oldest first.")] = False,
) -> None:
    """Send dead letters to where they were meant to go once more. Harmless where the fact was handled meanwhile.

    Those that cannot be sent again stay, and the others go; where some stay it ends with 1."""
    from shared.errors import NotFound

    if (letter is None) != everything:
        raise typer.BadParameter("name one letter, or give --all", param_hint="NUMBER")

    async def work(letters: DeadLetters) -> int:
        if letter is None:
            all_of_them = await letters.replay_all()
            print(_outcome(all_of_them))
            return all_of_them.stay
        found = await letters.one(letter)
        if found is None:
            raise NotFound(f"there is no dead letter {letter}; `assay-admin dead list` shows those there are")
        await letters.replay(found)
        print(f"{letter} was sent to {printable(found.origin)} again")
        return 0

    if _with_letters(work):
        raise typer.Exit(1)


def _with_letters(work: Callable[[DeadLetters], Awaitable[T]]) -> T:
    from shared.bus.connect import Bus
    from shared.bus.dead import DeadLetters
    from shared.settings import CommonSettings

    async def run() -> T:
        bus = Bus.of(CommonSettings(), "admin")
        async with bus.connected(declare=False):
            return await work(DeadLetters(bus))

    return asyncio.run(run())


def _text(letter: DeadLetter) -> str:
    body = letter.body.decode(errors="backslashreplace")
    return "\n".join(
        (
            f"{letter.sequence}  {letter.at:%Y-%m-%d %H:%M:%S}  {printable(letter.consumer)}",
            f"    origin      {printable(letter.origin) or '(not known any more)'}",
            f"    deliveries  {letter.deliveries}",
            f"    reason      {printable(letter.reason)}",
            f"    message     {printable(body[:LONGEST_BODY])}{' ...' if len(body) > LONGEST_BODY else ''}",
        )
    )


def _outcome(all_of_them: Replayed) -> str:
    sent, stay, named = all_of_them
    if not stay:
        return f"{sent} sent again"
    lines = [f"{sent} sent again, {stay} {'stays' if stay == 1 else 'stay'}:"]
    lines += [f"    {letter.sequence}  {printable(letter.why)}" for letter in named]
    return "\n".join([*lines, *(["    ..."] if stay > len(named) else [])])


def printable(text: str) -> str:
    """One line that does not steer the reader's terminal, whoever has published it."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _plain(letter: DeadLetter) -> dict[str, Any]:
    return {
        "number": letter.sequence,
        "time": letter.at.isoformat(),
        "consumer": letter.consumer,
        "origin": letter.origin,
        "deliveries": letter.deliveries,
        "reason": letter.reason,
        "message": letter.body.decode(errors="backslashreplace"),
    }
