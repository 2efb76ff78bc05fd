"""What of a test is encrypted where it is stored: its query, the values of its environment, and the hash of what was
asked for, by which these could be guessed. The one place that writes and reads them.

A value is bound to its test and its field: moved to another place it does not open. What cannot be opened stays sealed,
and the test with it: `Input.sealed` says so, and who needs the values asks `unsealed` for them.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Final

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.domain.masterkeys import CannotUnwrap, DataKey, master_keys
from shared.errors import AssayError, Unavailable
from shared.ids import TestId
from shared.store.datakeys import KeyRing, LocalKeys, TwoRings, decrypted, encrypted
from shared.store.documents import Document, Execution, Input, Sealed
from shared.store.settings import EncryptionSettings

log = structlog.get_logger()

DATA_KEY_S: Final = 300.0
"""A data key encrypts for so long."""
LONGEST_S: Final = 3600.0
"""And at most so long, where no new one can be made."""
MOST_USES: Final = 1 << 20
"""Far below the 2^32 random nonces of one key that NIST SP 800-38D allows."""
REMEMBER_S: Final = 600.0
MOST_REMEMBERED: Final = 2_000
FAILED_S: Final = 3.0
"""So long a key that could not be unwrapped or made is not tried again: a list of a hundred tests asks once, and a
hundred submissions do not wait one after the other for who does not answer."""
WARN_EVERY_S: Final = 60.0


class StaysSealed(Unavailable):
    """The query and the environment of a test are encrypted with a key that this server cannot use."""

    def __init__(self, test: TestId, key: str) -> None:
        super().__init__(
            f"The query and the environment of {test} are encrypted with the key {key!r}, which cannot be used here. "
            "Nothing is lost: whoever runs the server gives it that key again (ASSAY_ENCRYPTION_KEYS, or the rights to "
            "use the key of KMS)."
        )
        self.key = key


def unsealed(test: Execution) -> Input:
    """What was handed in, readable. Raises StaysSealed."""
    if test.input.sealed is not None:
        raise StaysSealed(test.id, test.input.sealed.key)
    return test.input


class Seals:
    """Seals and opens with the data keys of one installation. Without a ring nothing is sealed, nor opened."""

    def __init__(
        self,
        ring: KeyRing | None = None,
        *,
        search: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ring = ring if ring is not None and ring.first else None
        self._opener = ring
        self.search = search
        """Whether words of a query that is sealed stay readable, so that tests are found by them."""
        self._monotonic = monotonic
        self._current: tuple[DataKey, AESGCM, float] | None = None
        self._uses = 0
        self._renewing = asyncio.Lock()
        self._not_made: tuple[AssayError, float] | None = None
        self._known: dict[tuple[str, bytes], tuple[AESGCM, float]] = {}
        self._failed: dict[tuple[str, bytes], tuple[AssayError, float]] = {}
        self._warned: dict[tuple[str, str], float] = {}

    @property
    def seals(self) -> bool:
        """Whether new tests are sealed."""
        return self._ring is not None

    @property
    def first(self) -> str:
        """Name of the master key that wraps what is new; empty where nothing is sealed."""
        return self._ring.first if self._ring is not None else ""

    @property
    def hides_words(self) -> bool:
        """Whether the words of queries are kept out of what tests are found by."""
        return self.seals and not self.search

    @classmethod
    def of(cls, settings: EncryptionSettings, kms: Callable[[str], KeyRing]) -> Seals:
        """As the settings say; `kms` makes the ring of a key of AWS KMS from its id."""
        local = LocalKeys(master_keys(settings.encryption_keys.get_secret_value()))
        ring: KeyRing = local
        if settings.encryption_kms_key_id:
            ring = TwoRings(kms(settings.encryption_kms_key_id), local)
        return cls(ring, search=settings.encryption_search)

    async def seal(self, document: Document) -> None:
        """Seals a new test's document in place. Raises AssayError where there is no key for it."""
        if self._ring is None:
            return
        key, cipher = await self._key()
        given, name = document["input"], document["_id"]
        env: dict[str, str] = given.get("env") or {}
        sealed = Sealed(
            key=key.by,
            wrapped=key.wrapped,
            query=encrypted(cipher, given.get("query", "").encode(), _about(name, "query")),
            env=encrypted(cipher, json.dumps(env).encode(), _about(name, "env")) if env else b"",
            request_hash=encrypted(cipher, document["request_hash"].encode(), _about(name, "request_hash"))
            if document.get("request_hash")
            else b"",
        )
        given["query"] = ""
        given["env"] = dict.fromkeys(env, "")  # the names are told to whoever makes a package
        given["sealed"] = sealed.model_dump()
        document["request_hash"] = ""

    async def open(self, document: Document) -> Document:
        """Opens a stored test's document in place, as far as it was read; leaves what cannot be opened as it is."""
        given = document.get("input")
        if not given or not given.get("sealed") or self._opener is None:
            return document
        sealed = given["sealed"]
        try:
            cipher = self._remembered(sealed["key"], sealed["wrapped"]) or await self._unwrapped(sealed)
            plain = {
                field: decrypted(cipher, sealed[field], _about(document["_id"], field))
                for field in ("query", "env", "request_hash")
                if sealed.get(field)
            }
        except (AssayError, InvalidTag) as error:
            self._warn("sealed_not_opened", sealed["key"], error)
            return document
        if "query" in plain:
            given["query"] = plain["query"].decode()
        if "env" in plain:
            given["env"] = json.loads(plain["env"])
        if "request_hash" in plain:
            document["request_hash"] = plain["request_hash"].decode()
        del given["sealed"]
        return document

    async def rewrapped(self, wrapped: bytes, by: str) -> DataKey:
        """This data key, wrapped by the first master key. Raises AssayError."""
        assert self._opener is not None
        return await self._opener.wrap(await self._opener.unwrap(wrapped, by))

    async def _key(self) -> tuple[DataKey, AESGCM]:
        """The data key that encrypts now. While another one is made, or could not be made a moment ago, it is the last
        one."""
        current = self._usable(DATA_KEY_S)
        if current is None and (self._renewing.locked() or self._refused() is not None):
            current = self._usable(LONGEST_S)
        if current is None:
            async with self._renewing:
                current = self._usable(DATA_KEY_S) or await self._renewed()
        self._uses += 1
        return current

    def _usable(self, within_s: float) -> tuple[DataKey, AESGCM] | None:
        if self._current is None or self._uses >= MOST_USES:
            return None
        key, cipher, made = self._current
        return (key, cipher) if self._monotonic() - made < within_s else None

    async def _renewed(self) -> tuple[DataKey, AESGCM]:
        assert self._ring is not None
        key, error = None, self._refused()
        if error is None:
            try:
                key = await self._ring.new()
            except AssayError as raised:
                error, self._not_made = raised, (raised, self._monotonic())
                self._warn("data_key_not_made", self._ring.first, raised)
        if key is None:
            old = self._usable(LONGEST_S)
            if old is None:
                raise Unavailable(f"No key to encrypt the test with could be had; try again: {error}") from error
            return old
        self._current, self._uses = (key, AESGCM(key.secret), self._monotonic()), 0
        self._remember(key.by, key.wrapped, self._current[1])
        return key, self._current[1]

    def _refused(self) -> AssayError | None:
        """Why no data key could be made, where that was tried a moment ago."""
        if self._not_made is None or self._monotonic() - self._not_made[1] >= FAILED_S:
            return None
        return self._not_made[0]

    async def _unwrapped(self, sealed: Document) -> AESGCM:
        assert self._opener is not None
        name, all_of_it = (sealed["key"], sealed["wrapped"]), (sealed["key"], b"")
        for failed in (self._failed.get(name), self._failed.get(all_of_it)):
            if failed is not None and self._monotonic() - failed[1] < FAILED_S:
                raise failed[0].with_traceback(None)
        try:
            cipher = AESGCM(await self._opener.unwrap(sealed["wrapped"], sealed["key"]))
        except AssayError as error:
            if len(self._failed) >= MOST_REMEMBERED:
                self._failed.clear()
            # Who does not answer is not asked for the other data keys of a list either.
            self._failed[name if isinstance(error, CannotUnwrap) else all_of_it] = (error, self._monotonic())
            raise
        self._remember(*name, cipher)
        return cipher

    def _remembered(self, by: str, wrapped: bytes) -> AESGCM | None:
        known = self._known.get((by, wrapped))
        return known[0] if known is not None and self._monotonic() - known[1] < REMEMBER_S else None

    def _remember(self, by: str, wrapped: bytes, cipher: AESGCM) -> None:
        self._known.pop((by, wrapped), None)
        while len(self._known) >= MOST_REMEMBERED:
            del self._known[next(iter(self._known))]  # the oldest: a dictionary keeps its order
        self._known[by, wrapped] = (cipher, self._monotonic())

    def _warn(self, event: str, key: str, error: Exception) -> None:
        now = self._monotonic()
        if now - self._warned.get((event, key), -WARN_EVERY_S) >= WARN_EVERY_S:
            self._warned[event, key] = now
            why = str(error) if not isinstance(error, InvalidTag) else "it is not what was sealed for this test"
            log.error(event, key=key, error=why)


def _about(test: str, field: str) -> bytes:
    return f"assay.v1\0{test}\0{field}".encode()


NOT_OPENED: Final = Seals()
"""For services that need nothing of what is sealed."""
