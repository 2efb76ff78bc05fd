"""Which clients stay when there are too many: so many that keep quiet never keep out one that asks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CONNECTIONS = 512
QUERIES = 128  # at once, those that wait for a worker included; each costs a thread
BODY_BYTES = 64 << 20  # of all queries that are being sent
ANSWER_BYTES = 64 << 20  # of all answers that their clients have not taken yet
WRITE_S = 30.0  # for a client to take its answer
LINGER_S = 2.0  # for what a refused client still sends: else it may not get to see why
YOUNG_S = 1.0

UNHEARD, IDLE, SENDING, TAKING, ASKING = range(5)
"""What a client does: has not asked anything yet, asks nothing more for now, sends its query, takes its answer, waits
for it."""


class Client:
    """One connection, as far as the choice goes."""

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.since = time.monotonic()
        self.does = UNHEARD

    def close(self) -> None:
        """Ends the connection at once."""


def to_close(clients: Iterable[Client], now: float) -> Client | None:
    """Who makes room for one more: the quietest of the peer that has the most, the oldest of them first, and those that
    have just come last. None while all wait for their answers."""
    others = [client for client in clients if client.does != ASKING]
    held: dict[str, int] = {}
    for client in others:
        held[client.peer] = held.get(client.peer, 0) + 1
    if not others:
        return None
    return min(
        others,
        key=lambda client: (now - client.since < YOUNG_S, client.does, -held[client.peer], client.since),
    )


def most_connections() -> int:
    """As many as the open files of this process allow, beside those of the workers."""
    import resource

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return CONNECTIONS if files == resource.RLIM_INFINITY else max(16, min(CONNECTIONS, files // 2))
