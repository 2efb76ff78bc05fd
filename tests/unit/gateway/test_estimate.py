from datetime import timedelta

import pytest

from services.gateway.queue.estimate import estimated_wait_s
from shared.store.queue import LATELY, Spell
from shared.store.slots import Pool
from tests.support.samples import NOW

TEN = Pool(10)
HALF = [Spell(NOW, 20.0), Spell(NOW - timedelta(minutes=5), 40.0)]


@pytest.mark.parametrize(
    ("position", "pool", "holds", "wait_s"),
    [
        pytest.param(1, TEN, HALF, 3.0, id="next"),
        pytest.param(20, TEN, HALF, 60.0, id="the twentieth"),
        pytest.param(5, Pool(1), HALF, 150.0, id="one slot"),
        pytest.param(1, TEN, [Spell(NOW, 0.0)], 0.0, id="tests that take no time"),
        pytest.param(4, TEN, [*HALF, Spell(NOW - LATELY, 9_000.0)], 12.0, id="what is old does not count"),
        pytest.param(4, TEN, [], None, id="nothing ended yet"),
        pytest.param(4, TEN, [Spell(NOW - 2 * LATELY, 30.0)], None, id="nothing ended lately"),
        pytest.param(4, Pool(0), HALF, None, id="no slots"),
        pytest.param(4, Pool(10, paused_at=NOW), HALF, None, id="paused"),
    ],
)
def test_how_long_a_waiting_test_will_wait(position: int, pool: Pool, holds: list[Spell], wait_s: float | None) -> None:
    assert estimated_wait_s(position, pool, holds, NOW) == wait_s
