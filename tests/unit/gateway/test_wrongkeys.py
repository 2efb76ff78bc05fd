import asyncio

import pytest

from services.gateway import wrongkeys
from services.gateway.errors import TooManyWrongKeys, Unauthenticated
from services.gateway.wrongkeys import HELD_OF_PEER, WrongKeys

REFUSAL = Unauthenticated("no such key")


class Door:
    def __init__(self, per_minute: int = 3) -> None:
        self.seconds = 0.0
        self.keys = WrongKeys(per_minute, hold_s=0.01, monotonic=lambda: self.seconds)

    async def knocks(self, peer: str = "a") -> bool:
        """Whether the answer was held back."""
        return await self.keys.slow_down(peer, REFUSAL)


async def test_the_first_refusals_come_at_once_and_the_allowance_grows_again() -> None:
    door = Door()
    assert [await door.knocks() for _ in range(5)] == [False, False, False, True, True]
    assert not await door.knocks("another")
    door.seconds = 20
    assert [await door.knocks() for _ in range(2)] == [False, True]
    door.seconds = 1e6
    assert [await door.knocks() for _ in range(4)] == [False, False, False, True]


async def test_only_so_many_answers_are_held_back() -> None:
    door = Door(per_minute=1)
    await door.knocks()
    done = await asyncio.gather(*(door.knocks() for _ in range(HELD_OF_PEER + 5)), return_exceptions=True)
    assert [one is True for one in done].count(True) == HELD_OF_PEER
    assert sum(isinstance(one, TooManyWrongKeys) for one in done) == 5


async def test_addresses_without_end_are_not_remembered_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrongkeys, "MOST_PEERS", 10)
    door = Door(per_minute=1)
    for number in range(50):
        await door.knocks(f"peer{number}")
    assert len(door.keys) == 10
    assert await door.knocks("peer49")
