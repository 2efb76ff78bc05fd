"""From `authorization: Bearer <key>` to a caller, where the key may also be a token of a sign-in service.

Keys are remembered for a few seconds, so that a busy client costs no store reads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final, NamedTuple

import structlog

from services.gateway.caller import Caller
from services.gateway.errors import Busy, Unauthenticated
from services.gateway.oidc.tokens import Tokens, is_token
from services.gateway.ports import Keys, Now
from shared.store.connect import StoreError
from shared.store.documents import ApiKey
from shared.store.keys import hash_of

log = structlog.get_logger()

FRESH_S: Final = 3.0
REMEMBER_S: Final = 5.0
"""A revoked key ends everywhere within this time.

From FRESH_S on one call looks the key up again while others go on with what is known."""
IN_NEED_S: Final = 600.0
"""So long a key that was looked up is known to a call that says what is down, while the store does not answer."""
USED_EVERY: Final = timedelta(minutes=1)
"""How exactly it is noted when a key was used."""
MOST_KNOWN: Final = 10_000
MOST_UNKNOWN: Final = 10_000
MET_AT_ONCE: Final = 16
"""So many keys that are not known here are looked up at a time: half the connections to the store, as for streams."""
MOST_WAITING: Final = 5_000
"""So many calls may wait for that. They hold no message, only their headers."""

_HOW: Final = "Send your API key as metadata `authorization: Bearer <key>`"
MISSING: Final = f"There is no API key in this call. {_HOW} (SDK and CLI: set ASSAY_API_KEY)."
NOT_BEARER: Final = f"The metadata `authorization` must be `Bearer <key>`. {_HOW}."
UNKNOWN: Final = (
    "This API key is not known here. Check that it was copied whole and belongs to this server, "
    "or ask an admin for a new one."
)
REVOKED: Final = "This API key was revoked. Ask an admin for a new one."
EXPIRED: Final = "This API key has expired. Ask an admin for a new one."
NO_TOKENS: Final = (
    "This is a token of a sign-in service, and this server takes API keys only. Send an API key, or ask those who run "
    "the server to set ASSAY_GATEWAY_OIDC_ISSUER."
)


class _Known(NamedTuple):
    key: ApiKey | None
    found_at: float
    fresh_until: float
    end: float


class Authentication:
    """Who may come in."""

    def __init__(
        self,
        keys: Keys,
        now: Now,
        *,
        tokens: Tokens | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._tokens = tokens
        self._now = now
        self._monotonic = monotonic
        # Wrong keys have their own memory: a flood of them must not push the right ones out.
        self._known: dict[str, _Known] = {}
        self._meeting = asyncio.Semaphore(MET_AT_ONCE)
        self._waiting = 0
        self._unknown: dict[str, _Known] = {}

    async def caller(self, authorization: str | None) -> Caller:
        """The caller with this header value.

        Raises Unauthenticated; StoreError or Unavailable where the store or the sign-in service does not answer."""
        if authorization is None:
            raise Unauthenticated(MISSING)
        scheme, _, secret = authorization.partition(" ")
        secret = secret.strip()
        if scheme.lower() != "bearer" or not secret:
            raise Unauthenticated(NOT_BEARER)
        if is_token(secret):
            if self._tokens is None:
                raise Unauthenticated(NO_TOKENS)
            return await self._tokens.caller(secret)
        key = await self._find(secret)
        return self._caller(key)

    def remembered(self, authorization: str | None) -> Caller | None:
        """The caller with this header value as far as was known IN_NEED_S ago or later; None where nothing was, or the
        key did not work. It may have been revoked since: who takes this asks `caller` beside it, and lets nobody in
        whom the store, if it answers, does not know any more."""
        secret = (authorization or "").partition(" ")[2].strip()
        known = self._known.get(hash_of(secret))
        if known is None or self._monotonic() - known.found_at > IN_NEED_S:
            return None
        try:
            return self._caller(known.key)
        except Unauthenticated:
            return None

    def _caller(self, key: ApiKey | None) -> Caller:
        if key is None:
            raise Unauthenticated(UNKNOWN)
        if key.revoked_at is not None:
            raise Unauthenticated(REVOKED)
        if key.expires_at is not None and key.expires_at <= self._now():
            raise Unauthenticated(EXPIRED)
        return Caller(key.user_id, admin=key.role == "admin", until=key.expires_at, key_id=key.key_id)

    def forget(self) -> None:
        """Keys were revoked: each is looked up anew when it is used next."""
        self._known.clear()

    async def refresh(self) -> None:
        """Keeps the keys of the sign-in service new, if there is one. For a timer."""
        if self._tokens is not None:
            await self._tokens.refresh()

    async def _find(self, secret: str) -> ApiKey | None:
        name = hash_of(secret)
        now = self._monotonic()
        known = self._known.get(name) or self._unknown.get(name)
        if known is not None and now < known.fresh_until:
            return known.key
        if known is not None and known.key is not None and now < known.end:
            self._known[name] = known._replace(fresh_until=known.end)
        key = await (self._keys.find(secret) if known and known.key else self._meet(secret, name))
        noted = self._known.get(name)
        if key is None or not self._is_worth_noting(key, noted.key if noted else None):
            self._remember(name, key, now)
            return key
        key = key.model_copy(update={"last_used_at": self._now()})
        self._remember(name, key, now)  # first, so that calls at the same time do not note it again
        try:
            await self._keys.used(key, self._now())
        except StoreError as error:  # it comes in all the same
            log.warning("key_use_not_noted", key_id=key.key_id, error=repr(error))
        return key

    async def _meet(self, secret: str, name: str) -> ApiKey | None:
        """Looks up a key that is not known here, or known to be none: a few at a time, or wrong ones would take the
        whole store. Of many calls with the same one, the first has found out for all."""
        if self._waiting >= MOST_WAITING:
            raise Busy(f"{MOST_WAITING} keys that this gateway does not know yet wait to be looked up; try again.")
        self._waiting += 1
        try:
            async with self._meeting:
                met = self._known.get(name) or self._unknown.get(name)
                if met is not None and self._monotonic() < met.fresh_until:
                    return met.key
                return await self._keys.find(secret)
        finally:
            self._waiting -= 1

    def _remember(self, name: str, key: ApiKey | None, now: float) -> None:
        memory, most = (self._unknown, MOST_UNKNOWN) if key is None else (self._known, MOST_KNOWN)
        (self._known if key is None else self._unknown).pop(name, None)
        memory.pop(name, None)
        while len(memory) >= most:
            del memory[next(iter(memory))]  # the oldest: a dictionary keeps its order
        memory[name] = _Known(key, now, now + FRESH_S, now + REMEMBER_S)

    def _is_worth_noting(self, key: ApiKey, known: ApiKey | None) -> bool:
        """Whether this is a use of a key that works, and the last one that was noted is a while ago."""
        now = self._now()
        if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
            return False
        noted = [one.last_used_at for one in (key, known) if one is not None and one.last_used_at is not None]
        return all(now - at >= USED_EVERY for at in noted)
