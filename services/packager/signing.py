"""The operator's signature under a package: Ed25519 over the statement of provenance.json, in a DSSE envelope.

DSSE and not a format of ours, so that cosign, in-toto's tools and three lines of shell can check it (ADR 37). Ed25519
has no randomness in it: the same test and key give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from shared.errors import AssayError

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"


class BadSigningKey(AssayError):
    """The file is no key that packages can be signed with. Says no content of it."""


class SigningKey:
    """An Ed25519 key of the operator's."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @classmethod
    def read(cls, path: Path) -> SigningKey:
        """Of a PEM file that nobody else may read. Raises BadSigningKey."""
        try:
            facts, data = path.stat(), path.read_bytes()
        except OSError as error:
            raise BadSigningKey(f"{path}: {error.strerror}") from None
        if facts.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
            raise BadSigningKey(f"{path} is open to others: chmod 0400, or 0440 (in Kubernetes defaultMode: 0440)")
        try:
            key = load_pem_private_key(data, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise BadSigningKey(
                f"{path} is no Ed25519 private key in PEM without a password; "
                f"`assay-admin signing-key FILE --new` makes one"
            )
        return cls(key)

    @classmethod
    def make(cls, path: Path) -> SigningKey:
        """A new one, written to a file that is not there yet. Raises BadSigningKey."""
        key = Ed25519PrivateKey.generate()
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o400)
        except OSError as error:
            raise BadSigningKey(f"{path}: {error.strerror}; no key was made") from None
        with os.fdopen(fd, "wb") as file:
            file.write(text)
        return cls(key)

    @property
    def public_pem(self) -> str:
        """What those get who check packages."""
        pem = self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem.decode()

    @property
    def key_id(self) -> str:
        """SHA-256 of the public key (DER), as `openssl pkey -pubin -outform DER | sha256sum` says it."""
        return hashlib.sha256(self._spki).hexdigest()

    def envelope(self, statement: bytes) -> bytes:
        """The statement with its signature, on one line."""
        signature = self._key.sign(pre_authentication(statement))
        envelope = {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(statement).decode(),
            "signatures": [{"keyid": self.key_id, "sig": base64.b64encode(signature).decode()}],
        }
        return json.dumps(envelope).encode() + b"\n"


def pre_authentication(statement: bytes) -> bytes:
    """What is signed (DSSE 1.0, PAE): type and lengths go in, so that it cannot be taken for anything else."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(statement), statement)
