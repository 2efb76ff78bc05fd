"""Tokens with any JSON where a name or a time belongs: refused like any other bad token, whoever signed them."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.gateway.caller import Caller
from services.gateway.errors import BadToken
from services.gateway.oidc.claims import Rules
from services.gateway.oidc.jwks import SigningKey
from services.gateway.oidc.tokens import Tokens
from shared.clock import SystemClock

KEY = Ed25519PrivateKey.generate()
RULES = Rules("https://issuer.example", "assay", admin_claim="realm.roles", admin_value="admin")
INFINITE = float("inf")
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 2**63, -(2**63), 10**18, 10**400, 1e308, float("nan"), INFINITE, -INFINITE),
    *("", "\0", "\ud800", "9" * 5000),
    *([], [[]], [{}], [None], [1], ["EdDSA"], ["one", 1], {}, {"one": []}),
)


class FakeKeys:
    """One key, by its name."""

    async def key(self, kid: str | None) -> SigningKey:
        if kid != "one":
            raise BadToken("no such key")
        return SigningKey(KEY.public_key(), ("EdDSA",))

    async def refresh(self) -> None:
        """Never needed."""


async def caller(*, header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None) -> Caller:
    """Whose token the gateway takes this for; these members are put into one that is good."""
    now = int(time.time())
    parts = (
        {"alg": "EdDSA", "kid": "one", **(header or {})},
        {"iss": RULES.issuer, "aud": RULES.audience, "sub": "alice", "exp": now + 300, **(claims or {})},
    )
    signed = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(KEY.sign(signed)).rstrip(b"=")
    return await Tokens(FakeKeys(), RULES, SystemClock().now).caller(f"{signed.decode()}.{signature.decode()}")


async def test_a_good_token_is_taken() -> None:
    assert (await caller(claims={"realm": {"roles": ["admin"]}})).admin


@pytest.mark.parametrize("name", ["alg", "kid", "crit"])
async def test_a_header_that_matters_is_refused_where_it_is_odd(name: str) -> None:
    for value in ODD:
        with pytest.raises(BadToken):
            await caller(header={name: value})


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "exp"])
async def test_a_claim_that_matters_is_refused_where_it_is_odd(name: str) -> None:
    for value in ODD:
        with pytest.raises(BadToken):
            await caller(claims={name: value})


@pytest.mark.parametrize("name", ["typ", "cty", "b64", "jwk", "x5c"])
async def test_any_other_header_breaks_nothing(name: str) -> None:
    for value in ODD:
        try:
            found = await caller(header={name: value})
        except BadToken:
            continue
        assert found.user_id == "alice"


@pytest.mark.parametrize("name", ["iat", "nbf", "jti", "realm", "realm.roles"])
async def test_any_other_claim_breaks_nothing_and_makes_no_admin(name: str) -> None:
    for value in ODD:
        try:
            found = await caller(claims={name: value})
        except BadToken:
            continue
        assert not found.admin


async def test_a_token_whose_parts_are_no_objects_is_refused() -> None:
    for value in ODD:
        part = base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
        with pytest.raises(BadToken):
            await Tokens(FakeKeys(), RULES, SystemClock().now).caller(f"{part}.{part}.{part}")
