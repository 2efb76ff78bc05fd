"""What the gateway refuses, and why. `statuses.py` says which gRPC status each becomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shared.errors import AssayError, NotFound, Unavailable


class Violation(NamedTuple):
    """One bad field of a request, by its path in the message (`spec.requirements[3]`), and what is wrong with it."""

    field: str
    description: str


class InvalidRequest(AssayError):
    """The request is not valid."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        first = violations[0]
        more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
        super().__init__(f"{first.field}: {first.description}{more}")
        self.violations = tuple(violations)


class Unreadable(AssayError):
    """The request is not a message of this API: it cannot be decoded. Text fields must be valid UTF-8."""


class Unauthenticated(AssayError):
    """There is no valid API key in the call."""


class Forbidden(AssayError):
    """The API key may not do this: it needs the role admin."""


class NoSuchTest(NotFound):
    """There is no such test, or it is another user's."""

    def __init__(self, test_id: str) -> None:
        super().__init__(f"There is no test {test_id[:64]!r} of yours.")
        self.test_id = test_id


class RequestIdTaken(AssayError):
    """The request id was used for another test."""

    def __init__(self, request_id: str, test_id: str) -> None:
        super().__init__(
            f"The request id {request_id!r} was used for another test ({test_id}). A new test needs a new request id."
        )
        self.request_id = request_id
        self.test_id = test_id


class NotYet(AssayError):
    """This server does not do that yet."""


class ShuttingDown(Unavailable):
    """This gateway is shutting down; ask again and another one answers."""


class Violations:
    """Collects everything that is wrong with a request, so that it is told at once."""

    def __init__(self) -> None:
        self.found: list[Violation] = []

    def add(self, field: str, description: str) -> None:
        self.found.append(Violation(field, description))

    def raise_if_any(self) -> None:
        """Raises InvalidRequest where something was added."""
        if self.found:
            raise InvalidRequest(self.found)
