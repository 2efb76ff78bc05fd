"""How far a tab has come, and the resume token that says so: `l1.5f0c3a9e=123;l2.91d2b0c4=7`. Pure.

A position counts for a feed with the same id that shows the same: after a change of the filter it is no place to go on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from services.console.errors import Violation
from services.console.events.feeds import MOST_FEEDS, BadQuery, Feed, LogFeed

_ENTRY: Final = re.compile(r"([A-Za-z0-9_-]{1,32})\.([0-9a-f]{8})=([0-9]{1,19})", re.ASCII)
MOST_CHARACTERS: Final = MOST_FEEDS * (32 + 1 + 8 + 1 + 19 + 1)
FRESH: Final = 0
"""Position of a feed that has told nothing yet."""
SEEN: Final = 1
"""Position of a feed without numbers that has told something."""


class Positions:
    """Of the feeds of one tab: of a log the number of its last whole line told, of tests that they are followed."""

    def __init__(self, feeds: Iterable[Feed], token: str) -> None:
        """`token`: what the tab saw last; empty: nothing. Raises BadQuery for one that was not made here."""
        reached = _parse(token)
        self._feeds = {feed.id: feed for feed in feeds}
        self._reached = {name: _start(feed, reached) for name, feed in self._feeds.items()}
        self._token: str | None = None

    def of(self, name: str) -> int:
        return self._reached[name]

    def move(self, name: str, to: int) -> None:
        if to != self._reached[name]:
            self._reached[name] = to
            self._token = None

    @property
    def token(self) -> str:
        if self._token is None:
            self._token = ";".join(
                f"{name}.{self._feeds[name].identity}={reached}" for name, reached in self._reached.items() if reached
            )
        return self._token


def _start(feed: Feed, reached: dict[tuple[str, str], int]) -> int:
    before = reached.get((feed.id, feed.identity), FRESH)
    return max(before, feed.from_seq - 1) if isinstance(feed, LogFeed) else before


def _parse(token: str) -> dict[tuple[str, str], int]:
    if not token:
        return {}
    # A token that cannot be read is refused: to begin anew in its place would tell lines twice.
    found = [_ENTRY.fullmatch(entry) for entry in token.split(";")] if len(token) <= MOST_CHARACTERS else [None]
    entries = [entry for entry in found if entry]
    if len(entries) != len(found):
        raise BadQuery([Violation("lastEventId", "is not the id of an event of this stream")])
    return {(entry[1], entry[2]): min(int(entry[3]), 2**63 - 2) for entry in entries}
