"""When the place of a waiting test is worth a message."""

import pytest

from assay.v1.test_pb2 import QueuePlace
from services.gateway.streams.watch import moved
from services.gateway.translate import duration


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ((3, 10), (3, 10), False),
        ((3, 10), (2, 10), True),
        ((3, None), (3, None), False),
        ((3, 10), (3, None), True),  # the queue is paused
        ((3, None), (3, 10), True),
        ((3, 10), (3, 12), False),
        ((3, 10), (3, 12.5), True),
        ((3, 1), (3, 2.5), False),
        ((3, 100), (3, 81), False),
        ((3, 100), (3, 79), True),
    ],
)
def test_a_place_has_moved(before: tuple[int, float | None], after: tuple[int, float | None], said: bool) -> None:
    was, now = (
        QueuePlace(position=position, estimated_wait=None if wait is None else duration(wait))
        for position, wait in (before, after)
    )
    assert moved(was, now) is said
