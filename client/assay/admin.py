"""What those who run Assay look after, as the SDK gives it: API keys, limits of users, dead letters.

Owns names and meaning of the fields; admin_messages.py makes them from the API's messages.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, TypedDict

from assay.plain import plain


class PageOptions(TypedDict, total=False):
    """How a list is fetched. page_size: most entries in a page, 1 to 100. page_token: go on where a page ended."""

    page_size: int
    page_token: str


class Role(StrEnum):
    """What an API key may do: everything with one's own tests, or with everybody's and the rest of `client.admin`."""

    UNKNOWN = "UNKNOWN"  # a role that this version of the SDK does not know
    USER = "USER"
    ADMIN = "ADMIN"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its secret, of which `prefix` are the first characters. None is "never"."""

    id: str
    user_id: str
    name: str
    role: Role
    prefix: str
    created: datetime | None
    expires: datetime | None
    revoked: datetime | None
    last_used: datetime | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON: times as ISO 8601 in UTC."""
        value: dict[str, Any] = plain(self)
        return value


class CreatedKey(NamedTuple):
    """A new key with its secret, which is in this answer and nowhere else."""

    key: ApiKey
    secret: str

    def __repr__(self) -> str:
        return f"CreatedKey(key={self.key!r}, secret=...)"  # a secret must not come into a log by a careless print


@dataclass(frozen=True, slots=True)
class Revoked:
    """How many keys a call ended (0: all had ended before), and the key, or the newest of a user's."""

    count: int
    key: ApiKey | None

    def to_dict(self) -> dict[str, Any]:
        value: dict[str, Any] = plain(self)
        return value


@dataclass(frozen=True, slots=True)
class KeyPage:
    """One page of a list. `next_page_token` is empty on the last one."""

    keys: tuple[ApiKey, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class UserLimits:
    """What a user may take. 0 is no limit, None the default of the server.

    submissions_per_hour: in any 60 minutes, retries included. max_pending: tests that wait at the same time.
    max_running: tests that hold a slot at the same time. weight: share in the queue beside others; 1 is usual."""

    submissions_per_hour: int | None = None
    max_pending: int | None = None
    max_running: int | None = None
    weight: float | None = None

    def to_dict(self) -> dict[str, Any]:
        value: dict[str, Any] = plain(self)
        return value


class LimitChanges(TypedDict, total=False):
    """Limits by name, as in UserLimits; None goes back to the default."""

    submissions_per_hour: int | None
    max_pending: int | None
    max_running: int | None
    weight: float | None


@dataclass(frozen=True, slots=True)
class UserLimitsReport:
    """What was set for a user, and what holds: that, and the defaults for the rest."""

    overrides: UserLimits
    effective: UserLimits

    def to_dict(self) -> dict[str, Any]:
        value: dict[str, Any] = plain(self)
        return value


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that a service gave up after `deliveries` tries.

    `payload_json` is JSON text; of a message that is no JSON or longer than 16 KiB it is a string of the beginning."""

    id: str
    subject: str
    service: str
    reason: str
    deliveries: int
    time: datetime | None
    payload_json: str

    @property
    def payload(self) -> Any:
        """The message as Python values; its text where that is no whole JSON."""
        try:
            return json.loads(self.payload_json)
        except ValueError:
            return self.payload_json

    def to_dict(self) -> dict[str, Any]:
        """For JSON: times as ISO 8601 in UTC, the message decoded as `payload`."""
        value: dict[str, Any] = plain(replace(self, payload_json=""))
        return value | {"payload": self.payload}


@dataclass(frozen=True, slots=True)
class LetterPage:
    """One page of a list. `next_page_token` is empty on the last one; `total` is how many letters there are in all."""

    letters: tuple[DeadLetter, ...]
    next_page_token: str
    total: int


@dataclass(frozen=True, slots=True)
class RemainingLetter:
    """A dead letter that could not be sent again, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of all dead letters: how many were `sent`, how many stay, and the first ten that do."""

    sent: int
    remaining_count: int
    remaining: tuple[RemainingLetter, ...]

    def to_dict(self) -> dict[str, Any]:
        value: dict[str, Any] = plain(self)
        return value
