"""Sealed values: encrypted and signed, so that a browser can keep what it must neither read nor change.

Fernet does the work. Each purpose has keys of its own, so that a value of one is none of another.
"""

from __future__ import annotations

import base64
import json
import secrets as random
from collections.abc import Sequence
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Seal:
    """Seals JSON objects for one purpose. The first secret seals, all of them open."""

    def __init__(self, secrets: Sequence[str], purpose: str) -> None:
        self._fernet = MultiFernet([Fernet(_key(secret, purpose)) for secret in secrets])

    def close(self, value: dict[str, Any]) -> str:
        """URL-safe text."""
        return self._fernet.encrypt(json.dumps(value, separators=(",", ":")).encode()).decode()

    def open(self, sealed: str) -> dict[str, Any] | None:
        """None for what was not sealed with one of the secrets, for this purpose."""
        try:
            value: dict[str, Any] = json.loads(self._fernet.decrypt(sealed.encode()))
        except (InvalidToken, ValueError):
            return None
        return value


def some_secret() -> str:
    """A secret for a console that was given none."""
    return random.token_urlsafe(32)


def _key(secret: str, purpose: str) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"assay console {purpose}".encode())
    return base64.urlsafe_b64encode(derived.derive(secret.encode()))
