from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.lifecycle import State
from shared.domain.pricing import ARM, Charge, Prices, Stay, for_logs, for_object, for_tasks, task_spans

T0 = datetime(2026, 3, 1, tzinfo=UTC)


def seconds(*spans: float) -> list[timedelta]:
    return [timedelta(seconds=span) for span in spans]


@pytest.mark.parametrize(
    ("prices", "spans", "vcpu", "memory", "dollars"),
    [
        pytest.param(Prices(), (3600,), 1, 2, 0.04048 + 2 * 0.004445, id="an hour of 1 vCPU and 2 GiB on x86"),
        pytest.param(ARM, (3600,), 1, 2, 0.03238 + 2 * 0.00356, id="the same on ARM"),
        pytest.param(Prices(), (5,), 0.25, 0.5, (0.25 * 0.04048 + 0.5 * 0.004445) / 60, id="a minute at least"),
        pytest.param(Prices(), (60.2,), 1, 0, 0.04048 * 61 / 3600, id="whole seconds"),
        pytest.param(Prices(), (10, 90), 1, 0, 0.04048 * 150 / 3600, id="each task by itself"),
        pytest.param(Prices(), (), 1, 2, 0.0, id="no task"),
        pytest.param(Prices(least_s=0), (5,), 1, 0, 0.04048 * 5 / 3600, id="no least time where there is none"),
    ],
)
def test_tasks_are_charged_by_the_second(
    prices: Prices, spans: tuple[float, ...], vcpu: float, memory: float, dollars: float
) -> None:
    assert for_tasks(prices, seconds(*spans), vcpu=vcpu, memory_gib=memory).total == pytest.approx(dollars)


def test_logs_and_objects_are_charged_by_the_gigabyte() -> None:
    assert for_logs(Prices(), 2 * 10**9) == Charge(logs=1.0)
    assert for_object(Prices(), 10**9, timedelta(days=15)).storage == pytest.approx(0.0115)


def stays(*steps: tuple[str, float, int]) -> list[Stay]:
    return [Stay(State(state), T0 + timedelta(seconds=at), attempt) for state, at, attempt in steps]


@pytest.mark.parametrize(
    ("history", "launched", "spans"),
    [
        pytest.param(
            stays(("SUBMITTED", 0, 0), ("QUEUED", 1, 0), ("BUILDING", 5, 1), ("RUNNING", 8, 1), ("COMPLETED", 20, 1)),
            True,
            (15,),
            id="one attempt, from its slot to its end",
        ),
        pytest.param(
            stays(("BUILDING", 0, 1), ("RUNNING", 2, 1), ("QUEUED", 10, 1), ("BUILDING", 20, 2), ("FAILED", 25, 2)),
            True,
            (10, 5),
            id="two attempts, the wait between them left out",
        ),
        pytest.param(
            stays(("BUILDING", 0, 1), ("QUEUED", 10, 1), ("BUILDING", 20, 2), ("RUNNING", 21, 2), ("COMPLETED", 30, 2)),
            True,
            (10,),
            id="an attempt that never ran had no task",
        ),
        pytest.param(stays(("BUILDING", 0, 1), ("FAILED", 10, 1)), False, (), id="never launched"),
        pytest.param(stays(("QUEUED", 0, 0), ("FAILED", 10, 0)), False, (), id="cancelled while it waited"),
        pytest.param(
            stays(("BUILDING", 0, 1), ("RUNNING", 1, 1), ("COMPLETED", 4, 1), ("ARCHIVED", 900, 1)),
            True,
            (4,),
            id="an archived test ends when it ended",
        ),
    ],
)
def test_a_task_is_there_from_its_slot_to_its_end(
    history: list[Stay], launched: bool, spans: tuple[float, ...]
) -> None:
    assert task_spans(history, last_was_launched=launched) == seconds(*spans)
