"""A connection that a test's own network does not have: what the agent reaches, and how it is had."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ECONNREFUSED = 111
NO_WAY = (101, 113)  # ENETUNREACH, EHOSTUNREACH
DEPTH = 20


def unreachable_hint(error: BaseException) -> str:
    """Empty where that is not what went wrong. Clients wrap what the system says: what led to the error counts too."""
    for one in _chain(error):
        if isinstance(one, OSError) and one.errno in NO_WAY:
            return (
                "A test reaches the internet, over IPv4. Private addresses, and those of the machine that it runs on, "
                "it reaches only where the operator permits it: ask for the host with --allow-host HOST:PORT."
            )
        if isinstance(one, ConnectionRefusedError) or (isinstance(one, OSError) and one.errno == ECONNREFUSED):
            return (
                "Nothing listens there. 127.0.0.1 and localhost are the test's own machine: a server of the machine "
                "that runs the tests, such as a local model, is reached with --allow-host 127.0.0.1:PORT, where the "
                "operator permits it."
            )
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    waiting = [error]
    for _ in range(DEPTH):
        if not waiting:
            return
        one = waiting.pop(0)
        yield one
        waiting += getattr(one, "exceptions", ())  # of a group, as asyncio raises for several addresses
        waiting += [cause for cause in (one.__cause__, one.__context__) if cause is not None]
