"""A sign-in service (OpenID Connect) on a port of its own: discovery, keys, and tokens signed with them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "assay"


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
        self.said: dict[str, Any] = {}
        """What its discovery document says differently."""
        self.answers = asyncio.Event()
        """While it is not set, nobody gets an answer."""
        self.answers.set()
        self.fetches = 0

    def claims(self, **more: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 300, **more}
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, *, key: Any = None, kid: str | None = "one", algorithm: str = "RS256", **claims: Any) -> str:
        headers = {"kid": kid} if kid is not None else None
        return jwt.encode(self.claims(**claims), key or self.key, algorithm=algorithm, headers=headers)

    async def discovery(self, request: web.Request) -> web.Response:
        await self.answers.wait()
        return web.json_response({"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **self.said})

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
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        service.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield service
    finally:
        service.answers.set()
        await runner.cleanup()
