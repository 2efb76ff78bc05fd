"""Connections to the gateway for feeds, beside the one for calls: HTTP/2 bounds how many streams one carries, and what
is beyond that would wait in silence, calls included. Knows nothing of what the streams carry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import grpc.aio

MOST_STREAMS: Final = 100
"""On one connection: what every HTTP/2 server and proxy should allow (RFC 9113, 6.5.2)."""


class Connections:
    """Opens a connection when those there are have no room left, and keeps it."""

    def __init__(self, connect: Callable[[], grpc.aio.Channel], *, most: int = MOST_STREAMS) -> None:
        self._connect = connect
        self._most = most
        self._streams: dict[grpc.aio.Channel, int] = {}

    @contextmanager
    def room(self, streams: int) -> Iterator[grpc.aio.Channel]:
        """A channel with room for so many streams, while the block lasts. `streams`: at most `most`."""
        found = next((one for one, taken in self._streams.items() if taken + streams <= self._most), None)
        channel = found or self._connect()
        self._streams[channel] = self._streams.get(channel, 0) + streams
        try:
            yield channel
        finally:
            self._streams[channel] -= streams
