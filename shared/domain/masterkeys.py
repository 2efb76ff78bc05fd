"""The keys that wrap data keys, as an operator writes them down: `name:base64`, the first of several encrypts.

Pure: from text to keys.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final, NamedTuple

from shared.errors import AssayError

SIZE: Final = 32  # AES-256
KMS: Final = "kms:"
"""Names that begin so are of keys that AWS KMS keeps."""
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class MasterKey(NamedTuple):
    """A key under its name. Never logged."""

    name: str
    secret: bytes

    def __repr__(self) -> str:
        return f"MasterKey({self.name!r}, ...)"


class CannotUnwrap(AssayError):
    """A data key cannot be unwrapped: its master key is not here, or is not the one that wrapped it."""


class DataKey(NamedTuple):
    """A key for values, and how it is stored."""

    secret: bytes
    wrapped: bytes
    by: str
    """Name of the master key."""

    def __repr__(self) -> str:
        return f"DataKey(by={self.by!r}, ...)"


def master_keys(text: str) -> list[MasterKey]:
    """The keys of `name:base64,name:base64`. Raises ValueError, which says no key."""
    found: list[MasterKey] = []
    for place, part in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
        name, colon, written = part.partition(":")
        if not colon or not _NAME.fullmatch(name):
            raise ValueError(f"key {place} must be NAME:KEY, the name of letters, digits, _, . and -")
        try:
            secret = base64.b64decode(written, validate=True)
        except (binascii.Error, ValueError):
            secret = b""
        if len(secret) != SIZE:
            raise ValueError(
                f"key {place} ({name}) must be {SIZE} bytes in base64; `assay-admin encryption-key {name}` makes one"
            )
        if any(one.name == name for one in found):
            raise ValueError(f"two keys are called {name}: each version of a key needs a name of its own")
        found.append(MasterKey(name, secret))
    return found
