from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.orchestrator.runtimes.ecs.pace import BATCH, Looked, Pace, due_at, next_look, to_look_at

PACE = Pace(hot_s=2.0, calm_s=5.0)
NOW = 100.0
TASKS = st.lists(
    st.builds(
        Looked,
        arn=st.uuids().map(str),
        at=st.none() | st.floats(90, NOW),
        added=st.floats(80, NOW),
        hot_until=st.floats(90, 110),
    ),
    max_size=350,
)


@given(TASKS)
def test_what_is_due_is_looked_at_in_as_few_calls_as_it_takes(tasks: list[Looked]) -> None:
    looks = to_look_at(tasks, NOW, PACE)
    due = {one.arn for one in tasks if due_at(one, NOW, PACE) <= NOW}
    assert due <= set(looks)
    assert len(looks) == len(set(looks))
    assert -(-len(looks) // BATCH) == -(-len(due) // BATCH)


@given(TASKS)
def test_nobody_is_forgotten(tasks: list[Looked]) -> None:
    at = next_look(tasks, NOW, PACE)
    assert (at is None) == (not tasks)
    if at is not None:
        assert to_look_at(tasks, max(NOW, at), PACE)


def test_a_hundred_tasks_that_are_due_at_different_times_are_looked_at_together_from_then_on() -> None:
    tasks = [Looked(f"{number}", NOW - number * 0.05, 0.0, 0.0) for number in range(100)]
    assert len(to_look_at(tasks, NOW + 0.06, PACE)) == 100


def test_news_are_looked_for_more_often() -> None:
    calm, hot = Looked("calm", NOW, 0.0, 0.0), Looked("hot", NOW, 0.0, NOW + 60)
    assert (due_at(calm, NOW, PACE), due_at(hot, NOW, PACE)) == (NOW + 5, NOW + 2)
