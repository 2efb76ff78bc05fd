"""Whose tests or agents a caller means, and may see."""

from __future__ import annotations

from services.gateway.caller import Caller
from services.gateway.errors import Forbidden, Violations
from shared.ids import USER_ID, UserId


def check_user_id(user_id: str, field: str, violations: Violations) -> None:
    """Whether it is the id of a user at all, or empty."""
    if user_id and not USER_ID.fullmatch(user_id):
        violations.add(field, "must be 1 to 64 letters, digits, _ and -")


def scope(user_id: str, caller: Caller, what: str) -> UserId | None:
    """The user that is meant by an id that was checked, empty: whoever the caller may see; None: everybody.

    `what` they want to see, for people. Raises Forbidden where it is somebody else's and the caller is no admin."""
    if not caller.admin and user_id not in {"", caller.user_id}:
        raise Forbidden(f"Only an admin sees the {what} of {user_id!r}: leave out the user for your own.")
    return UserId(user_id) if user_id else caller.scope
