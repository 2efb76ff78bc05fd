"""From the claims of a token that is genuine to a caller: whose it is, and whether an admin's. Decides; checks no
signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.gateway.caller import Caller
from services.gateway.errors import BadToken
from shared.ids import USER_ID, UserId

LEEWAY: Final = timedelta(seconds=5)
"""How far the clocks of the sign-in service and this machine may be apart."""
_SPACED: Final = frozenset({"scope", "scp"})  # RFC 8693, 4.2: values in one text, with spaces between


@dataclass(frozen=True, slots=True)
class Rules:
    """What is asked of a token."""

    issuer: str
    audience: str
    user_claim: str = "sub"
    admin_claim: str = ""
    admin_value: str = ""


def caller_of(claims: Mapping[str, Any], rules: Rules) -> Caller:
    """Whose token it is. Raises BadToken where its user has no name that fits."""
    # The value is somebody's name or address: it is in no message, since messages are logged.
    user = _claim(claims, rules.user_claim)
    if not isinstance(user, str) or not USER_ID.fullmatch(user):
        state = "is missing" if user is None else "is not a user id: 1 to 64 letters, digits, _ or -"
        raise BadToken(
            f"The claim {rules.user_claim!r} of this token {state}. Those who run this server can name another claim "
            "with ASSAY_GATEWAY_OIDC_USER_CLAIM."
        )
    admin = bool(rules.admin_claim) and _holds(claims, rules.admin_claim, rules.admin_value)
    return Caller(UserId(user), admin=admin, until=_end(claims))


def _end(claims: Mapping[str, Any]) -> datetime:
    try:
        return datetime.fromtimestamp(int(claims["exp"]), UTC) + LEEWAY
    except (OverflowError, OSError, ValueError) as error:
        raise BadToken("The time of expiry (exp) of this token is out of range.") from error


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    """The claim of this name, else the one at the end of a dotted path. Names may have dots: they may be URLs."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _holds(claims: Mapping[str, Any], path: str, wanted: str) -> bool:
    value = _claim(claims, path)
    if isinstance(value, bool):
        return str(value).lower() == wanted.lower()
    if isinstance(value, str):
        return value == wanted or (path in _SPACED and wanted in value.split())
    return isinstance(value, list) and wanted in value
