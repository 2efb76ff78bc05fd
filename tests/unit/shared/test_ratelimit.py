from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ratelimit import WINDOW, counted, left_by, room_at
from tests.support.samples import NOW

MOMENTS = st.lists(st.integers(0, 4 * 3600), max_size=60).map(
    lambda seconds: [NOW + timedelta(seconds=one) for one in sorted(seconds)]
)
LIMITS = st.integers(1, 8)


@dataclass
class Log:
    """The log as the store keeps it: added to where it is not full, cleared only when it is."""

    limit: int
    times: list[datetime] = field(default_factory=list)
    let_in: list[datetime] = field(default_factory=list)

    def enter(self, now: datetime) -> bool:
        if len(self.times) >= self.limit:
            self.times = [at for at in self.times if at > left_by(now)]
        if len(self.times) >= self.limit:
            return False
        self.times.append(now)
        self.let_in.append(now)
        return True


@given(MOMENTS, LIMITS)
def test_never_more_than_the_limit_in_any_sixty_minutes_and_never_refused_when_fewer(
    moments: list[datetime], limit: int
) -> None:
    log = Log(limit)
    for now in moments:
        inside = [at for at in log.let_in if now - WINDOW < at <= now]
        assert log.enter(now) == (len(inside) < limit)
    for start in log.let_in:
        assert sum(1 for at in log.let_in if start <= at < start + WINDOW) <= limit


@given(MOMENTS, LIMITS, st.integers(0, 5 * 3600))
def test_room_is_when_it_is_said_and_not_a_moment_earlier(moments: list[datetime], limit: int, later: int) -> None:
    now = NOW + timedelta(seconds=later)
    times = [at for at in moments if at <= now]
    room = room_at(times, limit, now)
    assert len(counted(times, room)) < limit
    if room > now:
        assert len(counted(times, room - timedelta(milliseconds=1))) >= limit


def test_a_log_with_more_than_the_limit_in_it_waits_for_as_many_to_leave() -> None:
    times = [NOW + timedelta(minutes=minute) for minute in (4, 1, 3, 2, 0)]
    assert room_at(times, 2, NOW + timedelta(minutes=5)) == NOW + timedelta(minutes=63)
    assert room_at([], 1, NOW) == NOW


def test_what_is_an_hour_old_does_not_count_any_more() -> None:
    assert counted([NOW - WINDOW, NOW - WINDOW + timedelta(milliseconds=1), NOW], NOW) == [
        NOW - WINDOW + timedelta(milliseconds=1),
        NOW,
    ]
