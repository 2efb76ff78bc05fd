"""What the gateway refuses, and why. `statuses.py` says which gRPC status each becomes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar, NamedTuple

from shared.errors import AssayError, Conflict, NotFound, Unavailable


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
    """There is no valid API key or token in the call."""


class BadToken(Unauthenticated):
    """The token of the sign-in service is not one that is taken here."""


class Forbidden(AssayError):
    """This needs an API key with the role admin, or the token of an admin."""


class NoSuchThing(NotFound):
    """There is no such thing, or it is another user's."""

    resource_type: ClassVar[str]
    word: ClassVar[str]

    def __init__(self, name: str, message: str = "") -> None:
        super().__init__(message or f"There is no {self.word} {name[:64]!r} of yours.")
        self.name = name


class NoSuchTest(NoSuchThing):
    """There is no such test, or it is another user's."""

    resource_type = "assay.v1.Test"
    word = "test"


class NoSuchPackage(NoSuchThing):
    """There is no such package, or it is another user's."""

    resource_type = "assay.v1.Package"
    word = "package"


class NoSuchKey(NoSuchThing):
    """There is no such API key."""

    resource_type = "assay.v1.ApiKey"
    word = "API key"

    def __init__(self, key_id: str, user: str = "") -> None:
        none = f"There is no API key of {user!r}" if user else f"There is no API key {key_id!r}"
        super().__init__(key_id or user, f"{none}. ListApiKeys shows those there are.")


class NoSuchFile(NoSuchThing):
    """The test has no such file."""

    resource_type = "assay.v1.TestFile"
    word = "file"

    def __init__(self, path: str) -> None:
        super().__init__(path, f"The test has no file {path[:100]!r} of this kind.")


class NoSuchLetter(NoSuchThing):
    """There is no such dead letter."""

    resource_type = "assay.v1.DeadLetter"
    word = "dead letter"

    def __init__(self, name: str) -> None:
        super().__init__(name, f"There is no dead letter {name[:20]!r}; somebody may have replayed it.")


class NoSuchAgent(NoSuchThing):
    """There is no test of such an agent."""

    resource_type = "assay.v1.Agent"
    word = "agent"

    def __init__(self, name: str) -> None:
        super().__init__(name, f"There are no tests of an agent {name[:64]!r} that you can see.")


class RequestIdTaken(AssayError):
    """The request id was used for another test, or another package."""

    def __init__(self, request_id: str, holder: str, *, word: str = "test") -> None:
        super().__init__(
            f"The request id {request_id!r} was used for another {word}{f' ({holder})' if holder else ''}. "
            f"A new {word} needs a new request id."
        )
        self.metadata = {"request_id": request_id, f"{word}_id": holder}


class NotInThatState(Conflict):
    """The thing is in a state that does not allow this."""

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.metadata = metadata


class UnknownFiles(AssayError):
    """Files are named by a digest under which nothing of the user is stored; they are to be handed in."""

    def __init__(self, digest: str) -> None:
        super().__init__(
            f"No files of yours are stored under the digest {digest[:64]!r}; hand them in whole, or by UploadArchive."
        )
        self.metadata = {"digest": digest[:64]}


class FilesGone(Conflict):
    """The content of files was removed: it is kept for a time after its last use only."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The {what} of this test can no longer be had: files are removed when nothing has used them for a time."
        )


class OverLimit(AssayError):
    """The user has as much as an admin allows. Later there is room again."""

    limit: ClassVar[str]

    def __init__(self, user: str, message: str, retry_after: timedelta) -> None:
        super().__init__(message)
        self.subject = f"user:{user}"
        self.retry_after = retry_after


class RateLimited(OverLimit):
    """The user has handed in as many tests in 60 minutes as may be."""

    limit = "submissions_per_hour"


class TooManyPending(OverLimit):
    """As many of the user's tests wait as may at the same time."""

    limit = "max_pending"


class StoredTooMuch(OverLimit):
    """As many of the user's files are stored as may be."""

    limit = "stored_bytes"

    def __init__(self, user: str, message: str) -> None:
        super().__init__(user, message, timedelta(minutes=1))


class TooManyDownloads(OverLimit):
    """The user has as many downloads under way as may be."""

    limit = "downloads"

    def __init__(self, user: str, most: int) -> None:
        super().__init__(user, f"{user} has {most} downloads under way; wait for the end of one.", timedelta(seconds=1))


class TooManyUploads(OverLimit):
    """The user has as many uploads under way as may be."""

    limit = "uploads"

    def __init__(self, user: str, most: int) -> None:
        super().__init__(user, f"{user} has {most} uploads under way; wait for the end of one.", timedelta(seconds=1))


class TooManyCalls(OverLimit):
    """The user has as many calls under way as may be."""

    limit = "calls"

    def __init__(self, user: str, most: int) -> None:
        super().__init__(
            user,
            f"{most} calls are under way at this gateway; wait for the end of some, or close streams that nobody reads "
            "(ASSAY_GATEWAY_MAX_CALLS, ASSAY_GATEWAY_MAX_CALLS_OF_USER).",
            timedelta(seconds=1),
        )


class TooManyWithoutKey(OverLimit):
    """As many calls without a key are under way as may be: health checks, reflection."""

    limit = "calls_without_key"

    def __init__(self, peer: str, most: int) -> None:
        super().__init__(
            "",
            f"{most} calls that need no key (health, reflection) are under way already; end some "
            "(ASSAY_GATEWAY_MAX_CALLS_WITHOUT_KEY, ASSAY_GATEWAY_MAX_CALLS_WITHOUT_KEY_OF_PEER). "
            "Calls with a key are not counted here.",
            timedelta(seconds=1),
        )
        self.subject = f"peer:{peer}"


class TooManyWrongKeys(OverLimit):
    """Too many calls without a valid key come from one address."""

    limit = "wrong_keys"

    def __init__(self, peer: str, retry_after: timedelta) -> None:
        super().__init__(
            "",
            "Too many calls without a valid key come from your address. Check the key before you try again; calls "
            "with a valid one are let in.",
            retry_after,
        )
        self.subject = f"peer:{peer}"


class TimeIsUp(Unavailable):
    """A call without a key has lasted as long as it may; call again."""


class NoPackages(AssayError):
    """This server makes no deployment packages: it has no bucket to keep them in (ASSAY_AWS_BUCKET). GetTest with view
    FULL has the code, requirements and Dockerfile."""

    def __init__(self) -> None:
        super().__init__(" ".join((type(self).__doc__ or "").split()))


class Busy(Unavailable):
    """This gateway has as much under way as its memory is for; ask again in a moment."""


class ShuttingDown(Unavailable):
    """This gateway is shutting down; ask again and another one answers."""


class Violations:
    """Collects everything that is wrong with a request, so that it is told at once."""

    def __init__(self) -> None:
        self.found: list[Violation] = []

    def add(self, field: str, description: str) -> None:
        self.found.append(Violation(field, description))

    def of(self, field: str) -> bool:
        """Whether something is wrong with this field."""
        return any(bad.field == field for bad in self.found)

    def raise_if_any(self) -> None:
        """Raises InvalidRequest where something was added."""
        if self.found:
            raise InvalidRequest(self.found)
