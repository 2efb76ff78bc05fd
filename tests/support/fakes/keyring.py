"""A ring of master keys somewhere else, as AWS KMS is one: it counts who asks, and can be away."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.domain.masterkeys import KMS, CannotUnwrap, DataKey
from shared.errors import Unavailable
from shared.store.datakeys import decrypted, encrypted


class FakeKms:
    """One key."""

    def __init__(self, name: str = "alias/assay") -> None:
        self.first = KMS + name
        self.asked: list[str] = []
        self.away = False
        self._key = AESGCM(os.urandom(32))

    async def new(self) -> DataKey:
        self._ask("new")
        return self._wrapped(os.urandom(32))

    async def wrap(self, secret: bytes) -> DataKey:
        self._ask("wrap")
        return self._wrapped(secret)

    async def unwrap(self, wrapped: bytes, by: str) -> bytes:
        self._ask("unwrap")
        if by != self.first:
            raise CannotUnwrap(f"there is no key {by!r}")
        return decrypted(self._key, wrapped, b"kms")

    def _wrapped(self, secret: bytes) -> DataKey:
        return DataKey(secret, encrypted(self._key, secret, b"kms"), self.first)

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.away:
            raise Unavailable("KMS does not answer")
