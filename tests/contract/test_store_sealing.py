"""Queries and values of environments as they lie in a real store: sealed, opened, moved, with keys that come and go."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from shared.domain.masterkeys import CannotUnwrap, DataKey, MasterKey
from shared.errors import Unavailable
from shared.events.tests import TestSubmitted
from shared.ids import new_test_id
from shared.store.connect import Database
from shared.store.datakeys import LocalKeys, TwoRings
from shared.store.documents import Document, Execution, Input
from shared.store.executions import Executions
from shared.store.history import History
from shared.store.listing import Order, Wanted
from shared.store.rotation import rotate, seal_old
from shared.store.sealing import DATA_KEY_S, FAILED_S, LONGEST_S, REMEMBER_S, Seals, StaysSealed, unsealed
from tests.support.fakes.keyring import FakeKms
from tests.support.samples import ALICE, NOW, execution
from tests.support.until import until

OLD, NEW = MasterKey("old", os.urandom(32)), MasterKey("new", os.urandom(32))
ENV = {"TOKEN": "s3cr3t-\u00e4", "EMPTY": ""}
GIVEN = Input(name="bot", agent_code="def run(q): ...", query="where is Waldo", env=ENV)


class Hands:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class SlowKms(FakeKms):
    """It answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()
        self.answers.set()

    async def new(self) -> DataKey:
        self.asked.append("new")
        await self.answers.wait()
        if self.away:
            raise Unavailable("KMS does not answer")
        return self._wrapped(os.urandom(32))


def document() -> Document:
    """Of a new test, as far as it is sealed."""
    return {"_id": new_test_id(), "input": {"query": "where is Waldo", "env": dict(ENV)}, "request_hash": "h" * 64}


def seals(*keys: MasterKey, search: bool = False) -> Seals:
    return Seals(LocalKeys(keys), search=search)


def store(database: Database, sealing: Seals) -> Executions:
    return Executions(database, lambda _: None, sealing)


async def submitted(tests: Executions, **changes: Any) -> Execution:
    test = execution(**{"input": GIVEN, "request_hash": "h" * 64, **changes})
    await tests.submit(test, TestSubmitted(test_id=test.id, user_id=ALICE, at=NOW, priority=4))
    return test


async def test_every_way_to_read_a_test_opens_it(database: Database) -> None:
    tests = store(database, seals(NEW))
    test = await submitted(tests)
    past = History(database, seals(NEW))
    by_request = await tests.of_request(ALICE, test.request_key)
    assert by_request is not None
    assert by_request.request_hash == "h" * 64
    changed = await tests.change(test.id, where={}, set={"package_id": "p"})
    found = [
        await tests.get(test.id),
        by_request,
        changed,
        (await tests.get_many([test.id], whole=True))[test.id],
        (await tests.chain(test.id, whole=True))[0],
        (await past.page(Wanted(), Order.NEWEST, None, 1, whole=True)).tests[0],
    ]
    for one in found:
        assert one is not None
        assert (one.input.query, one.input.env, one.input.sealed) == (GIVEN.query, ENV, None)
    brief = [
        (await tests.get_many([test.id]))[test.id],
        (await past.page(Wanted(), Order.NEWEST, None, 1)).tests[0],
        (await tests.chain(test.id))[0],
    ]
    for one in brief:
        assert (one.input.query, one.input.env, one.input.sealed) == (GIVEN.query, {}, None)


async def test_names_of_variables_stay_readable_and_values_do_not(database: Database) -> None:
    test = await submitted(store(database, seals(NEW)))
    stored = await database["executions"].find_one({"_id": test.id})
    assert stored is not None
    assert stored["input"]["env"] == {"TOKEN": "", "EMPTY": ""}
    assert (stored["input"]["query"], stored["request_hash"]) == ("", "")
    assert "Waldo" not in repr(stored)
    assert "s3cr3t" not in repr(stored)
    assert stored["facets"] == ["agent:agent", "word:bot"]


async def test_words_of_a_query_are_found_where_the_operator_wants_it(database: Database) -> None:
    await submitted(store(database, seals(NEW, search=True)))
    past = History(database, seals(NEW))
    assert len((await past.page(Wanted(words=("waldo",)), Order.NEWEST, None, 5)).tests) == 1


async def test_what_was_stored_without_keys_is_read_with_them(database: Database) -> None:
    test = await submitted(store(database, seals()))
    found = await store(database, seals(NEW)).get(test.id)
    assert found is not None
    assert (found.input.query, found.input.env) == (GIVEN.query, ENV)


@pytest.mark.parametrize("keys", [(), (NEW,), (MasterKey("old", os.urandom(32)),)], ids=["none", "another", "false"])
async def test_without_its_key_a_test_stays_sealed_and_says_which_one(
    database: Database, keys: tuple[MasterKey, ...]
) -> None:
    test = await submitted(store(database, seals(OLD)))
    tests = store(database, seals(*keys))
    found = await tests.get(test.id)
    assert found is not None
    assert (found.input.query, found.input.env, found.input.agent_code) == (
        "",
        {"TOKEN": "", "EMPTY": ""},
        GIVEN.agent_code,
    )
    with pytest.raises(StaysSealed, match="'old'"):
        unsealed(found)
    again = execution(input=found.input)  # a retry, as an empty query would be one
    with pytest.raises(StaysSealed, match="'old'"):
        await tests.submit(again, TestSubmitted(test_id=again.id, user_id=ALICE, at=NOW, priority=4))
    assert await tests.get(again.id) is None


@pytest.mark.parametrize("field", ["query", "env", "request_hash"])
async def test_a_value_that_was_changed_or_moved_does_not_open(database: Database, field: str) -> None:
    tests = store(database, seals(NEW))
    one, other = await submitted(tests), await submitted(tests)
    stored = await database["executions"].find_one({"_id": other.id})
    assert stored is not None
    await database["executions"].update_one(
        {"_id": one.id}, {"$set": {f"input.sealed.{field}": stored["input"]["sealed"][field]}}
    )
    moved = await tests.get(one.id)
    assert moved is not None
    assert moved.input.sealed is not None
    untouched = await tests.get(other.id)
    assert untouched is not None
    assert untouched.input.sealed is None


async def test_a_field_that_takes_the_place_of_another_does_not_open(database: Database) -> None:
    tests = store(database, seals(NEW))
    test = await submitted(tests)
    stored = await database["executions"].find_one({"_id": test.id})
    assert stored is not None
    await database["executions"].update_one(
        {"_id": test.id}, {"$set": {"input.sealed.query": stored["input"]["sealed"]["env"]}}
    )
    found = await tests.get(test.id)
    assert found is not None
    assert found.input.sealed is not None


async def test_a_new_key_takes_over_in_the_background_and_the_old_one_can_go(database: Database) -> None:
    before = [await submitted(store(database, seals(OLD))) for _ in range(7)]
    plain = await submitted(store(database, seals()))
    both = seals(NEW, OLD)
    during = await submitted(store(database, both))
    assert await rotate(database, both) == (7, {}, {})
    assert await rotate(database, both) == (0, {}, {})
    alone = store(database, seals(NEW))
    for test in [*before, during, plain]:
        found = await alone.get(test.id)
        assert found is not None
        assert found.input.query == GIVEN.query


async def test_a_rotation_without_the_old_key_leaves_it_and_says_so(database: Database) -> None:
    await submitted(store(database, seals(OLD)))
    done, left, why = await rotate(database, seals(NEW))
    assert (done, left) == (0, {"old": 1})
    assert "no key 'old'" in why["old"]
    assert await rotate(database, seals(NEW, OLD)) == (1, {}, {})


async def test_a_rotation_that_is_broken_off_goes_on_where_it_was(database: Database) -> None:
    made = [await submitted(store(database, seals(OLD))) for _ in range(5)]
    ring = FakeKms()
    two = Seals(TwoRings(ring, LocalKeys([OLD])))
    await database["executions"].update_one({"_id": made[0].id}, {"$set": {"input.sealed.wrapped": b"broken"}})
    done, left, _ = await rotate(database, two)
    assert (done, left) == (4, {"old": 1})
    opened = await store(database, Seals(ring)).get(made[3].id)
    assert opened is not None
    assert opened.input.env == ENV


async def test_a_key_service_is_asked_once_for_many_tests(database: Database) -> None:
    ring, hands = FakeKms(), Hands()
    tests = store(database, Seals(ring, monotonic=hands))
    made = [await submitted(tests) for _ in range(20)]
    assert ring.asked == ["new"]
    reader = store(database, Seals(ring, monotonic=hands))
    await reader.get_many([test.id for test in made], whole=True)
    assert ring.asked == ["new", "unwrap"]
    hands.now += max(DATA_KEY_S, REMEMBER_S)
    await submitted(tests)
    await reader.get(made[0].id)
    assert ring.asked == ["new", "unwrap", "new", "unwrap"]


async def test_while_a_key_service_is_away_the_last_data_key_goes_on_for_an_hour(database: Database) -> None:
    ring, hands = FakeKms(), Hands()
    sealing = Seals(ring, monotonic=hands)
    tests = store(database, sealing)
    await submitted(tests)
    ring.away = True
    hands.now += DATA_KEY_S
    await submitted(tests)
    hands.now += LONGEST_S
    with pytest.raises(Unavailable, match="try again"):
        await submitted(tests)
    ring.away = False
    hands.now += FAILED_S
    await submitted(tests)


async def test_who_submits_while_a_key_service_does_not_answer_waits_for_nobody_else() -> None:
    """One asks; the others go on with the last data key at once, and not one after the other."""
    ring, hands = SlowKms(), Hands()
    sealing = Seals(ring, monotonic=hands)
    await sealing.seal(document())
    ring.answers.clear()
    hands.now += DATA_KEY_S
    first = asyncio.create_task(sealing.seal(document()))
    await until(lambda: ring.asked == ["new", "new"])
    await asyncio.gather(*(sealing.seal(document()) for _ in range(100)))
    assert not first.done()
    ring.away = True
    ring.answers.set()
    await first  # with the last one, too
    await asyncio.gather(*(sealing.seal(document()) for _ in range(100)))
    assert ring.asked == ["new", "new"]
    hands.now += FAILED_S
    await sealing.seal(document())
    assert ring.asked == ["new", "new", "new"]


async def test_without_a_data_key_a_key_service_that_does_not_answer_is_asked_once_for_all_who_wait() -> None:
    ring, hands = FakeKms(), Hands()
    ring.away = True
    sealing = Seals(ring, monotonic=hands)
    refusals = await asyncio.gather(*(sealing.seal(document()) for _ in range(100)), return_exceptions=True)
    assert all(isinstance(error, Unavailable) for error in refusals)
    assert ring.asked == ["new"]


async def test_a_key_that_does_not_answer_is_not_asked_for_each_test_of_a_list(database: Database) -> None:
    ring, hands = FakeKms(), Hands()
    writer = store(database, Seals(ring, monotonic=hands))
    made = [await submitted(writer) for _ in range(10)]
    ring.away, ring.asked = True, []
    reader = store(database, Seals(ring, monotonic=hands))
    found = await reader.get_many([test.id for test in made])
    assert all(test.input.sealed is not None for test in found.values())
    assert ring.asked == ["unwrap"]
    ring.away = False
    hands.now += FAILED_S
    found = await reader.get_many([test.id for test in made])
    assert all(test.input.sealed is None for test in found.values())


async def test_a_key_service_that_does_not_answer_is_not_asked_for_each_data_key_of_a_list() -> None:
    ring, hands = FakeKms(), Hands()
    sealed = []
    for _ in range(10):
        sealed.append(document())
        await Seals(ring, monotonic=hands).seal(sealed[-1])
    ring.away, ring.asked = True, []
    reader = Seals(ring, monotonic=hands)
    for one in sealed:
        await reader.open(one)
    assert ring.asked == ["unwrap"]
    ring.away = False
    hands.now += FAILED_S
    assert [(await reader.open(one))["input"]["query"] for one in sealed] == ["where is Waldo"] * 10


async def test_an_old_key_of_the_settings_is_read_beside_kms(database: Database) -> None:
    test = await submitted(store(database, seals(OLD)))
    ring = FakeKms()
    sealing = Seals(TwoRings(ring, LocalKeys([OLD])))
    newer = await submitted(store(database, sealing))
    stored = await database["executions"].find_one({"_id": newer.id})
    assert stored is not None
    assert stored["input"]["sealed"]["key"] == "kms:alias/assay"
    found = await store(database, sealing).get(test.id)
    assert found is not None
    assert found.input.query == GIVEN.query


async def test_nobody_wraps_without_a_key() -> None:
    with pytest.raises(CannotUnwrap, match="no key to encrypt"):
        await LocalKeys([]).wrap(b"")


async def test_what_was_stored_before_there_was_a_key_is_sealed_afterwards_once(database: Database) -> None:
    plain = store(database, seals())
    old = [await submitted(plain) for _ in range(3)]
    bare = await submitted(plain, input=Input(query="waldo bot", name="bot"), request_hash="")
    newer = await submitted(store(database, seals(NEW)))
    assert await seal_old(database, seals(NEW)) == 4
    assert await seal_old(database, seals(NEW)) == 0
    stored = [one async for one in database["executions"].find()]
    assert "waldo" not in repr(stored).lower()
    assert "s3cr3t" not in repr(stored)
    assert {word for one in stored for word in one["facets"]} == {"agent:agent", "word:bot"}
    tests = store(database, seals(NEW))
    for test in [*old, bare, newer]:
        found = await tests.get(test.id)
        assert found is not None
        assert (found.input, found.request_hash) == (test.input, test.request_hash)


async def test_words_that_are_to_be_found_stay_when_old_tests_are_sealed(database: Database) -> None:
    await submitted(store(database, seals()))
    await seal_old(database, seals(NEW, search=True))
    past = History(database, seals(NEW))
    assert len((await past.page(Wanted(words=("waldo",)), Order.NEWEST, None, 5)).tests) == 1
