"""`assay keys`: API keys, for those who run Assay."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli import arguments
from assay.cli.help import Command
from assay.cli.jsontext import json_text
from assay.cli.options import Json, Limit, PageToken, wants_json

if TYPE_CHECKING:
    from assay.client import AsyncAssay

keys = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@keys.callback()
def list_keys(
    context: typer.Context,
    user: Annotated[str, typer.Option("--user", metavar="USER", help="Of this user.")] = "",
    ended: Annotated[bool, typer.Option("--ended", help="Revoked and expired ones, too.")] = False,
    limit: Limit = 20,
    page_token: PageToken = "",
    as_json: Json = False,
) -> None:
    """List, create and revoke API keys (for admins). Without a command: lists them, newest first, no secrets."""
    if context.invoked_subcommand is not None:
        return
    from assay.cli.session import run

    async def body(client: AsyncAssay) -> int:
        return await _list(client, user, limit, page_token, ended=ended, as_json=as_json)

    run(context, body, as_json=as_json)


async def _list(client: AsyncAssay, user: str, limit: int, page_token: str, *, ended: bool, as_json: bool) -> int:
    from assay.cli import admin_text
    from assay.cli.pages import gathered, show
    from assay.cli.session import PASSED

    listing = client.admin.keys(user, include_ended=ended, limit=limit, page_token=page_token)
    found, token = await gathered(listing, lambda page: page.keys)
    show("keys", found, token, lambda width: admin_text.keys(found, datetime.now(UTC), width), as_json=as_json)
    return PASSED


@keys.command(cls=Command)
def create(
    context: typer.Context,
    user: Annotated[str, typer.Argument(metavar="USER", help="Whose it will be: letters, digits, - and _.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="To know it by, such as ci.")] = "",
    admin: Annotated[bool, typer.Option("--admin", help="May do everything, with everybody's tests.")] = False,
    ttl: Annotated[str, typer.Option("--ttl", metavar="TIME", help="How long it works: 90d, 12h. Else for ever.")] = "",
    as_json: Json = False,
) -> None:
    """Make an API key. Its secret is shown this once, alone on standard output."""
    from assay.cli import admin_text
    from assay.cli.session import PASSED, run
    from assay.cli.text import safe

    as_json = wants_json(context, as_json)
    works_for = arguments.ago(ttl, "--ttl") if ttl else None

    async def body(client: AsyncAssay) -> int:
        from assay.admin import Role

        made = await client.admin.create_key(user, name, role=Role.ADMIN if admin else Role.USER, ttl=works_for)
        if as_json:
            print(json_text({"key": made.key.to_dict(), "secret": made.secret}))
        else:
            print(safe(made.secret), flush=True)
            print(admin_text.created_key(made), file=sys.stderr)
        return PASSED

    run(context, body, as_json=as_json)


@keys.command(cls=Command)
def revoke(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Id of the key, as `assay keys` shows it.")] = "",
    user: Annotated[str, typer.Option("--user", metavar="USER", help="All keys of this user instead.")] = "",
    as_json: Json = False,
) -> None:
    """End an API key, or all of a user's. Everywhere within 5 s."""
    from assay.cli import admin_text
    from assay.cli.screen import open_screen
    from assay.cli.session import PASSED, run

    as_json = wants_json(context, as_json)
    if bool(key) == bool(user):
        raise typer.BadParameter("name one key, or all of a user's with --user USER", param_hint="KEY")

    async def body(client: AsyncAssay) -> int:
        ended = await (client.admin.revoke_keys_of(user) if user else client.admin.revoke_key(key))
        if as_json:
            print(json_text(ended.to_dict()))
        else:
            open_screen().show([admin_text.revoked(ended, user)])
        return PASSED

    run(context, body, as_json=as_json)
