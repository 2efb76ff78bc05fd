"""`assay-admin nats`: users of nats-server for the services and for listeners, each with the least rights. Talks to no
server: it writes the file that the server's configuration includes.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from deploy.nats_file import NatsFile

app = typer.Typer(
    help="Users of nats-server, each with the least rights: a file that its configuration includes.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
File = Annotated[Path, typer.Option("--file", help="The file with the accounts, mode 0600.")]
Server = Annotated[str, typer.Option(help="Host and port of nats-server, as the services reach it.")]
Tls = Annotated[bool, typer.Option("--tls", help="Write tls:// into the URLs.")]
FILE = Path("assay-accounts.conf")
SERVER = "127.0.0.1:4222"


@app.command("init")
def init(file: File = FILE, server: Server = SERVER, *, tls: Tls = False) -> None:
    """Make a user for each service and one for assay-admin, or bring their rights up to date. Safe to repeat.

    What is new gets a file <user>.env with its URL beside the accounts; passwords of the others stay."""
    from deploy.nats_file import read

    accounts, passwords = read(file).with_services()
    accounts.write(file)
    for user, password in passwords.items():
        _hand_out(file, user, _url(user, password, server, tls=tls))
    print(f"{file}: {_told(accounts)}, {len(passwords)} of them new" if passwords else f"{file}: {_told(accounts)}")
    _hint(file)


@app.command("add-listener")
def add_listener(
    name: Annotated[str, typer.Argument(help="The name that it signs in with.")],
    file: File = FILE,
    server: Server = SERVER,
    *,
    everything: Annotated[bool, typer.Option("--everything", help="All users' events, and reading streams.")] = False,
    of: Annotated[str, typer.Option(help="The user whose events it hears; without, the one of its name.")] = "",
    tls: Tls = False,
) -> None:
    """Add somebody who hears events and publishes none: those of one user, or all. Safe to repeat."""
    from deploy.nats_file import read, scope

    _checked(name, "NAME")
    if everything and of:
        raise typer.BadParameter("give --of or --everything, not both", param_hint="--everything")
    whose = None if everything else _checked(of or name, "--of")
    accounts, password = read(file).with_listener(name, whose)
    if password is None:
        print(f"{name} is there already and hears {scope(whose)}; `assay-admin nats renew {name}` makes a new password")
        return
    accounts.write(file)
    _hand_out(file, name, _url(name, password, server, tls=tls))
    print(f"{name} hears {scope(whose)}")
    _hint(file)


@app.command("remove-listener")
def remove_listener(name: Annotated[str, typer.Argument()], file: File = FILE) -> None:
    """Take a listener away."""
    from deploy.nats_file import read

    read(file).without_listener(name).write(file)
    (file.parent / f"{name}.env").unlink(missing_ok=True)
    print(f"{name} is removed")
    _hint(file)


@app.command("renew")
def renew(
    name: Annotated[str, typer.Argument()], file: File = FILE, server: Server = SERVER, *, tls: Tls = False
) -> None:
    """Give a service or a listener another password. The old one ends when nats-server has read the file."""
    from deploy.nats_file import read

    accounts, password = read(file).renewed(name)
    accounts.write(file)
    _hand_out(file, name, _url(name, password, server, tls=tls))
    _hint(file)


@app.command("list")
def list_users(file: File = FILE) -> None:
    """List who may come in."""
    from deploy.nats_file import read, scope

    accounts = read(file)
    for login in accounts.logins:
        print(f"{login.user:<20}  {'the service' if login.rights else 'everything, for operators'}")
    for listener in accounts.listeners:
        print(f"{listener.user:<20}  listener, hears {scope(listener.of)}")


def _checked(name: str, hint: str) -> str:
    from shared.ids import USER_ID

    if not re.fullmatch(USER_ID, name):
        raise typer.BadParameter("1 to 64 letters, digits, - and _", param_hint=hint)
    return name


def _url(user: str, password: str, server: str, *, tls: bool) -> str:
    return f"{'tls' if tls else 'nats'}://{user}:{password}@{server}"


def _hand_out(file: Path, user: str, url: str) -> None:
    """The one time that the password is told: on standard output, and in a file for its owner only."""
    from deploy.local.credentials import write_private

    kept = file.parent / f"{user}.env"
    write_private(kept, f"ASSAY_NATS_URL={url}\n")
    print(f"{user:<12}  {url}  (in {kept})")


def _told(accounts: NatsFile) -> str:
    count = len(accounts.listeners)
    return f"{len(accounts.logins)} users of services, {count} listener{'' if count == 1 else 's'}"


def _hint(file: Path) -> None:
    print(
        f"nats-server reads it with `include {file.name}` in its configuration, after `nats-server --signal reload`. "
        "Passwords are not shown again: hand each .env file to whom it is for, and delete it here.",
        file=sys.stderr,
    )
