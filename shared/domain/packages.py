"""The states of a deployment package, and the one table that says what may follow what."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final


class PackageState(StrEnum):
    """Where a package stands."""

    GENERATING = "GENERATING"
    READY = "READY"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


MOVES: Final[dict[PackageState, frozenset[PackageState]]] = {
    PackageState.GENERATING: frozenset({PackageState.READY, PackageState.FAILED}),
    # Asked for again, one that was removed or could not be made is made again, under the same id.
    PackageState.READY: frozenset({PackageState.EXPIRED, PackageState.GENERATING}),
    PackageState.FAILED: frozenset({PackageState.GENERATING}),
    PackageState.EXPIRED: frozenset({PackageState.GENERATING}),
}


def standing(state: PackageState, expires_at: datetime | None, now: datetime) -> PackageState:
    """Where a package stands by the clock: one whose time is over is expired, whether or not somebody has said so."""
    over = state is PackageState.READY and expires_at is not None and expires_at <= now
    return PackageState.EXPIRED if over else state
