"""From `authorization: Bearer <key>` to a caller.

Keys are remembered for a few seconds, so that a busy client costs no store reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from services.gateway.caller import Caller
from services.gateway.errors import Unauthenticated
from services.gateway.ports import Keys, Now
from shared.store.documents import ApiKey
from shared.store.keys import hash_of

FRESH_S: Final = 4.0
REMEMBER_S: Final = 5.0
"""A revoked key ends everywhere within this time.

From FRESH_S on one call looks the key up again while others go on with what is known."""
MOST_KNOWN: Final = 10_000
MOST_UNKNOWN: Final = 10_000

_HOW: Final = "Send your API key as metadata `authorization: Bearer <key>`"
MISSING: Final = f"There is no API key in this call. {_HOW} (SDK and CLI: set ASSAY_API_KEY)."
NOT_BEARER: Final = f"The metadata `authorization` must be `Bearer <key>`. {_HOW}."
UNKNOWN: Final = (
    "This API key is not known here. Check that it was copied whole and belongs to this server, "
    "or ask an admin for a new one."
)
REVOKED: Final = "This API key was revoked. Ask an admin for a new one."
EXPIRED: Final = "This API key has expired. Ask an admin for a new one."


class _Known(NamedTuple):
    key: ApiKey | None
    fresh_until: float
    end: float


class Authentication:
    """Who may come in."""

    def __init__(self, keys: Keys, now: Now, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._now = now
        self._monotonic = monotonic
        # Wrong keys have their own memory: a flood of them must not push the right ones out.
        self._known: dict[str, _Known] = {}
        self._unknown: dict[str, _Known] = {}

    async def caller(self, authorization: str | None) -> Caller:
        """The caller with this header value. Raises Unauthenticated, and StoreError where the store does not answer."""
        if authorization is None:
            raise Unauthenticated(MISSING)
        scheme, _, secret = authorization.partition(" ")
        secret = secret.strip()
        if scheme.lower() != "bearer" or not secret:
            raise Unauthenticated(NOT_BEARER)
        key = await self._find(secret)
        if key is None:
            raise Unauthenticated(UNKNOWN)
        if key.revoked_at is not None:
            raise Unauthenticated(REVOKED)
        if key.expires_at is not None and key.expires_at <= self._now():
            raise Unauthenticated(EXPIRED)
        return Caller(key.user_id, admin=key.role == "admin")

    async def _find(self, secret: str) -> ApiKey | None:
        name = hash_of(secret)
        now = self._monotonic()
        known = self._known.get(name) or self._unknown.get(name)
        if known is not None and now < known.fresh_until:
            return known.key
        if known is not None and known.key is not None and now < known.end:
            self._known[name] = known._replace(fresh_until=known.end)
        key = await self._keys.find(secret)
        memory, most = (self._unknown, MOST_UNKNOWN) if key is None else (self._known, MOST_KNOWN)
        (self._known if key is None else self._unknown).pop(name, None)
        memory.pop(name, None)
        while len(memory) >= most:
            del memory[next(iter(memory))]  # the oldest: a dictionary keeps its order
        memory[name] = _Known(key, now + FRESH_S, now + REMEMBER_S)
        return key
