"""One run of a command against the server: opens the client, and turns every error into a message and an exit code.

Exit codes: 0 it went well, 1 the test failed, 2 usage or server error, 130 interrupted.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from assay.cli.complaint import complain

if TYPE_CHECKING:
    from assay.client import AsyncAssay
    from assay.connection import Connection

T = TypeVar("T")
PASSED, FAILED, ERROR, INTERRUPTED = 0, 1, 2, 130
PIPE_CLOSED = 141  # as a shell shows a command that SIGPIPE ended


def run(context: typer.Context, body: Callable[[AsyncAssay], Awaitable[int]], *, as_json: bool) -> None:
    """Runs `body` with a client and leaves the command with its exit code."""
    from assay.connection import resolve

    connection: Connection | None = None

    def ask() -> int:
        nonlocal connection
        connection = resolve(context.obj)
        return asyncio.run(with_client(connection, body))

    leave(ask, lambda: connection, as_json=as_json)


def leave(work: Callable[[], int], server: Callable[[], Connection | None], *, as_json: bool) -> None:
    """Leaves the command with the exit code of `work`; errors are told, with the `server` that was asked, if any."""
    from assay.errors import AssayError, BadAnswer

    try:
        code = work()
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except (AssayError, ValueError, OSError, BaseExceptionGroup) as raised:
        error = _first(raised)
        if isinstance(error, BrokenPipeError):  # `assay logs ... | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = PIPE_CLOSED
        elif isinstance(error, AssayError | ValueError | OSError):
            complain(error, server(), as_json=as_json)
            code = ERROR
        else:
            code = _surprise(error)
    except (OverflowError, RecursionError) as error:  # figures and depths that nothing has, and foreign.py cannot know
        complain(BadAnswer.of("something in it", f"is too large ({error})"), server(), as_json=as_json)
        code = ERROR
    except Exception as error:  # noqa: BLE001 - exit code 1 would say that the test failed
        code = _surprise(error)
    raise typer.Exit(code)


async def with_client(connection: Connection, body: Callable[[AsyncAssay], Awaitable[T]]) -> T:
    """What `body` returns, with a client while it runs."""
    from assay.client import AsyncAssay
    from assay.retry import RetryPolicy

    # Somebody sits and waits: say soon that nothing answers. Streams are more patient, since a server may restart.
    async with AsyncAssay(connection=connection, retry=RetryPolicy(attempts=3)) as client:
        return await body(client)


def _surprise(error: BaseException) -> int:
    """For what no user can have caused: everything that helps to find it."""
    import traceback

    traceback.print_exception(error)
    return ERROR


def _first(error: BaseException) -> BaseException:
    """The first error of tasks that failed together."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
