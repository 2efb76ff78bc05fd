"""`assay package` and `assay packages`: a tested agent leaves as something that deploys."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli import arguments
from assay.cli.jsontext import json_text
from assay.cli.options import Json, Limit, PageToken

if TYPE_CHECKING:
    from assay.client import AsyncAssay
    from assay.packages import GenerateOptions, Package, PackageListOptions

PACKAGE_PREFIX = "pkg_"
PATIENCE_S = 600.0


def package(
    context: typer.Context,
    test: Annotated[
        str, typer.Argument(metavar="TEST", help="Id of a test, `last` for your newest one, or id of a package.")
    ],
    download: Annotated[
        Path | None, typer.Option("--download", "-d", metavar="DIR", help="Save the ZIP there, and check it.")
    ] = None,
    service_name: Annotated[str, typer.Option(metavar="NAME", help="Of the service that is deployed.")] = "",
    port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            parser=arguments.whole("--port", least=1, most=65535),
            help="On which the container answers queries; usual is 8080.",
        ),
    ] = None,
    load_balancer: Annotated[
        bool, typer.Option("--load-balancer", help="Put a load balancer in front of the service.")
    ] = False,
    vpc_id: Annotated[str, typer.Option(metavar="VPC", help="Deploy into this VPC instead of a new one.")] = "",
    as_json: Json = False,
) -> None:
    """Package a test that passed for deployment; download it if wanted."""
    from assay.cli.session import run

    options: GenerateOptions = {
        "service_name": service_name,
        "port": port or 0,
        "load_balancer": load_balancer,
        "vpc_id": vpc_id,
    }
    if test.startswith(PACKAGE_PREFIX) and any(options.values()):
        raise typer.BadParameter("a package that is there cannot be made otherwise; name its test", param_hint="TEST")

    async def body(client: AsyncAssay) -> int:
        return await _package(client, test, options, download, as_json=as_json)

    run(context, body, as_json=as_json)


async def _package(
    client: AsyncAssay, name: str, options: GenerateOptions, folder: Path | None, *, as_json: bool
) -> int:
    from assay.cli import package_text
    from assay.cli.screen import open_screen
    from assay.cli.session import FAILED, PASSED
    from assay.packages import PackageState

    screen = None if as_json else open_screen()
    file: Path | None = None
    try:
        if screen:
            screen.busy("packing", name)
        found = await _made(client, name, options)
        is_ready = found.state is PackageState.READY
        if is_ready and folder is not None:
            if screen:
                screen.busy("loading", found.filename)
            file = await client.packages.download(found, f"{folder}{os.sep}")
    finally:
        if screen:
            screen.close()
    if screen is None:
        print(json_text(found.to_dict() | ({"file": str(file)} if file else {})))
    else:
        now = datetime.now(UTC)
        if file is not None:
            screen.show(package_text.saved(found, file))
        else:
            screen.show([*package_text.verdict(found, now), *package_text.link(found, now)])
    return PASSED if is_ready else FAILED


async def _made(client: AsyncAssay, name: str, options: GenerateOptions) -> Package:
    from assay.cli import find

    if name.startswith(PACKAGE_PREFIX):
        return await client.packages.get(name, wait=PATIENCE_S)
    return await client.packages.generate(await find.test_id(client, name), wait=PATIENCE_S, **options)


def packages(
    context: typer.Context,
    test: Annotated[str, typer.Option("--test", metavar="TEST", help="Of this test; `last` is your newest one.")] = "",
    agent: Annotated[str, typer.Option("--agent", metavar="ID", help="Of this agent.")] = "",
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state",
            "-s",
            metavar="STATE",
            help="In this state, such as ready; more than once: in any. Else all but expired.",
        ),
    ] = None,
    limit: Limit = 20,
    page_token: PageToken = "",
    as_json: Json = False,
) -> None:
    """List your deployment packages, newest first."""
    from assay.cli.session import run
    from assay.packages import PackageState

    known = [one for one in PackageState if one is not PackageState.UNKNOWN]
    states = [arguments.chosen(name, known, "--state") for name in state or ()]
    options: PackageListOptions = {"agent_id": agent, "states": states}
    if page_token:
        options["page_token"] = page_token

    async def body(client: AsyncAssay) -> int:
        from assay.cli import find

        if test:
            options["test_id"] = await find.test_id(client, test)
        return await _list(client, options, limit, as_json=as_json)

    run(context, body, as_json=as_json)


async def _list(client: AsyncAssay, options: PackageListOptions, limit: int, *, as_json: bool) -> int:
    from assay.cli import package_text
    from assay.cli.pages import gathered, show
    from assay.cli.session import PASSED

    found, token = await gathered(client.packages.list(limit=limit, **options), lambda page: page.packages)
    show("packages", found, token, lambda width: package_text.table(found, datetime.now(UTC), width), as_json=as_json)
    return PASSED
