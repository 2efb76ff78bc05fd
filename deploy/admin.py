"""`assay-admin`: what an operator does once per installation. Talks to the store and the bus directly, with `ASSAY_*`
variables.

What an administrator does from day to day goes through the API (AdminService).
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from deploy.admin_dead import app as dead
from deploy.admin_dead import printable
from deploy.admin_keys import encryption_key, rotate_keys
from deploy.admin_nats import app as nats
from shared.errors import AssayError

app = typer.Typer(
    help="Sets an installation of Assay up. Reads ASSAY_MONGO_URL, ASSAY_NATS_URL and the like.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(dead, name="dead")
app.add_typer(nats, name="nats")
app.command("encryption-key")(encryption_key)
app.command("rotate-keys")(rotate_keys)


@app.callback()
def _group() -> None:
    """Standard output is what a command answers, a new key for instance: what is logged goes beside it."""
    from shared.telemetry.logging import configure

    configure(level="warning", output="console", stream=sys.stderr)


@app.command()
def provision() -> None:
    """Create streams and indexes that are missing, and bring the others and old tests up to date. Safe to repeat."""
    from shared.bus.connect import Bus
    from shared.clock import SystemClock
    from shared.settings import CommonSettings
    from shared.store.backfill import backfill
    from shared.store.connect import connected
    from shared.store.connect import provision as make_indexes

    async def work() -> None:
        settings = CommonSettings()
        bus = Bus.of(settings, "admin")
        async with bus.connected():  # which declares the streams
            print("streams  ready")
        async with connected(
            settings.mongo_url.get_secret_value(), settings.mongo_database, service="admin"
        ) as database:
            await make_indexes(database)
            print("indexes  ready")
            if filled := await backfill(database, SystemClock().now(), most_due=5_000):
                print(f"tests    {filled:,} of an earlier version brought up to date")

    asyncio.run(work())


@app.command()
def bootstrap(
    user: Annotated[str, typer.Option(help="User id: letters, digits, - and _.")] = "admin",
    role: Annotated[str, typer.Option(help="admin or user.")] = "admin",
) -> None:
    """Make an API key, the first administrator's or another one, and show it once. Only its hash is stored."""
    from deploy.admin_audit import record_bootstrap
    from shared.clock import SystemClock
    from shared.ids import USER_ID, UserId
    from shared.settings import CommonSettings
    from shared.store.connect import connected
    from shared.store.connect import provision as make_indexes
    from shared.store.keys import ApiKeys, new_secret

    if not re.fullmatch(USER_ID, user):
        raise typer.BadParameter("a user id is 1 to 64 letters, digits, - and _", param_hint="--user")

    if role not in {"admin", "user"}:
        raise typer.BadParameter("must be admin or user", param_hint="--role")

    async def work() -> str:
        settings = CommonSettings()
        secret = new_secret()
        async with connected(
            settings.mongo_url.get_secret_value(), settings.mongo_database, service="admin"
        ) as database:
            await make_indexes(database)
            await record_bootstrap(database, UserId(user), role, SystemClock().now())
            await ApiKeys(database).add(secret, user=UserId(user), role=role, now=SystemClock().now(), name="bootstrap")
        return secret

    print(asyncio.run(work()))
    print(f"This is the API key of {user} ({role}). It is shown this once; keep it in a safe place.", file=sys.stderr)


@app.command("signing-key")
def signing_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Of the private key, for ASSAY_PACKAGER_SIGNING_KEY.")],
    new: Annotated[bool, typer.Option("--new", help="Make the key; the file must not be there yet.")] = False,  # noqa: FBT002 - Typer declares options as parameters
) -> None:
    """Show the public half of the key that packages are signed with; with --new, make it first."""
    from services.packager.signing import SigningKey

    key = SigningKey.make(file) if new else SigningKey.read(file)
    print(key.public_pem, end="")
    print(f"Key {key.key_id[:16]}. Give these lines to those who check packages: assay verify --key", file=sys.stderr)


def main() -> None:
    """Runs the command; exits with 1 and one line where a server does not answer."""
    try:
        app()
    except AssayError as error:
        print(f"assay-admin: {printable(str(error))}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
