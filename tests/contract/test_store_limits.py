from shared.domain.limits import Limits
from shared.ids import UserId
from shared.store.connect import Database
from shared.store.limits import UserLimits, UserLimitsStore
from tests.support.samples import ALICE, BOB


async def test_limits_that_are_not_named_stay(database: Database) -> None:
    users = UserLimitsStore(database)
    assert await users.get(ALICE) == UserLimits(id=ALICE)
    assert await users.change(ALICE, {"submissions_per_hour": 5, "weight": 2.5}) == UserLimits(
        id=ALICE, submissions_per_hour=5, weight=2.5
    )
    changed = await users.change(ALICE, {"max_running": 0, "weight": None})
    assert changed == await users.get(ALICE) == UserLimits(id=ALICE, submissions_per_hour=5, max_running=0)
    assert await users.change(ALICE, {}) == changed
    await users.change(BOB, {"max_pending": 3})
    assert sorted(user.id for user in await users.all()) == [ALICE, BOB]


async def test_a_user_whose_limits_are_the_defaults_again_has_no_document(database: Database) -> None:
    users = UserLimitsStore(database)
    await users.change(ALICE, {"max_pending": 3})
    await users.change(ALICE, {"max_pending": None, "weight": None})
    await users.change(BOB, {"weight": None})
    assert await database["users"].count_documents({}) == 0


async def test_what_is_not_set_is_the_default_and_zero_is_no_limit() -> None:
    defaults = Limits(submissions_per_hour=10, max_pending=100, max_running=3)
    own = UserLimits(id=UserId("u"), submissions_per_hour=0, weight=2.0)
    assert own.over(defaults) == Limits(submissions_per_hour=0, max_pending=100, max_running=3, weight=2.0)
    assert UserLimits(id=UserId("u")).over(defaults) == defaults


async def test_the_schedulers_default_is_told_by_the_schedulers(database: Database) -> None:
    users = UserLimitsStore(database)
    assert await users.default_max_running() == 0
    for default in (4, 7):
        await users.tell_max_running(default)
    assert await users.default_max_running() == 7
