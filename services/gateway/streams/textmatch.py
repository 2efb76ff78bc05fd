"""Whether a text appears in a line: the one answer for pages, streams and searches of output.

Knows nothing of levels, streams and numbers (loglines.py does).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.gateway.errors import Violations
from shared.escapes import plain

LONGEST: Final = 200
"""Characters of a text that is looked for (the API says so)."""


@dataclass(frozen=True, slots=True)
class TextMatch:
    """A text that is looked for. An empty one is in every line."""

    text: str = ""
    """As it is compared: casefolded unless case matters."""
    match_case: bool = False

    @classmethod
    def of(cls, text: str, *, match_case: bool) -> TextMatch:
        return cls(text if match_case else text.casefold(), match_case and bool(text))

    def is_in(self, line: str) -> bool:
        return not self.text or self.text in self._compared(plain(line))

    def may_be_in(self, lines: Sequence[str]) -> bool:
        """False only where it is in none of them: much cheaper than to ask for each of many."""
        if not self.text:
            return True
        joined = "\n".join(lines)
        return "\x1b" in joined or "\x9b" in joined or self.text in self._compared(joined)

    def _compared(self, text: str) -> str:
        return text if self.match_case else text.casefold()


def check_text(text: str, violations: Violations) -> None:
    """Whether a text of a request can be looked for."""
    if len(text) > LONGEST:
        violations.add("text", f"must have at most {LONGEST} characters, this has {len(text)}")
