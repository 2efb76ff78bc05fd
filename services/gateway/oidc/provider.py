"""A sign-in service, for the keys that it signs with: fetched when they are needed and not known, or old.

Every fetch is bounded in time and size, one is under way at most, and a flood of tokens with unknown keys causes one
every REFETCH_S. A service that is away keeps nobody out whose key is known.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import structlog

from services.gateway.errors import BadToken
from services.gateway.metrics import JWKS_FETCHES
from services.gateway.oidc.jwks import SigningKey, signing_keys
from services.gateway.settings import is_encrypted_or_local
from shared.errors import Unavailable

log = structlog.get_logger()

FETCH_S: Final = 5.0
REFETCH_S: Final = 10.0
"""An unknown key is looked for this often at most."""
REFRESH_S: Final = 300.0
"""A key that the service has withdrawn works for this long, and for as long as the service is away."""
MOST_BYTES: Final = 1 << 20
_DISCOVERY: Final = "/.well-known/openid-configuration"  # OpenID Connect Discovery 1.0, 4
_AWAY: Final = "The keys of the sign-in service cannot be fetched; try again in a moment."
_UNKNOWN: Final = "This token is signed with a key that the sign-in service does not have. Sign in again."
_NAMELESS: Final = "This token does not name the key that it is signed with (kid), and the sign-in service has several."


class Provider:
    """The keys of one issuer."""

    def __init__(self, issuer: str, jwks_url: str = "", *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._monotonic = monotonic
        self._keys: dict[str, SigningKey] = {}
        self._old_from = 0.0
        self._next_fetch = 0.0
        self._away = False
        self._fetching = asyncio.Lock()

    async def key(self, kid: str | None) -> SigningKey:
        """The key of this name. Raises BadToken where the service has none, Unavailable where that cannot be told."""
        known = self._known(kid)
        if known is not None:
            return known  # however old: `refresh` sees to that, and nobody waits for it
        async with self._fetching:
            known = self._known(kid)
            if known is None and self._monotonic() >= self._next_fetch:
                await self._fetch()
                known = self._known(kid)
        if known is not None:
            return known
        if self._away:
            raise Unavailable(_AWAY)
        raise BadToken(_NAMELESS if kid is None and self._keys else _UNKNOWN)

    async def refresh(self) -> None:
        """Fetches the keys anew where they are old. For a timer; does nothing before the first token came."""
        if self._keys and self._monotonic() >= self._old_from:
            async with self._fetching:
                await self._fetch()

    def _known(self, kid: str | None) -> SigningKey | None:
        if kid is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(kid)

    async def _fetch(self) -> None:
        """Takes the keys that there are now. Who is cancelled leaves the next fetch to who waits behind."""
        try:
            async with asyncio.timeout(FETCH_S):
                self._keys = signing_keys(await self._key_set())
        except (aiohttp.ClientError, OSError, ValueError, RecursionError, TimeoutError) as error:
            log.warning("oidc_keys_not_fetched", issuer=self._issuer, error=repr(error))
            JWKS_FETCHES.labels("failed").inc()
            self._away = True
        else:
            log.info("oidc_keys_fetched", issuer=self._issuer, keys=len(self._keys))
            JWKS_FETCHES.labels("done").inc()
            self._away = False
            self._old_from = self._monotonic() + REFRESH_S
        self._next_fetch = self._monotonic() + REFETCH_S

    async def _key_set(self) -> object:
        # Of the environment only a proxy is wanted, and that on the way out, not to a service of this machine.
        async with aiohttp.ClientSession(trust_env=self._issuer.startswith("https:")) as http:
            url = self._jwks_url or await self._discovered(http)
            return await _document(http, url)

    async def _discovered(self, http: aiohttp.ClientSession) -> str:
        found: Any = await _document(http, self._issuer.rstrip("/") + _DISCOVERY)
        if not isinstance(found, dict) or found.get("issuer") != self._issuer:
            raise ValueError("the discovery document is of another issuer")
        url = str(found.get("jwks_uri", ""))
        if not is_encrypted_or_local(url):
            raise ValueError("the discovery document names no https address for the keys")
        return url


async def _document(http: aiohttp.ClientSession, url: str) -> object:
    """The JSON document at `url`. No redirects: they could lead anywhere."""
    async with http.get(url, allow_redirects=False, headers={"Accept": "application/json"}) as answer:
        if answer.status != 200:
            raise ValueError(f"{url} answered {answer.status}")
        body = bytearray()
        async for piece in answer.content.iter_any():
            body += piece
            if len(body) > MOST_BYTES:
                raise ValueError(f"{url} answered more than {MOST_BYTES} bytes")
        return json.loads(body)
