"""The errors that cross rooms. Each answers one question: does trying again help?

The docstring of a class is its message where none is given; the class attribute is the policy.
"""

from __future__ import annotations

from typing import ClassVar


class AssayError(Exception):
    """Something went wrong."""

    retryable: ClassVar[bool] = False

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])


class NotFound(AssayError):
    """There is no such thing, or it is not yours."""


class Conflict(AssayError):
    """The thing is in a state that does not allow this."""


class Unavailable(AssayError):
    """A part that is needed does not answer; try again in a moment."""

    retryable = True


class Malformed(AssayError):
    """A message or document does not have the shape it promises; trying again does not help."""
