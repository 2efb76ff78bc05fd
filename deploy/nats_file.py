"""The file with the accounts of nats-server, as `assay-admin nats` keeps it: read, changed and written back.

It is its own memory: who is in it, with which password (its bcrypt hash), and which events a listener hears. Everything
else in it is made anew each time, so a new version of Assay gives its services the rights that they need now.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import bcrypt

from deploy.local.credentials import write_private
from deploy.nats_accounts import ACCOUNT, LISTENER_ACCOUNT, Listener, Login, accounts, login_of
from shared.bus.rights import SERVICES, heard_by
from shared.errors import Conflict, NotFound

ADMIN: Final = "admin"
_ROUNDS: Final = 6
"""What is hashed are 256 bits of chance, which nobody guesses; and the server does this work for whoever connects."""


class NotOurs(Conflict):
    """The file is there and was not written by `assay-admin nats`."""


@dataclass(frozen=True, slots=True)
class NatsFile:
    """Who may come in."""

    logins: tuple[Login, ...] = ()
    listeners: tuple[Listener, ...] = ()

    def with_services(self) -> tuple[NatsFile, dict[str, str]]:
        """With a user for each service and one for `assay-admin`; and the passwords of those that are new."""
        known = {login.user: login for login in self.logins}
        new = {name: secrets.token_urlsafe(32) for name in (*SERVICES, ADMIN) if name not in known}
        logins = [login_of(name, known[name].password if name in known else hashed(new[name])) for name in SERVICES]
        admin = known[ADMIN] if ADMIN in known else Login(ADMIN, hashed(new[ADMIN]))
        return replace(self, logins=(*logins, admin)), new

    def with_listener(self, name: str, of: str | None) -> tuple[NatsFile, str | None]:
        """With this listener; and its password, None where it is there already. Raises Conflict where it is another."""
        for there in self.listeners:
            if there.user == name:
                if there.of != of:
                    raise Conflict(f"the listener {name} is there already, for {scope(there.of)}: remove it first")
                return self, None
        if name in {*SERVICES, ADMIN, *(login.user for login in self.logins)}:  # also before these are made
            raise Conflict(f"{name} is the name of a service or of assay-admin: take another one")
        password = secrets.token_urlsafe(32)
        return replace(self, listeners=(*self.listeners, Listener(name, hashed(password), of))), password

    def without_listener(self, name: str) -> NatsFile:
        """Raises NotFound."""
        left = tuple(listener for listener in self.listeners if listener.user != name)
        if left == self.listeners:
            raise NotFound(f"there is no listener {name}; `assay-admin nats list` shows those there are")
        return replace(self, listeners=left)

    def renewed(self, name: str) -> tuple[NatsFile, str]:
        """With another password for this service or listener. Raises NotFound."""
        password = secrets.token_urlsafe(32)
        logins = tuple(replace(one, password=hashed(password)) if one.user == name else one for one in self.logins)
        listeners = tuple(
            replace(one, password=hashed(password)) if one.user == name else one for one in self.listeners
        )
        changed = NatsFile(logins, listeners)
        if changed == self:
            raise NotFound(f"there is no {name}; `assay-admin nats list` shows who there is")
        return changed, password

    def write(self, path: Path) -> None:
        write_private(path, json.dumps(accounts(self.logins, self.listeners), indent=2) + "\n")


def read(path: Path) -> NatsFile:
    """What is in the file; nothing where there is none. Raises NotOurs."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return NatsFile()
    try:
        found = json.loads(text)["accounts"]
        users = {user["user"]: user["password"] for user in found[ACCOUNT]["users"]}
        logins = [login_of(name, users[name]) if name != ADMIN else Login(ADMIN, users[name]) for name in users]
        prefix = LISTENER_ACCOUNT.format("")
        listeners = [_listener(account) for name, account in found.items() if name.startswith(prefix)]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise NotOurs(
            f"{path} is not what `assay-admin nats` has written ({error!r}): name another file with --file, "
            "and leave what you write yourself in a file that includes it"
        ) from error
    return NatsFile(tuple(logins), tuple(listeners))


def _listener(account: dict[str, Any]) -> Listener:
    (user,) = account["users"]
    first = account["imports"][0]["stream"]["subject"]
    of = None if first in heard_by(None) else first.split(".")[2]
    return Listener(user["user"], user["password"], of)


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(_ROUNDS, prefix=b"2a")).decode()


def scope(of: str | None) -> str:
    return f"the events of {of}" if of else "all events"
