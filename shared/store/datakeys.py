"""Data keys, and the keys that wrap them: who makes the ones is asked for the others.

The values of a document are encrypted with a data key, which lies beside them wrapped by a master key. So a master key
is changed without touching a value.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.domain.masterkeys import KMS, SIZE, CannotUnwrap, DataKey, MasterKey

NONCE: Final = 12  # bytes, as NIST SP 800-38D recommends for GCM
_PURPOSE: Final = b"assay data key\0"


class KeyRing(Protocol):
    """The master keys of an installation."""

    @property
    def first(self) -> str:
        """Name of the one that wraps new data keys."""
        ...

    async def new(self) -> DataKey:
        """A new data key. Raises AssayError where nobody can make one now."""
        ...

    async def wrap(self, secret: bytes) -> DataKey:
        """A data key that is there already, wrapped by the first master key. Raises AssayError."""
        ...

    async def unwrap(self, wrapped: bytes, by: str) -> bytes:
        """The data key. Raises CannotUnwrap, and other AssayErrors where trying again may help."""
        ...


class LocalKeys:
    """Master keys that are settings of this installation."""

    def __init__(self, keys: Sequence[MasterKey]) -> None:
        self._keys = {key.name: AESGCM(key.secret) for key in keys}
        self.first = next(iter(self._keys), "")

    async def new(self) -> DataKey:
        return await self.wrap(AESGCM.generate_key(SIZE * 8))

    async def wrap(self, secret: bytes) -> DataKey:
        if not self.first:
            raise CannotUnwrap("there is no key to encrypt with (ASSAY_ENCRYPTION_KEYS)")
        return DataKey(secret, encrypted(self._keys[self.first], secret, _PURPOSE + self.first.encode()), self.first)

    async def unwrap(self, wrapped: bytes, by: str) -> bytes:
        key = self._keys.get(by)
        if key is None:
            raise CannotUnwrap(f"there is no key {by!r} here (ASSAY_ENCRYPTION_KEYS)")
        try:
            return decrypted(key, wrapped, _PURPOSE + by.encode())
        except InvalidTag:
            raise CannotUnwrap(f"the key {by!r} here is not the one that was used (ASSAY_ENCRYPTION_KEYS)") from None


class TwoRings:
    """Keys of AWS KMS, which wrap what is new, beside those of the settings, which were used before or will be."""

    def __init__(self, kms: KeyRing, local: LocalKeys) -> None:
        self._kms = kms
        self._local = local
        self.first = kms.first

    async def new(self) -> DataKey:
        return await self._kms.new()

    async def wrap(self, secret: bytes) -> DataKey:
        return await self._kms.wrap(secret)

    async def unwrap(self, wrapped: bytes, by: str) -> bytes:
        return await (self._kms if by.startswith(KMS) else self._local).unwrap(wrapped, by)


def encrypted(key: AESGCM, plain: bytes, about: bytes) -> bytes:
    """A fresh nonce and the sealed bytes, which open only with the same `about`."""
    nonce = os.urandom(NONCE)
    return nonce + key.encrypt(nonce, plain, about)


def decrypted(key: AESGCM, sealed: bytes, about: bytes) -> bytes:
    """Raises InvalidTag where anything is not as it was."""
    if len(sealed) < NONCE:
        raise InvalidTag
    return key.decrypt(sealed[:NONCE], sealed[NONCE:], about)
