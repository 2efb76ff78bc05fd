"""Tokens of a sign-in service in the place of API keys: a real gateway, and a real service that signs."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from assay.v1 import account_service_pb2, admin_service_pb2, test_service_pb2
from services.gateway.errors import BadToken
from services.gateway.oidc import provider
from services.gateway.oidc.claims import LEEWAY
from services.gateway.oidc.provider import Provider
from shared.errors import Unavailable
from shared.settings import BadEnvironment
from tests.support.gateway import Client, Stage, details_of, settings, staged
from tests.support.servers import free_port
from tests.support.sign_in import AUDIENCE, SignIn, jwk_of, rsa_key, signing_in
from tests.support.until import until

Code = grpc.StatusCode
EVERYTHING = test_service_pb2.ListTestsRequest()


@pytest_asyncio.fixture
async def sign_in() -> AsyncIterator[SignIn]:
    async with signing_in() as service:
        yield service


class Door:
    """A gateway that takes the tokens of a service."""

    def __init__(self, stage: Stage, client: Client) -> None:
        self.stage = stage
        self._client = client

    def client(self, token: str) -> Client:
        return Client(self._client.channel, self._client.user, token)

    async def opens(self, token: str) -> None:
        await self.client(token).call("ListTests", EVERYTHING)

    async def refusal(self, token: str) -> grpc.aio.AioRpcError:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await self.opens(token)
        return error.value

    async def words(self, token: str) -> str:
        """Why this token is refused."""
        error = await self.refusal(token)
        assert error.code() is Code.UNAUTHENTICATED
        assert details_of(error)["ErrorInfo"].reason == "TOKEN_INVALID"
        return str(error.details())


@pytest_asyncio.fixture
async def door(sign_in: SignIn, nats_url: str, mongo_url: str, mongo_database: str) -> AsyncIterator[Door]:
    async with opened(sign_in, nats_url, mongo_url, mongo_database) as found:
        yield found


@asynccontextmanager
async def opened(service: SignIn, *servers: str, **more: Any) -> AsyncIterator[Door]:
    options = {"gateway_oidc_issuer": service.issuer, "gateway_oidc_audience": AUDIENCE, **more}
    async with staged(*servers, **options) as stage:
        yield Door(stage, await stage.client("nobody"))


# -- who comes in


async def test_a_token_is_its_users_and_keys_work_beside_it(sign_in: SignIn, door: Door) -> None:
    test = await door.client(sign_in.token(sub="carol")).submit()
    assert test.user_id == "carol"
    carol = await door.stage.client("carol")
    got = await carol.call("GetTest", test_service_pb2.GetTestRequest(test_id=test.id))
    assert got.test.id == test.id
    await door.opens(sign_in.token(aud=["other", AUDIENCE]))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await door.client(sign_in.token()).call("ListApiKeys", admin_service_pb2.ListApiKeysRequest())
    assert refused.value.code() is Code.PERMISSION_DENIED


async def test_the_account_behind_a_token_has_no_key(sign_in: SignIn, door: Door) -> None:
    carol = door.client(sign_in.token(sub="carol"))
    found = await carol.call("GetAccount", account_service_pb2.GetAccountRequest())
    assert (found.user_id, found.role) == ("carol", admin_service_pb2.ROLE_USER)
    assert not found.HasField("key")


async def test_other_kinds_of_keys_work_too(sign_in: SignIn, door: Door) -> None:
    curve, edwards = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    sign_in.jwks += [jwk_of(curve, "curve"), jwk_of(edwards, "edwards"), {"kty": "oct", "k": "AAAA", "kid": "shared"}]
    await door.opens(sign_in.token(key=curve, kid="curve", algorithm="ES256"))
    await door.opens(sign_in.token(key=edwards, kid="edwards", algorithm="EdDSA"))
    await door.opens(sign_in.token(algorithm="PS256"))
    assert "not signed in a way" in await door.words(sign_in.token(kid="curve"))
    assert sign_in.fetches == 1


async def test_a_token_of_a_service_with_one_key_need_not_name_it(sign_in: SignIn, door: Door) -> None:
    await door.opens(sign_in.token(kid=None))


def unsigned(sign_in: SignIn, algorithm: Any = "none") -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': algorithm, 'kid': 'one'})}.{part(sign_in.claims())}."


def signed_with_the_public_key(sign_in: SignIn) -> str:
    import hashlib
    import hmac

    public = sign_in.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header, body, _ = sign_in.token().split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"one"}').decode().rstrip("=")
    made = hmac.new(public, f"{header}.{body}".encode(), hashlib.sha256).digest()
    return f"{header}.{body}.{base64.urlsafe_b64encode(made).decode().rstrip('=')}"


def changed_on_the_way(sign_in: SignIn) -> str:
    body = sign_in.token(sub="root").split(".")[1]
    header, _, signature = sign_in.token().split(".")
    return f"{header}.{body}.{signature}"


REFUSED: dict[str, tuple[Any, str]] = {
    "of another audience": (lambda s: s.token(aud="billing"), "audience (aud) is not 'assay'"),
    "without an audience": (lambda s: s.token(aud=None), "no claim 'aud'"),
    "of another issuer": (lambda s: s.token(iss="https://elsewhere.example"), "another issuer"),
    "expired": (lambda s: s.token(exp=int(time.time()) - 60), "has expired"),
    "without an end": (lambda s: s.token(exp=None), "no claim 'exp'"),
    "with an end out of range": (lambda s: s.token(exp=10**18), "out of range"),
    "not yet valid": (lambda s: s.token(nbf=int(time.time()) + 60), "not valid yet"),
    "issued later": (lambda s: s.token(iat=int(time.time()) + 60), "not valid yet"),
    "unsigned": (unsigned, "not signed in a way"),
    "with a list of algorithms": (lambda s: unsigned(s, ["RS256"]), "not signed in a way"),
    "with an object for an algorithm": (lambda s: unsigned(s, {}), "not signed in a way"),
    "with an end that is no number": (lambda s: s.token(exp=float("nan")), "no valid token"),
    "signed with the public key": (signed_with_the_public_key, "not signed in a way"),
    "changed on the way": (changed_on_the_way, "signature"),
    "signed by somebody else": (lambda s: s.token(key=rsa_key()), "signature"),
    "no token at all": (lambda s: "a.b.c", "no valid token"),
    "of a user whose name does not fit": (lambda s: s.token(sub="auth0|17"), "ASSAY_GATEWAY_OIDC_USER_CLAIM"),
    "of nobody": (lambda s: s.token(sub=None), "The claim 'sub' of this token is missing"),
}


@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_token_is_refused_and_told_why(sign_in: SignIn, door: Door, make: Any, words: str) -> None:
    said = await door.words(make(sign_in))
    assert words in said
    assert "auth0|17" not in said  # names of people are in no message, and so in no log


async def test_clocks_may_be_a_little_apart(sign_in: SignIn, door: Door) -> None:
    now = int(time.time())
    await door.opens(sign_in.token(exp=now - 1))
    await door.opens(sign_in.token(iat=now + 3, nbf=now + 3))


@pytest.mark.parametrize(
    ("claims", "admin"),
    [
        ({"realm_access": {"roles": ["user", "assay-admin"]}}, True),
        ({"realm_access": {"roles": "assay-admin"}}, True),
        ({"realm_access": {"roles": ["user"]}}, False),
        ({"realm_access": {"roles": "no assay-admin"}}, False),
        ({"realm_access": "assay-admin"}, False),
        ({"realm_access.roles": ["assay-admin"]}, True),
        ({}, False),
    ],
)
async def test_a_claim_makes_an_admin(
    sign_in: SignIn, nats_url: str, mongo_url: str, mongo_database: str, claims: dict[str, Any], admin: bool
) -> None:
    more = {"gateway_oidc_admin_claim": "realm_access.roles", "gateway_oidc_admin_value": "assay-admin"}
    named = {"gateway_oidc_user_claim": "preferred_username"}
    async with opened(sign_in, nats_url, mongo_url, mongo_database, **more, **named) as door:
        client = door.client(sign_in.token(preferred_username="dora", **claims))
        assert (await client.submit()).user_id == "dora"
        call = client.call("ListApiKeys", admin_service_pb2.ListApiKeysRequest())
        if admin:
            await call
        else:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call
            assert refused.value.code() is Code.PERMISSION_DENIED


# -- keys that change, and a service that is away


async def test_a_new_key_is_found_and_a_flood_of_unknown_ones_fetches_little(
    sign_in: SignIn, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "REFETCH_S", 2.0)
    await door.opens(sign_in.token())
    other = rsa_key()
    sign_in.jwks = [jwk_of(other, "two")]
    late = sign_in.token(key=other, kid="two")
    refusals = await asyncio.gather(*(door.words(sign_in.token(kid=f"no{number}")) for number in range(20)))
    assert all("does not have" in words for words in refusals)
    assert sign_in.fetches == 1  # the first fetch was a moment ago

    async def works() -> bool:
        try:
            await door.opens(late)
        except grpc.aio.AioRpcError:
            return False
        return True

    await until(works, timeout=15)
    assert sign_in.fetches == 2
    assert "does not have" in await door.words(sign_in.token(sub="bob"))  # the old key is withdrawn


WRONG: dict[str, dict[str, Any]] = {
    "an error": {"status": 500},
    "a redirect": {"status": 302, "body": b""},
    "no JSON": {"body": b"<html>"},
    "no key set": {"body": b"[1]"},
    "far too much": {"body": b" " * (2 << 20)},
    "another issuer's document": {"said": {"issuer": "https://elsewhere.example"}},
    "keys in the clear": {"said": {"jwks_uri": "http://elsewhere.example/keys"}},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
async def test_a_service_whose_keys_cannot_be_had_is_unavailable_and_not_the_callers_fault(
    sign_in: SignIn, door: Door, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any]
) -> None:
    for name, value in wrong.items():
        setattr(sign_in, name, value)
    for _ in range(2):  # the second time without a fetch
        error = await door.refusal(sign_in.token())
        assert error.code() is Code.UNAVAILABLE
        assert "RetryInfo" in details_of(error)
        assert sign_in.issuer not in str(error.details())
    assert sign_in.fetches <= 1


@pytest.mark.parametrize("how", ["silent", "not there"])
async def test_a_service_that_does_not_answer_costs_a_bounded_time(
    sign_in: SignIn, nats_url: str, mongo_url: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(provider, "FETCH_S", 0.3)
    sign_in.answers.clear()
    if how == "not there":
        sign_in.issuer = f"http://127.0.0.1:{free_port()}"
    async with opened(sign_in, nats_url, mongo_url, mongo_database) as door:
        began = asyncio.get_running_loop().time()
        assert (await door.refusal(sign_in.token())).code() is Code.UNAVAILABLE
        assert asyncio.get_running_loop().time() - began < 3
        carol = await door.stage.client("carol")
        await carol.call("ListTests", EVERYTHING)  # keys need no sign-in service


async def test_old_keys_are_fetched_anew_and_kept_while_the_service_is_away(sign_in: SignIn) -> None:
    seconds = 0.0
    issuer = Provider(sign_in.issuer, monotonic=lambda: seconds)
    await issuer.refresh()
    assert sign_in.fetches == 0  # nobody has shown a token yet
    await issuer.key("one")
    sign_in.jwks = [jwk_of(rsa_key(), "two")]
    seconds = provider.REFRESH_S - 1
    await issuer.refresh()
    assert sign_in.fetches == 1
    seconds = provider.REFRESH_S
    sign_in.status = 500
    for _ in range(2):
        await issuer.refresh()
        await issuer.key("one")
    with pytest.raises(Unavailable):
        await issuer.key("two")
    assert sign_in.fetches == 3
    sign_in.status = 200
    await issuer.refresh()
    await issuer.key("two")
    with pytest.raises(BadToken, match="does not have"):
        await issuer.key("one")
    assert sign_in.fetches == 4


# -- streams


async def test_a_stream_ends_when_its_token_does(sign_in: SignIn, door: Door) -> None:
    exp = int(time.time()) - 3  # within what clocks may differ by
    client = door.client(sign_in.token(exp=exp))
    test = await client.submit()
    await door.stage.others.started(test.id)

    async def read() -> None:
        async for _ in client.stream("WatchTest", test_service_pb2.WatchTestRequest(test_id=test.id)):
            """Nothing moves."""

    with pytest.raises(grpc.aio.AioRpcError) as ended:
        async with asyncio.timeout(10):
            await read()
    assert ended.value.code() is Code.UNAUTHENTICATED
    assert 0 <= datetime.now(UTC).timestamp() - exp - LEEWAY.total_seconds() < 2


# -- settings


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"gateway_oidc_issuer": "https://a.example"}, "ASSAY_GATEWAY_OIDC_AUDIENCE"),
        ({"gateway_oidc_audience": "assay"}, "ASSAY_GATEWAY_OIDC_ISSUER"),
        ({"gateway_oidc_issuer": "http://a.example", "gateway_oidc_audience": "assay"}, "https://"),
        ({"gateway_oidc_issuer": "a.example", "gateway_oidc_audience": "assay"}, "https://"),
        ({"gateway_oidc_jwks_url": "https://a.example/keys"}, "ASSAY_GATEWAY_OIDC_ISSUER"),
        ({"gateway_oidc_admin_claim": "groups"}, "ASSAY_GATEWAY_OIDC_ADMIN_VALUE"),
        (
            {
                "gateway_oidc_issuer": "https://a.example",
                "gateway_oidc_audience": "assay",
                "gateway_oidc_jwks_url": "http://a.example/keys",
            },
            "ASSAY_GATEWAY_OIDC_JWKS_URL",
        ),
    ],
)
def test_half_a_sign_in_service_is_refused_by_the_settings(given: dict[str, str], words: str) -> None:
    with pytest.raises(BadEnvironment, match=words):
        settings("nats://x", "mongodb://x", "x", **given)


@pytest.mark.parametrize(
    "issuer", ["https://a.example/realms/x", "http://127.0.0.1:9", "http://[::1]:9", "http://localhost"]
)
def test_an_issuer_is_encrypted_or_of_this_machine(issuer: str) -> None:
    found = settings("nats://x", "mongodb://x", "x", gateway_oidc_issuer=issuer, gateway_oidc_audience="assay")
    assert found.gateway_oidc_user_claim == "sub"
