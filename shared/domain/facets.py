"""What a test can be found by: short strings in one array of its document, under one index for all of them.

Set when the test is handed in and never taken away; where a test stands is not among them, so that a move rewrites
none of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

MOST_WORDS: Final = 200
"""Of a longer text the first so many different words can be searched for: each costs two entries in indexes."""
LONGEST_WORD: Final = 40
"""Characters; of a longer word the beginning counts, here and in a search."""

_WORD: Final = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """The different words of a text, in their order, without case: runs of letters, digits and `_`."""
    found: dict[str, None] = {}
    for match in _WORD.finditer(text):
        found[match.group().casefold()[:LONGEST_WORD]] = None
        if len(found) == MOST_WORDS:
            break
    return list(found)


def of_agent(agent_id: str) -> str:
    return f"agent:{agent_id}"


def of_label(key: str, value: str = "") -> str:
    """Of a label with this value; without one, of the label whatever its value."""
    return f"label:{key}={value}" if value else f"label:{key}"


def of_provider(provider: str) -> str:
    return f"provider:{provider}"


def of_word(word: str) -> str:
    return f"word:{word}"


def facets(*, agent_id: str, labels: Iterable[str], provider: str, text: str) -> list[str]:
    """Everything that a test can be found by. `labels` are `key=value`, as they are stored."""
    found = [of_agent(agent_id)]
    for label in labels:
        key, _, value = label.partition("=")
        found.append(of_label(key))
        if value:
            found.append(of_label(key, value))
    if provider:
        found.append(of_provider(provider))
    return [*found, *(of_word(word) for word in words(text))]
