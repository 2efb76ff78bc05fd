import pytest

from services.scheduler.maxima import at_maximum, within_maxima
from services.scheduler.shares import Shares
from shared.ids import UserId
from shared.store.limits import UserLimits
from tests.support.fakes.scheduling import UsersInMemory, shares
from tests.support.samples import ALICE, BOB, entry

CAROL = UserId("carol")
MAXIMA = {ALICE: 2, BOB: 1}


def maximum(user: UserId) -> int:
    return MAXIMA.get(user, 0)


@pytest.mark.parametrize(
    ("held", "full"),
    [
        pytest.param({}, set(), id="nobody holds any"),
        pytest.param({ALICE: 1, CAROL: 99}, set(), id="no maximum is none"),
        pytest.param({ALICE: 2, BOB: 1}, {ALICE, BOB}, id="as many as may be"),
        pytest.param({ALICE: 9}, {ALICE}, id="more, after it was lowered"),
    ],
)
def test_who_holds_as_many_as_may_be(held: dict[UserId, int], full: set[UserId]) -> None:
    assert at_maximum(held, maximum) == full


@pytest.mark.parametrize(
    ("users", "held", "granted"),
    [
        pytest.param([ALICE] * 4, {}, [0, 1], id="up to the maximum"),
        pytest.param([ALICE] * 4, {ALICE: 1}, [0], id="what is held counts"),
        pytest.param([ALICE, CAROL, ALICE, ALICE, BOB, CAROL, BOB], {}, [0, 1, 2, 4, 5], id="others in their order"),
        pytest.param([CAROL] * 3, {CAROL: 50}, [0, 1, 2], id="no maximum"),
        pytest.param([ALICE], {ALICE: 7}, [], id="more than may be"),
    ],
)
def test_who_is_granted_together(users: list[UserId], held: dict[UserId, int], granted: list[int]) -> None:
    entries = [entry(float(place), user=user) for place, user in enumerate(users)]
    assert within_maxima(entries, held, maximum) == [entries[place] for place in granted]


async def test_the_default_holds_for_who_has_no_limits_of_his_own() -> None:
    found = await shares(UserLimits(id=ALICE, max_running=0), UserLimits(id=BOB, weight=3.0), max_running=4)
    assert [found.max_running(user) for user in (ALICE, BOB, CAROL)] == [0, 4, 4]
    assert [found.weight(user) for user in (ALICE, BOB, CAROL)] == [1.0, 3.0, 1.0]
    assert found.limited


async def test_without_any_maximum_nobody_is_counted() -> None:
    users = UsersInMemory(UserLimits(id=ALICE, weight=3.0))
    found = Shares(users, max_running=0)
    await found.begin()
    assert users.default_max_running == 0
    assert not found.limited
    users.users.append(UserLimits(id=BOB, max_running=1))
    await found.look()
    assert found.limited
