"""The kinds of errors of AWS, for those who meet them. Does not import boto3: who asks may never come to use it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from shared.errors import AssayError


class Kind(Enum):
    """What to make of an error. The value says whether the same call may succeed in a moment."""

    THROTTLED = ("throttled", True)
    UNAVAILABLE = ("unavailable", True)
    CAPACITY = ("capacity", False)
    CREDENTIALS = ("credentials", False)
    DENIED = ("denied", False)
    NOT_FOUND = ("not found", False)
    CONFLICT = ("conflict", False)
    INVALID = ("invalid", False)

    def __init__(self, word: str, temporary: bool) -> None:  # noqa: FBT001 - a table
        self.word = word
        self.temporary = temporary


class AwsError(AssayError):
    """AWS refused a call, or did not answer."""

    def __init__(self, kind: Kind, operation: str, code: str, message: str, resources: Sequence[str] = ()) -> None:
        super().__init__(f"{operation}: {message} ({code})" if code else f"{operation}: {message}")
        self.kind = kind
        self.operation = operation
        self.code = code
        self.message = message
        self.resources = tuple(resources)
        """What the error is about: of a ConflictException of RunTask, the tasks that have the token already."""
