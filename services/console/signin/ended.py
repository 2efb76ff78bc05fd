"""Sessions that have ended here, so that an answer which was under way does not bring one back.

A token may be renewed while somebody signs out, and the cookie with the new one may reach the browser last. This
process remembers which sessions have ended and writes them no more; for the other replicas, and for answers that
overtake each other on the way, the browser remembers, in a cookie of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from services.console.signin import cookies

COOKIE: Final = "assay_ended"
MOST: Final = 16
"""Sessions that a browser remembers, the newest: any of them but the last was overwritten by the next."""
LONGEST: Final = 32
"""Characters of an id; they have 12 now."""
KEPT_S: Final = 900.0
"""Longer than any request is under way before its answer begins: an upload takes up to 11 minutes."""


class Ended:
    """The ids of sessions that have ended."""

    def __init__(self, now: Callable[[], float], *, lasts_s: float) -> None:
        """`lasts_s`: as long as a cookie of a session may last."""
        self._now = now
        self._lasts_s = lasts_s
        self._here: dict[str, float] = {}

    def add(self, name: str, response: Response, request: Request) -> None:
        if not name:  # a session of an older console
            return
        oldest = self._now() - KEPT_S
        for one in [one for one, at in self._here.items() if at < oldest]:
            del self._here[one]
        self._here[name] = self._now()
        known = [one for one in _in(request.cookies) if one != name]
        value = ".".join([*known, name][-MOST:])
        cookies.write(response, COOKIE, value, request, seconds=int(self._lasts_s) + 1)

    def has(self, name: str, request: Request) -> bool:
        return bool(name) and (name in self._here or self.is_known_to_browser(name, request))

    def is_known_to_browser(self, name: str, request: Request) -> bool:
        """Whether the browser had heard of it when it sent this request."""
        return bool(name) and name in _in(request.cookies)


def _in(found: Mapping[str, str]) -> list[str]:
    # What is too long is none of ours, and would keep the newest one out of the cookie.
    return [name for name in found.get(COOKIE, "").split(".") if 0 < len(name) <= LONGEST]
