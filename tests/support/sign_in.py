"""A sign-in service (OpenID Connect) on a port of its own: discovery, keys, signed tokens, and the code flow."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "assay"
CLIENT = "assay-console"


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def jwk_of(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    """The public half, as a key set has it."""
    kinds: tuple[tuple[type, Any], ...] = (
        (rsa.RSAPrivateKey, RSAAlgorithm),
        (ec.EllipticCurvePrivateKey, ECAlgorithm),
        (ed25519.Ed25519PrivateKey, OKPAlgorithm),
    )
    algorithm = next(algorithm for kind, algorithm in kinds if isinstance(key, kind))
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", **more}


class SignIn:
    """One issuer. What it answers can be changed while it runs."""

    def __init__(self) -> None:
        self.issuer = ""
        self.key = rsa_key()
        self.jwks: list[dict[str, Any]] = [jwk_of(self.key, "one")]
        self.status = 200
        self.body: bytes | None = None
        """Answered instead of the keys."""
        self.said: Any = {}
        """What its discovery document says differently; or, as no dict, what it says instead of one."""
        self.answers = asyncio.Event()
        """While it is not set, nobody gets an answer."""
        self.answers.set()
        self.renews = asyncio.Event()
        """While it is not set, nobody gets a next token."""
        self.renews.set()
        self.renewing = 0
        """Who waits for one."""
        self.fetches = 0
        self.grants: dict[str, dict[str, str]] = {}
        """Codes that nobody has used, with what their browser was sent with."""
        self.refreshes: set[str] = set()
        """Refresh tokens that work; each works once."""
        self.refreshed = 0
        self.lasts_s = 300
        """How long access tokens last."""
        self.token_status = 200
        self.token_answer: Any = None
        """Answered instead of tokens."""
        self.id_claims: dict[str, Any] = {}
        """What id tokens say differently."""
        self.access_claims: dict[str, Any] = {}

    def claims(self, **more: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 300, **more}
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, *, key: Any = None, kid: str | None = "one", algorithm: str = "RS256", **claims: Any) -> str:
        headers = {"kid": kid} if kid is not None else None
        return jwt.encode(self.claims(**claims), key or self.key, algorithm=algorithm, headers=headers)

    async def discovery(self, request: web.Request) -> web.Response:
        await self.answers.wait()
        document = {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/keys",
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        return web.json_response(document | self.said if isinstance(self.said, dict) else self.said)

    async def authorize(self, request: web.Request) -> web.Response:
        """Somebody signs in at once, and is sent back."""
        asked = dict(request.query)
        code = secrets.token_urlsafe(8)
        self.grants[code] = asked
        back = f"{asked['redirect_uri']}?code={code}&state={asked['state']}"
        raise web.HTTPFound(back)

    async def tokens(self, request: web.Request) -> web.Response:
        """RFC 6749, 4.1.3 and 6, with RFC 7636."""
        form = await request.post()
        if self.token_status != 200:
            return web.json_response({"error": "server_error"}, status=self.token_status)
        if self.token_answer is not None:
            return web.json_response(self.token_answer)
        asked: dict[str, str] = {}
        if form["grant_type"] == "authorization_code":
            found = self.grants.pop(str(form["code"]), None)
            proof = hashlib.sha256(str(form.get("code_verifier", "")).encode()).digest()
            challenge = base64.urlsafe_b64encode(proof).decode().rstrip("=")
            if found is None or found["code_challenge"] != challenge or found["redirect_uri"] != form["redirect_uri"]:
                return web.json_response({"error": "invalid_grant"}, status=400)
            asked = found
        elif form["refresh_token"] in self.refreshes:
            self.refreshes.remove(str(form["refresh_token"]))
            self.renewing += 1
            await self.renews.wait()
            self.renewing -= 1
            self.refreshed += 1
        else:
            return web.json_response({"error": "invalid_grant"}, status=400)
        refresh = secrets.token_urlsafe(8)
        self.refreshes.add(refresh)
        ends = int(time.time()) + self.lasts_s
        own = {"aud": CLIENT, "nonce": asked.get("nonce"), **self.id_claims}
        return web.json_response(
            {
                "token_type": "Bearer",
                "access_token": self.token(**{"exp": ends, "jti": refresh, **self.access_claims}),
                "expires_in": self.lasts_s,
                "refresh_token": refresh,
                "id_token": self.token(**own),
            }
        )

    async def keys(self, request: web.Request) -> web.Response:
        self.fetches += 1
        if self.body is not None:
            return web.Response(body=self.body, status=self.status)
        return web.json_response({"keys": self.jwks}, status=self.status)


@asynccontextmanager
async def signing_in() -> AsyncIterator[SignIn]:
    """The service at work."""
    service = SignIn()
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", service.discovery)
    app.router.add_get("/keys", service.keys)
    app.router.add_get("/authorize", service.authorize)
    app.router.add_post("/token", service.tokens)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        service.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield service
    finally:
        service.answers.set()
        service.renews.set()
        await runner.cleanup()
