"""Identifiers: what they look like and how they are made.

Ids of things are UUIDv7 with a prefix, so they sort by time; ids of facts are hashes, so that a repeated fact has the
same id.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from datetime import datetime
from typing import NewType

TestId = NewType("TestId", str)
UserId = NewType("UserId", str)
PackageId = NewType("PackageId", str)

USER_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # one NATS subject token
TEST_ID = re.compile(r"tst_[0-9a-f]{32}")
AUDIT_ID = re.compile(r"aud_[0-9a-f]{32}")
PACKAGE_ID = re.compile(r"pkg_[0-9a-f]{32}")
KEY_ID = re.compile(r"key_[0-9a-f]{32}")


def _uuid7() -> str:
    """32 hex digits of a UUIDv7 whose 12 bits after the milliseconds are the fraction of it (RFC 9562, 6.2,
    method 3)."""
    now = time.time_ns()
    milliseconds, rest = divmod(now, 1_000_000)
    value = milliseconds << 80 | 0x7 << 76 | (rest * 4096 // 1_000_000) << 64
    value |= 0b10 << 62 | int.from_bytes(os.urandom(8), "big") >> 2
    return f"{value:032x}"


def new_test_id() -> TestId:
    """A new test id, `tst_` and 32 hex digits; later ones sort after earlier ones."""
    return TestId("tst_" + _uuid7())


def first_test_id(at: datetime) -> TestId:
    """What sorts before every id that is made from this millisecond on, and after all that were made before."""
    return TestId("tst_" + _first(at))


def new_audit_id() -> str:
    """A new id of an entry of the audit log, `aud_` and 32 hex digits; later ones sort after earlier ones."""
    return "aud_" + _uuid7()


def first_audit_id(at: datetime) -> str:
    """As `first_test_id`, of entries of the audit log."""
    return "aud_" + _first(at)


def _first(at: datetime) -> str:
    return f"{max(0, int(at.timestamp() * 1000)):012x}" + "0" * 20


def new_package_id() -> PackageId:
    """A new id of a deployment package, `pkg_` and 32 hex digits; later ones sort after earlier ones."""
    return PackageId("pkg_" + _uuid7())


def new_key_id() -> str:
    """A new id of an API key, `key_` and 32 hex digits."""
    return "key_" + _uuid7()


def fact_id(*parts: object) -> str:
    """The id of a fact: the same parts give the same id, so that telling it twice is seen."""
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def launch_token(test: TestId, attempt: int) -> str:
    """The idempotency token of one launch: 64 characters at most (ECS API reference, RunTask, clientToken)."""
    return fact_id("launch", test, attempt)
