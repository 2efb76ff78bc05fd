"""The sign-in service (OpenID Connect), by authlib: where to send people, what their code is worth, the next token.

Authorization code flow with PKCE, state and nonce. Knows nothing of cookies; that a token is good for the gateway only
the gateway says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.integrations.starlette_client import OAuth
from joserfc.errors import JoseError
from starlette.requests import Request

from services.console.settings import ConsoleSettings

TIMEOUT_S: Final = 10.0
EARLY_S: Final = 30.0
"""A token is renewed so long before its end: it has to arrive, and clocks differ."""
_NO_ANSWER: Final = (httpx2.HTTPError, ValueError, TypeError, LookupError, AttributeError)
"""What comes of a service that does not answer, or in another shape than the standard's."""


class SignInFailed(Exception):
    """`why` is for the page: declined, refused, or unavailable (trying again helps)."""

    def __init__(self, why: str, story: str) -> None:
        super().__init__(story)
        self.why = why


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the service gave. `until`: when the bearer ends, seconds since 1970; None where it does not say."""

    bearer: str
    refresh: str
    until: float | None


class Provider:
    """One issuer, with the console as its client."""

    def __init__(self, settings: ConsoleSettings, now: Callable[[], float]) -> None:
        self._issuer = settings.console_oidc_issuer
        self._id = settings.console_oidc_client_id
        self._secret = settings.console_oidc_client_secret.get_secret_value() or None
        self._wants_id_token = settings.console_oidc_token == "id"  # noqa: S105 - which one
        self._audience = settings.console_oidc_audience
        self._now = now
        self._app: Any = OAuth().register(
            "assay",
            client_id=self._id,
            client_secret=self._secret,
            server_metadata_url=f"{self._issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": settings.console_oidc_scopes,
                "code_challenge_method": "S256",
                "timeout": TIMEOUT_S,
            },
        )

    async def begin(self, redirect_uri: str) -> tuple[str, dict[str, Any]]:
        """Where the browser goes, and what is to be remembered for when it comes back. Raises SignInFailed."""
        await self._metadata()
        more = {"audience": self._audience} if self._audience else {}
        try:
            begun = await self._app.create_authorization_url(redirect_uri, **more)
        except RuntimeError as error:
            raise SignInFailed("unavailable", f"the discovery document is not whole: {error}") from error
        url: str = begun.pop("url")
        return url, {**begun, "redirect_uri": redirect_uri}

    async def finish(self, request: Request, remembered: dict[str, Any]) -> Tokens:
        """What the code of this request is worth. Raises SignInFailed."""
        metadata = await self._metadata()
        if request.query_params.get("iss", self._issuer) != self._issuer:  # RFC 9207
            raise SignInFailed("refused", "the answer is of another issuer")
        # authlib keeps state, nonce and verifier in a session of the framework's; this one is sealed in a cookie.
        state = remembered.get("state", "")
        request.scope["session"] = {f"_state_assay_{state}": {"data": remembered, "exp": self._now() + TIMEOUT_S}}
        claims = {
            "iss": {"essential": True, "values": [metadata["issuer"]]},
            "aud": {"essential": True, "values": [self._id]},
        }
        try:
            token = await self._app.authorize_access_token(request, claims_options=claims)
        except AuthlibBaseError as error:
            raise SignInFailed("declined" if error.error == "access_denied" else "refused", str(error)) from error
        except JoseError as error:
            raise SignInFailed("refused", f"the id token does not hold: {error}") from error
        except _NO_ANSWER as error:
            raise SignInFailed("unavailable", f"no token was given: {error!r}") from error
        if "userinfo" not in token:
            raise SignInFailed("refused", "the service gave no id token; the scope openid asks for one")
        return self._tokens(token, ends=token["userinfo"].get("exp"))

    async def renew(self, refresh: str) -> Tokens:
        """The next token. Raises SignInFailed."""
        metadata = await self._metadata()
        try:
            async with AsyncOAuth2Client(self._id, self._secret, timeout=TIMEOUT_S) as client:
                token = await client.refresh_token(metadata["token_endpoint"], refresh_token=refresh)
        except AuthlibBaseError as error:
            raise SignInFailed("refused", str(error)) from error
        except _NO_ANSWER as error:
            raise SignInFailed("unavailable", f"no token was given: {error!r}") from error
        return self._tokens(token, ends=None)

    async def _metadata(self) -> dict[str, Any]:
        try:
            metadata: dict[str, Any] = await self._app.load_server_metadata()
        except _NO_ANSWER as error:
            raise SignInFailed("unavailable", f"the sign-in service does not answer: {error!r}") from error
        if metadata.get("issuer") != self._issuer or "token_endpoint" not in metadata:
            raise SignInFailed("unavailable", "the discovery document is of another issuer, or not whole")
        return metadata

    def _tokens(self, token: dict[str, Any], *, ends: float | None) -> Tokens:
        bearer = token.get("id_token" if self._wants_id_token else "access_token")
        if not isinstance(bearer, str) or not bearer:
            raise SignInFailed("refused", "the service gave no token for the gateway")
        until = token.get("expires_at")
        if self._wants_id_token and ends is not None:
            until = ends
        return Tokens(bearer, token.get("refresh_token") or "", float(until) if until else None)
