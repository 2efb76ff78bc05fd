"""The store of packages on a real MongoDB: one per test and options, one maker at a time, every move told once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from shared.domain.packages import PackageState
from shared.events.letter import Letter
from shared.events.packages import PackageEvent, PackageExpired, PackageFailed, PackageReady, PackageRequested
from shared.ids import new_package_id
from shared.store.connect import Database
from shared.store.package_documents import Package, PackageClaim
from shared.store.packages import REMEMBERED, Packages, RequestKeyTaken
from tests.support.samples import ALICE, BOB, NOW, made, package

SECOND = timedelta(seconds=1)
LATER = NOW + timedelta(minutes=1)


class Told(list[Letter]):
    """What was handed to the relay."""

    @property
    def facts(self) -> list[str]:
        return [".".join(letter.subject.split(".")[:2]) for letter in self]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest_asyncio.fixture
async def packages(database: Database, told: Told) -> AsyncIterator[Packages]:
    yield Packages(database, told.extend)


def saying(kind: type[PackageEvent], one: Package, **more: Any) -> PackageEvent:
    return kind(test_id=one.test_id, user_id=one.user_id, at=NOW, package_id=one.id, generation=one.generation, **more)


def claim(owner: str = "one", token: str = "token", until: Any = LATER) -> PackageClaim:
    return PackageClaim(owner=owner, token=token, until=until)


async def requested(packages: Packages, **fields: Any) -> Package:
    one = package(**fields)
    assert (await packages.request(one, saying(PackageRequested, one))).created
    return one


async def claimed(packages: Packages, **fields: Any) -> Package:
    one = await requested(packages, **fields)
    found = await packages.claim(one.id, claim(), NOW)
    assert found
    return found


async def ready(packages: Packages, **fields: Any) -> Package:
    one = await claimed(packages)
    assert await packages.ready(one, made(**fields), saying(PackageReady, one))
    found = await packages.get(one.id)
    assert found
    return found


async def test_the_same_test_and_options_are_the_same_package(packages: Packages, told: Told) -> None:
    first = package()
    wishes = [package(first.test_id) for _ in range(20)]
    answers = await asyncio.gather(*(packages.request(one, saying(PackageRequested, one)) for one in wishes))
    assert len({answer.package.id for answer in answers}) == 1
    assert [answer.created for answer in answers].count(True) == 1
    assert told.facts == ["package.requested"]
    other = package(first.test_id, options_hash="other")
    assert (await packages.request(other, saying(PackageRequested, other))).created


async def test_a_request_id_names_one_package_of_a_user(packages: Packages) -> None:
    one, other = await requested(packages), await requested(packages)
    assert await packages.of_request(ALICE, "key") is None
    assert await packages.remember(one.id, "key")
    assert await packages.remember(one.id, "key")
    assert not await packages.remember(other.id, "key")
    found = await packages.of_request(ALICE, "key")
    assert found
    assert (found.id, found.request_keys) == (one.id, [one.id, "key"])
    assert await packages.of_request(BOB, "key") is None
    bobs = await requested(packages, user_id=BOB)
    assert await packages.remember(bobs.id, "key")
    with pytest.raises(RequestKeyTaken):
        await requested(packages, request_keys=[new_package_id(), "key"])


async def test_only_the_last_request_ids_are_kept(packages: Packages) -> None:
    one = await requested(packages)
    for number in range(REMEMBERED + 5):
        assert await packages.remember(one.id, str(number))
    found = await packages.get(one.id)
    assert found
    assert found.request_keys == [str(number) for number in range(5, REMEMBERED + 5)]


async def test_one_of_many_packagers_gets_the_claim(packages: Packages) -> None:
    one = await requested(packages)
    claims = [claim(f"packager-{number}", str(number)) for number in range(20)]
    found = [got for got in await asyncio.gather(*(packages.claim(one.id, each, NOW) for each in claims)) if got]
    assert len(found) == 1
    assert found[0].deaths == 0
    assert await packages.claim(one.id, claim("late"), LATER) is None


async def test_a_silent_packagers_claim_is_taken_over_and_what_it_made_is_not_taken(
    packages: Packages, told: Told
) -> None:
    lost = await claimed(packages)
    taken = await packages.claim(lost.id, claim("two", "second"), LATER + SECOND)
    assert taken
    assert taken.deaths == 1
    assert not await packages.ready(lost, made(), saying(PackageReady, lost))
    assert not await packages.failed(lost, {}, saying(PackageFailed, lost, message="no"))
    await packages.postpone(lost, NOW)
    assert await packages.ready(taken, made(), saying(PackageReady, taken))
    assert not await packages.ready(taken, made(), saying(PackageReady, taken))
    assert told.facts == ["package.requested", "package.ready"]


async def test_a_packager_that_is_back_takes_its_own_claim_at_once(packages: Packages) -> None:
    lost = await claimed(packages)
    assert await packages.claimed_by("one", 5) == [lost.id]
    assert await packages.claimed_by("two", 5) == []
    again = await packages.claim(lost.id, claim("one", "second"), NOW)
    assert again
    assert again.deaths == 1


async def test_a_claim_that_is_prolonged_is_not_lost(packages: Packages) -> None:
    one = await claimed(packages)
    await packages.prolong([one.id], "one", LATER + 10 * SECOND)
    await packages.prolong([one.id], "two", LATER + 99 * SECOND)
    assert await packages.claim(one.id, claim("two"), LATER + SECOND) is None
    assert await packages.claim(one.id, claim("two"), LATER + 11 * SECOND)


async def test_what_nobody_makes_is_found_when_its_time_has_come(packages: Packages) -> None:
    unheard = await requested(packages)  # its claim without an owner: three seconds from NOW
    held = await claimed(packages)
    assert await packages.unmade(NOW + 2 * SECOND, 5) == []
    assert await packages.unmade(NOW + 4 * SECOND, 5) == [unheard.id]
    assert await packages.unmade(LATER + SECOND, 5) == [unheard.id, held.id]
    await packages.postpone(held, NOW + 9 * SECOND)
    assert await packages.unmade(NOW + 10 * SECOND, 5) == [unheard.id, held.id]
    again = await packages.claim(held.id, claim("two"), NOW)
    assert again
    assert again.deaths == 0  # it was given back, not lost


async def test_a_ready_package_has_what_was_made(packages: Packages) -> None:
    one = await ready(packages)
    facts = made()
    assert (one.state, one.claim) == (PackageState.READY, None)
    assert (one.key, one.size, one.sha256, one.content_hash) == (facts.key, 5, facts.sha256, facts.content_hash)
    assert (one.files, one.service_name, one.options.service_name) == (facts.files, "agent", "")
    assert (one.ready_at, one.expires_at) == (NOW, NOW + timedelta(days=1))
    assert await packages.unmade(LATER + timedelta(days=9), 5) == []


async def test_the_packages_that_are_kept_are_counted_and_added_up(packages: Packages) -> None:
    assert await packages.kept() == (0, 0)
    one, other = await ready(packages), await ready(packages)
    await claimed(packages)
    assert await packages.kept() == (2, one.size + other.size)
    assert await packages.expire(other, saying(PackageExpired, other))
    assert await packages.kept() == (1, one.size)


async def test_a_failed_package_says_why(packages: Packages, told: Told) -> None:
    one = await claimed(packages)
    failure = {"code": "INTERNAL", "stage": "package", "message": "no", "hint": "", "retryable": False}
    assert await packages.failed(one, failure, saying(PackageFailed, one, message="no"))
    found = await packages.get(one.id)
    assert found
    assert found.failure
    assert (found.state, found.failure.message, told.facts[-1]) == (PackageState.FAILED, "no", "package.failed")


async def test_a_package_whose_time_is_over_expires_once(packages: Packages, told: Told) -> None:
    one = await ready(packages)
    assert await packages.over(NOW + timedelta(hours=23), 5) == []
    assert [found.id for found in await packages.over(NOW + timedelta(hours=24), 5)] == [one.id]
    answers = await asyncio.gather(*(packages.expire(one, saying(PackageExpired, one)) for _ in range(5)))
    assert answers.count(True) == 1
    assert told.facts.count("package.expired") == 1
    assert await packages.over(NOW + timedelta(days=9), 5) == []


async def test_asked_for_again_it_is_made_anew_once(packages: Packages) -> None:
    one = await ready(packages)
    begun = await asyncio.gather(
        *(
            packages.renew(one, at=LATER, claim=PackageClaim(until=LATER), telling=[], traceparent="trace")
            for _ in range(10)
        )
    )
    assert len([found for found in begun if found]) == 1
    found = await packages.get(one.id)
    assert found
    assert (found.state, found.generation, found.requested_at) == (PackageState.GENERATING, 2, LATER)
    assert (found.key, found.size, found.files, found.expires_at, found.downloads) == ("", 0, [], None, 0)
    assert not await packages.expire(one, saying(PackageExpired, one))


async def test_downloads_are_counted(packages: Packages) -> None:
    one = await ready(packages)
    counts = await asyncio.gather(*(packages.count_download(one.id) for _ in range(10)))
    assert sorted(count or 0 for count in counts) == list(range(1, 11))
    assert await packages.count_download(new_package_id()) is None


async def test_pages_go_from_new_to_old_and_take_the_clock_into_account(packages: Packages) -> None:
    old, over = await ready(packages), await ready(packages, expires_at=NOW)
    waiting = await requested(packages)
    theirs = await requested(packages, user_id=BOB, agent_id="other")

    async def ids(states: set[PackageState], **fields: Any) -> list[str]:
        query: dict[str, Any] = {
            "user_id": ALICE,
            "test_id": None,
            "agent_id": "",
            "before": None,
            "limit": 9,
            **fields,
        }
        return [one.id for one in await packages.page(states=frozenset(states), now=NOW, **query)]

    everything = set(PackageState)
    assert await ids(everything) == [waiting.id, over.id, old.id]
    assert await ids(everything - {PackageState.EXPIRED}) == [waiting.id, old.id]
    assert await ids({PackageState.EXPIRED}) == [over.id]
    assert await ids({PackageState.READY}) == [old.id]
    assert await ids(everything, before=over.id) == [old.id]
    assert await ids(everything, limit=1) == [waiting.id]
    assert await ids(everything, test_id=old.test_id) == [old.id]
    assert await ids(everything, user_id=None, agent_id="other") == [theirs.id]
    [listed] = await packages.page(
        user_id=ALICE,
        test_id=old.test_id,
        agent_id="",
        states=frozenset(everything),
        now=NOW,
        before=None,
        limit=1,
    )
    assert listed.files == []
    assert await packages.still_made([old.id, waiting.id]) == {waiting.id}


async def test_events_stay_in_the_outbox_until_they_are_cleared(packages: Packages, told: Told) -> None:
    one = await claimed(packages)
    left = await packages.unsent(LATER, 5)
    assert [(letter.holder, letter.subject) for letter in left] == [(one.id, f"package.requested.alice.{one.test_id}")]
    assert left == list(told)
    await packages.clear([(letter.holder, letter.id) for letter in left])
    assert await packages.unsent(LATER, 5) == []
