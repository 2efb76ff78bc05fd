"""Accounts of nats-server: the services in one, every listener in one of its own. Makes the server's configuration.

A listener's account has nothing in it but what it imports: events, and for who hears all of them the question for a
message of a stream. So whatever it makes, asks or answers stays in there. In one account with the services it would
not: the server sends an answer, or what a consumer delivers, to whatever subject is named, and does not look whether
who named it may publish there (ADR 33).

Must not know where a configuration is kept, and who makes passwords.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from shared.bus.rights import API, Rights, heard_by, read_by, rights_of

ACCOUNT: Final = "ASSAY"
LISTENER_ACCOUNT: Final = "LISTENER_{}"
SYSTEM_ACCOUNT: Final = "SYS"
LISTENERS_API: Final = "$JS.assay.API"
"""Where a listener asks, since the usual place is that of its own account: clients call it the domain `assay`."""
_NOTHING: Final = {"deny": [">"]}


@dataclass(frozen=True, slots=True, repr=False)
class Login:
    """A user of Assay's own account."""

    user: str
    password: str
    """As it is, or its bcrypt hash."""
    rights: Rights | None = None
    """None: everything in the account. For operators."""

    def as_config(self) -> dict[str, Any]:
        login: dict[str, Any] = {"user": self.user, "password": self.password}
        if self.rights is not None:
            login["permissions"] = {
                "publish": {"allow": list(self.rights.publish)},
                "subscribe": {"allow": list(self.rights.subscribe)},
            }
        return login


@dataclass(frozen=True, slots=True, repr=False)
class Listener:
    """Somebody who hears events and publishes nothing: of all users, or of one."""

    user: str
    password: str
    of: str | None = None

    def as_config(self) -> dict[str, Any]:
        questions = {subject.replace(API, LISTENERS_API): subject for subject in read_by(self.of)}
        may = {"publish": {"allow": list(questions)} if questions else _NOTHING, "subscribe": {"allow": [">"]}}
        events: list[dict[str, Any]] = [{"stream": _of_ours(subject)} for subject in heard_by(self.of)]
        return {
            "users": [{"user": self.user, "password": self.password, "permissions": may}],
            "imports": [*events, *({"service": _of_ours(ours), "to": here} for here, ours in questions.items())],
        }


def login_of(service: str, password: str) -> Login:
    """The user of a service, with what it needs and no more."""
    return Login(service, password, rights_of(service))


def accounts(logins: Iterable[Login], listeners: Iterable[Listener]) -> dict[str, Any]:
    """The part of the server's configuration that says who may do what."""
    ours = {
        "jetstream": "enabled",
        "users": [login.as_config() for login in logins],
        "exports": [
            *({"stream": subject} for subject in heard_by(None)),
            *({"service": subject} for subject in read_by(None)),
        ],
    }
    theirs = {LISTENER_ACCOUNT.format(listener.user): listener.as_config() for listener in listeners}
    return {
        "accounts": {ACCOUNT: ours, **theirs, SYSTEM_ACCOUNT: {"users": []}},
        "system_account": SYSTEM_ACCOUNT,
    }


def _of_ours(subject: str) -> dict[str, str]:
    return {"account": ACCOUNT, "subject": subject}
