"""Lists that come in pages, as commands show them: up to a limit, as a table or as JSON, and how to go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from assay.cli.jsontext import json_text

if TYPE_CHECKING:
    from assay.cli.text import Line
    from assay.listing import AsyncListing, Paged

    Table = Callable[[int | None], Iterable[Line]]


class _Plain(Protocol):
    def to_dict(self) -> dict[str, Any]: ...


P = TypeVar("P", bound="Paged")
T = TypeVar("T")


async def gathered(listing: AsyncListing[P, T], things: Callable[[P], Iterable[T]]) -> tuple[list[T], str]:
    """All things of the list, which has a limit, and the token of what follows them."""
    found: list[T] = []
    token = ""
    async for page in listing.pages():
        found += things(page)
        token = page.next_page_token
    return found, token


def show(name: str, found: Sequence[_Plain], token: str, table: Table, *, as_json: bool) -> None:
    """Prints the things of this name; `table` makes lines for a screen of so many columns."""
    if as_json:
        print(json_text({name: [one.to_dict() for one in found], "next_page_token": token}))
        return
    from assay.cli.screen import open_screen

    screen = open_screen()
    screen.show(table(screen.width) if found else [[(f"no {name}", "dim")]])
    if token:
        screen.show([[(f"more: add --page-token {token}", "dim")]])
