"""From a token of a sign-in service (JWT, RFC 7519) to a caller. Verified ones are remembered for a moment."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol, Self

import jwt
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidSignatureError,
    InvalidTokenError,
    MissingRequiredClaimError,
)

from services.gateway.caller import Caller
from services.gateway.errors import BadToken
from services.gateway.oidc.claims import LEEWAY, Rules, caller_of
from services.gateway.oidc.jwks import ALGORITHMS, SigningKey
from services.gateway.oidc.provider import Provider
from services.gateway.ports import Now
from services.gateway.settings import GatewaySettings
from shared.store.keys import PREFIX

REMEMBER_S: Final = 4.0
MOST_KNOWN: Final = 10_000
_NEEDED: Final = ("exp", "iss", "aud")
_ALGORITHM: Final = (
    "This token is not signed in a way that is taken here: RS256, PS256, ES256, EdDSA and the like, with the key that "
    "it names."
)
_WORDS: Final[tuple[tuple[type[InvalidTokenError], str], ...]] = (
    (ExpiredSignatureError, "This token has expired. Sign in again."),
    (ImmatureSignatureError, "This token is not valid yet. Is the clock of the sign-in service or of this server off?"),
    (InvalidSignatureError, "The signature of this token is wrong."),
    (InvalidTokenError, "This is no valid token. Sign in again."),
)


class Keys(Protocol):
    """The keys of an issuer (provider.Provider)."""

    async def key(self, kid: str | None) -> SigningKey: ...

    async def refresh(self) -> None: ...


class _Known(NamedTuple):
    caller: Caller
    end: float


def is_token(secret: str) -> bool:
    """Whether this is to be taken for a JWT, and not for an API key."""
    return secret.count(".") == 2 and not secret.startswith(PREFIX)


class Tokens:
    """Who comes in with a token of one issuer."""

    def __init__(self, keys: Keys, rules: Rules, now: Now, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._rules = rules
        self._now = now
        self._monotonic = monotonic
        self._known: dict[bytes, _Known] = {}

    @classmethod
    def of(cls, settings: GatewaySettings, now: Now) -> Self | None:
        """As the settings say; None where they name no issuer."""
        if not settings.gateway_oidc_issuer:
            return None
        rules = Rules(
            issuer=settings.gateway_oidc_issuer,
            audience=settings.gateway_oidc_audience,
            user_claim=settings.gateway_oidc_user_claim,
            admin_claim=settings.gateway_oidc_admin_claim,
            admin_value=settings.gateway_oidc_admin_value,
        )
        return cls(Provider(settings.gateway_oidc_issuer, settings.gateway_oidc_jwks_url), rules, now)

    async def caller(self, token: str) -> Caller:
        """Whose token it is. Raises BadToken, and Unavailable where the keys cannot be fetched."""
        name = hashlib.sha256(token.encode()).digest()
        known = self._known.get(name)
        if known is not None and self._monotonic() < known.end and not self._is_over(known.caller):
            return known.caller
        self._known.pop(name, None)
        caller = caller_of(await self._claims(token), self._rules)
        while len(self._known) >= MOST_KNOWN:
            del self._known[next(iter(self._known))]  # the oldest: a dictionary keeps its order
        self._known[name] = _Known(caller, self._monotonic() + REMEMBER_S)
        return caller

    async def refresh(self) -> None:
        """Keeps the keys of the issuer new. For a timer."""
        await self._keys.refresh()

    def _is_over(self, caller: Caller) -> bool:
        return caller.until is not None and caller.until <= self._now()

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            algorithm = header.get("alg")  # any JSON: nobody has vouched for the header yet
            if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:  # before anything is fetched for it
                raise BadToken(_ALGORITHM)
            signing = await self._keys.key(header.get("kid"))
            if algorithm not in signing.algorithms:
                raise BadToken(_ALGORITHM)
            return jwt.decode(
                token,
                signing.key,
                algorithms=signing.algorithms,
                audience=self._rules.audience,
                issuer=self._rules.issuer,
                leeway=LEEWAY,
                options={"require": list(_NEEDED)},
            )
        except InvalidTokenError as error:
            raise BadToken(self._said(error)) from error

    def _said(self, error: InvalidTokenError) -> str:
        if isinstance(error, InvalidAudienceError):
            return f"This token is for somebody else: its audience (aud) is not {self._rules.audience!r}."
        if isinstance(error, InvalidIssuerError):
            return f"This token is of another issuer (iss) than {self._rules.issuer!r}."
        if isinstance(error, MissingRequiredClaimError):
            return f"This token has no claim {error.claim!r}."
        return next(words for kind, words in _WORDS if isinstance(error, kind))
