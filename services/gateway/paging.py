"""Pages of lists: how many entries, and the tokens that go on, each sealed with a hash of the query it belongs to.

No secret is needed: a forged token leads to a place in the caller's own list and nowhere else.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from services.gateway.errors import InvalidRequest, Violation, Violations

_SEAL: Final = 8
_ID: Final = re.compile(r"[a-z]{3}_[0-9a-f]{32}")
TESTS: Final = "tst_"
PACKAGES: Final = "pkg_"
KEYS: Final = "key_"


@dataclass(frozen=True, slots=True)
class PageSize:
    """How many entries a page has where a request leaves it open (0), and at most."""

    default: int
    most: int

    def check(self, requested: int, violations: Violations) -> None:
        if requested < 0:
            violations.add("page_size", f"must be from 1 to {self.most}, or 0 for {self.default}")

    def of(self, requested: int) -> int:
        return min(requested or self.default, self.most)


ENTRIES: Final = PageSize(default=20, most=100)


def sealed(query: bytes, place: bytes) -> str:
    """The token of the page that begins at `place`, in whatever form the list notes its places."""
    return base64.urlsafe_b64encode(place + _seal(query, place)).decode().rstrip("=")


def unsealed(token: str, query: bytes) -> bytes | None:
    """The place where the page begins; None for the first page.

    Raises InvalidRequest for a token that was not made here or belongs to another query."""
    if not token:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    place, seal = raw[:-_SEAL], raw[-_SEAL:]
    if not place or seal != _seal(query, place):
        raise foreign()
    return place


def foreign() -> InvalidRequest:
    """What is said of a token that leads nowhere in this list."""
    return InvalidRequest(
        [Violation("page_token", "does not belong to this query; ask for the first page without a token")]
    )


def page_token(query: bytes, last: str) -> str:
    """The token of the page that follows the thing with the id `last`."""
    return sealed(query, bytes.fromhex(last.partition("_")[2]))


def place_of(token: str, query: bytes, prefix: str = TESTS) -> str | None:
    """The id, with this prefix, after which the page begins; None for the first page. Raises InvalidRequest."""
    place = unsealed(token, query)
    if place is None:
        return None
    last = prefix + place.hex()
    if not _ID.fullmatch(last):
        raise foreign()
    return last


def _seal(query: bytes, place: bytes) -> bytes:
    return hashlib.sha256(b"assay.v1.page\0" + place + query).digest()[:_SEAL]
