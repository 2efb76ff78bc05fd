"""ANSI escapes in text that was written for a terminal: where they are, and the text without them.

Knows nothing of what they mean. The page has the same rule (services/console/web/src/log/match.ts).
"""

from __future__ import annotations

import re
from typing import Final

# ECMA-48: control sequences (colours, movements), then strings such as links and titles, then escapes of two or three
# characters. What was cut off in the middle is passed over as far as it goes.
_ESCAPE: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]?|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~]?)|\x9b[0-?]*[ -/]*[@-~]?"
)
_UNFINISHED: Final = re.compile(r"(?:\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)|\x9b[0-?]*[ -/]*)\Z")


def plain(line: str) -> str:
    """The line without its ANSI escapes."""
    return _ESCAPE.sub("", line) if "\x1b" in line or "\x9b" in line else line


def unfinished(text: str) -> str:
    """The escape at the end of `text` that may go on in what follows it; empty: there is none."""
    found = _UNFINISHED.search(text) if "\x1b" in text or "\x9b" in text else None
    return found.group() if found else ""
