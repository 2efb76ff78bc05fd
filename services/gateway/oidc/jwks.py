"""From a JWK Set (RFC 7517) to the keys that may have signed a token: asymmetric ones, strong enough, each with the
algorithms that go with it. What cannot be used is left out: a provider may have keys for other purposes beside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from jwt.algorithms import AllowedPublicKeys, ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidKeyError

_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: Final = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}
ALGORITHMS: Final = frozenset({*_RSA, *_CURVES.values()})
"""What a token may be signed with. Never a secret that both sides know: the issuer's public key would be taken for
it."""
SHORTEST_RSA_BITS: Final = 2048  # RFC 7518, 3.3
MOST_KEYS: Final = 100


class SigningKey(NamedTuple):
    """A public key, and what it may have been used with."""

    key: AllowedPublicKeys
    algorithms: tuple[str, ...]


def signing_keys(document: object) -> dict[str, SigningKey]:
    """The keys by their `kid`, empty where one has none. Raises ValueError where this is no JWK Set."""
    found = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(found, Sequence) or isinstance(found, str):
        raise ValueError("it is no JWK Set")  # noqa: TRY004 - the document is wrong, not the program
    keys: dict[str, SigningKey] = {}
    for one in found[:MOST_KEYS]:
        key = _key(one) if isinstance(one, dict) else None
        if key is not None:
            keys.setdefault(str(one.get("kid", "")), key)
    return keys


def _key(jwk: dict[str, Any]) -> SigningKey | None:
    if jwk.get("use", "sig") != "sig" or "d" in jwk:
        return None
    algorithms = _algorithms(jwk)
    if not algorithms:
        return None
    try:
        match jwk.get("kty"):
            case "RSA":
                key: Any = RSAAlgorithm.from_jwk(jwk)
                return SigningKey(key, algorithms) if key.key_size >= SHORTEST_RSA_BITS else None
            case "EC":
                return SigningKey(_public(ECAlgorithm.from_jwk(jwk)), algorithms)
            case _:
                return SigningKey(_public(OKPAlgorithm.from_jwk(jwk)), algorithms)
    except (InvalidKeyError, ValueError, TypeError, KeyError):
        return None


def _algorithms(jwk: dict[str, Any]) -> tuple[str, ...]:
    match jwk.get("kty"):
        case "RSA":
            fitting: tuple[str, ...] = _RSA
        case "EC" | "OKP":
            fitting = (_CURVES.get(str(jwk.get("crv")), ""),)
        case _:
            return ()
    return tuple(name for name in fitting if name and jwk.get("alg", name) == name)


def _public(key: Any) -> AllowedPublicKeys:
    return key  # type: ignore[no-any-return]  # without "d" there is no private one
