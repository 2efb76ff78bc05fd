"""Says once for each process which known holes the servers have that it works with."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Final

import structlog

from shared.advisories import LEAST, holes_of

log = structlog.get_logger()
_MANY: Final = 256


def tell_holes(server: str, version: str, closed: AbstractSet[str] = frozenset()) -> None:
    """Warns of each hole of this version; of those that are `closed` in another way it only tells."""
    for hole in holes_of(server, version):
        if hole.id in closed:
            _tell_closed(server, version, hole.id)
        else:
            _warn(server, version, hole.id, hole.what, hole.source)


@lru_cache(_MANY)
def _warn(server: str, version: str, hole: str, what: str, source: str) -> None:
    hint = f"take {' or '.join(LEAST[server])}, or later"
    log.warning(
        "server_version_has_known_hole", server=server, version=version, hole=hole, what=what, hint=hint, source=source
    )


@lru_cache(_MANY)
def _tell_closed(server: str, version: str, hole: str) -> None:
    log.info("server_hole_is_closed_here", server=server, version=version, hole=hole)
