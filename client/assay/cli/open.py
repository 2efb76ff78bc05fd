"""`assay open`: the web console in the browser, signed in."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer


def open_console(
    context: typer.Context,
    test: Annotated[
        str | None, typer.Argument(metavar="TEST", help="Id of a test to show, or `last` for your newest one.")
    ] = None,
    only_print: Annotated[bool, typer.Option("--print", help="Only print the address, and open no browser.")] = False,
) -> None:
    """Open the web console, signed in. The address works once, for two minutes."""
    import asyncio
    from urllib.parse import quote

    from assay.cli import find
    from assay.cli.session import PASSED, leave, with_client
    from assay.connection import resolve
    from assay.console_link import find_console, sign_in_link

    def show() -> int:
        console = find_console(context.obj)
        to = "/"
        if test == "last":
            to = f"/tests/{asyncio.run(with_client(resolve(context.obj), lambda client: find.test_id(client, test)))}"
        elif test is not None:
            to = f"/tests/{quote(test, safe='')}"
        link = sign_in_link(console, to)
        print(link, flush=True)
        if not only_print and not _opened(link):
            print("Open this address in a browser.", file=sys.stderr)
        return PASSED

    leave(show, lambda: None, as_json=False)


def _opened(link: str) -> bool:
    """Whether a browser was started. Not one in this terminal, which is what there is without a screen."""
    import webbrowser

    if sys.platform == "linux" and not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")):
        return False
    return webbrowser.open(link)
