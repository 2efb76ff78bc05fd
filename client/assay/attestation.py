"""The provenance of a deployment package: which files it speaks of, and who signed it.

An in-toto statement, signed with Ed25519 in a DSSE envelope. Signatures need the library `cryptography`, which the
client does not bring along: `pip install 'assay[verify]'`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PROVENANCE: Final = "provenance.json"
ENVELOPE: Final = "provenance.intoto.jsonl"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
MOST_SIGNATURES: Final = 16

PublicKeys = Mapping[str, "Ed25519PublicKey"]
"""By their ids: SHA-256 of the key as DER."""


class BadKey(ValueError):
    """What was given is no Ed25519 public key in PEM."""


class SignaturesNeedALibrary(Exception):
    """`cryptography` is not installed. The message says how to install it."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Who says to have signed a package."""

    key_ids: Sequence[str]
    """As the envelope has them: a hint, and no proof."""
    checked_by: str = ""
    """Id of the given key by which the signature is right; empty where no key was given, or none fits."""


def load_keys(pems: Sequence[bytes]) -> PublicKeys:
    """Public keys by their ids. Raises BadKey, SignaturesNeedALibrary."""
    if not pems:
        return {}
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
    except ImportError:
        raise SignaturesNeedALibrary(
            "Checking a signature needs the library cryptography: pip install 'assay[verify]'"
        ) from None
    keys = {}
    for pem in pems:
        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise BadKey("it is no Ed25519 public key in PEM, as `assay-admin signing-key` prints it")
        keys[hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()] = key
    return keys


def check_provenance(statement: bytes) -> tuple[dict[str, str], list[str]]:
    """The files that a statement speaks of, by their SHA-256, and what is wrong with it."""
    try:
        values = json.loads(statement)
        subjects = values["subject"]
        digests = {str(subject["name"]): str(subject["digest"]["sha256"]) for subject in subjects}
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}, [f"{PROVENANCE} is not readable"]
    if values.get("_type") != STATEMENT_TYPE or len(digests) != len(subjects):
        return {}, [f"{PROVENANCE} is no statement of in-toto that this version knows"]
    return digests, []


def signature_of(envelope: bytes, statement: bytes, keys: PublicKeys) -> tuple[Signature | None, list[str]]:
    """Who signed the statement, and what is wrong with that. Without keys only the form is looked at."""
    try:
        values = json.loads(envelope)
        payload, kind = _bytes(values["payload"]), values["payloadType"]
        signed = [(str(one.get("keyid", "")), _bytes(one["sig"])) for one in values["signatures"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None, [f"{ENVELOPE} is not readable"]
    if kind != PAYLOAD_TYPE or not 0 < len(signed) <= MOST_SIGNATURES:
        return None, [f"{ENVELOPE} is no signature of a statement"]
    if payload != statement:
        return None, [f"{ENVELOPE} is of something else than {PROVENANCE}"]
    ids = [key_id for key_id, _ in signed]
    if not keys:
        return Signature(ids), []
    message = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
    for _, signature in signed:
        for key_id, key in keys.items():
            if _is_right(key, signature, message):
                return Signature(ids, key_id), []
    return Signature(ids), ["the signature is not one of the given keys'"]


def _is_right(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _bytes(text: Any) -> bytes:
    """Of base64, strictly. Raises ValueError, TypeError."""
    if not isinstance(text, str):
        raise TypeError(text)
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
