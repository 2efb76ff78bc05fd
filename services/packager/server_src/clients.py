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


class Crowd:
    """All connections, and the bytes that lie about for them."""

    def __init__(self, most: int, most_answer_bytes: int) -> None:
        self.query_bytes = 0  # of queries that are being sent
        self.answer_bytes = 0  # of answers that are on their way
        self._most = most
        self._most_answer_bytes = most_answer_bytes
        self._clients: set[Client] = set()

    def let_in(self, client: Client) -> bool:
        """Whether there is a place for it. Where there is none, somebody else has to leave."""
        if len(self._clients) >= self._most and not self._close(self._clients):
            return False
        self._clients.add(client)
        return True

    def let_go(self, client: Client) -> None:
        """It has left."""
        self._clients.discard(client)

    def bound_answers(self, newest: Client) -> None:
        """Where answers lie about that nobody takes, another one's makes room for the newest."""
        if self.answer_bytes > self._most_answer_bytes:
            self._close([client for client in self._clients if client.does == TAKING and client is not newest])

    def _close(self, some: Iterable[Client]) -> bool:
        leaving = to_close(some, time.monotonic())
        if leaving is None:
            return False
        self._clients.discard(leaving)
        leaving.close()
        return True


def to_close(clients: Iterable[Client], now: float) -> Client | None:
    """Who makes room for one more: who has asked nothing for a second; else one of the peer that has the most, so that
    a flood costs its own. Of them not one that has just come, the quietest, the oldest. None while all wait for their
    answers."""
    others = [client for client in clients if client.does != ASKING]
    held: dict[str, int] = {}
    for client in others:
        held[client.peer] = held.get(client.peer, 0) + 1
    if not others:
        return None

    def stays(client: Client) -> tuple[bool, int, bool, int, float]:
        young = now - client.since < YOUNG_S
        return client.does != UNHEARD or young, -held[client.peer], young, client.does, client.since

    return min(others, key=stays)


def most_connections() -> int:
    """As many as the open files of this process allow, beside those of the workers."""
    import resource

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return CONNECTIONS if files == resource.RLIM_INFINITY else max(16, min(CONNECTIONS, files // 2))
