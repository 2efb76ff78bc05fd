"""The command tree of `assay`. Owns names and help; each command's work is in a module that is loaded when it runs."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from assay.cli.agents import agents
from assay.cli.archive import archive
from assay.cli.audit import audit
from assay.cli.dev import dev
from assay.cli.files import download, files
from assay.cli.health import health
from assay.cli.help import Command
from assay.cli.keys import keys
from assay.cli.limits import limits
from assay.cli.listing import list_tests
from assay.cli.open import open_console
from assay.cli.package import package, packages
from assay.cli.queue import queue
from assay.cli.report import cost, usage
from assay.cli.retry import chain, retry
from assay.cli.show import cancel, get
from assay.cli.stats import stats
from assay.cli.stream import logs, watch
from assay.cli.submit import submit
from assay.cli.verify import verify
from assay.cli.whoami import whoami

# Rich help would cost 0.25 s (it loads a Markdown parser and a highlighter): plain help appears at once.
app = typer.Typer(
    name="assay",
    help="Run tests of AI agents in isolation, and see what they did.",
    epilog="Exit codes: 0 passed, 1 the test failed, 2 usage or server error, 130 interrupted.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"assay {version('assay')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Server to talk to; grpcs://HOST:PORT for TLS. Else ASSAY_ADDRESS, else the nearest "
            ".assay/client.json. The key comes from ASSAY_API_KEY or the same file.",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Keeps what all commands share."""
    del version
    context.obj = address


command = partial(app.command, cls=Command)

app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)(dev)
command("open")(open_console)
command()(submit)
command()(get)
command("list")(list_tests)
command()(logs)
command()(watch)
command()(files)
command()(download)
command()(cancel)
command()(retry)
command()(chain)
command()(agents)
command()(stats)
command()(archive)
command()(package)
command()(packages)
command()(verify)
command()(health)
command()(whoami)
command()(limits)
command()(usage)
command()(cost)
command()(audit)
app.add_typer(queue, name="queue")  # groups come after the commands in the help
app.add_typer(keys, name="keys")
