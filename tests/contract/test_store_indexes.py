"""Every question that the store asks is answered by an index: the commands are caught on their way and explained."""

import gc
import inspect
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from shared.domain.lifecycle import State
from shared.domain.limits import Limits
from shared.domain.packages import PackageState
from shared.domain.usage import Change, CounterName, Kind
from shared.errors import Unavailable
from shared.events.audit import AuditAttempted
from shared.events.packages import PackageExpired, PackageFailed, PackageReady, PackageRequested
from shared.events.tests import TestSubmitted
from shared.ids import new_test_id
from shared.store.admissions import Admissions
from shared.store.artifacts import Artifacts
from shared.store.audit import AuditActor, AuditEntry, AuditLog, AuditOutcome, AuditTarget
from shared.store.books import Books, Entry
from shared.store.connect import Database, check, connected, provision
from shared.store.counters import AgentPlace, Counters, Grouping
from shared.store.documents import Slot
from shared.store.executions import Executions
from shared.store.history import History
from shared.store.indexes import INDEXES, RETIRED
from shared.store.keys import ApiKeys
from shared.store.limits import UserLimitsStore
from shared.store.listing import Order, Place, Wanted
from shared.store.logs import LogChunks
from shared.store.package_documents import PackageClaim
from shared.store.packages import Packages
from shared.store.projects import Projects
from shared.store.queue import Queue, Spell, Standing
from shared.store.runs import Runs
from shared.store.slots import Slots
from tests.contract.test_store_executions import queueing
from tests.contract.test_store_logs import chunk
from tests.support.samples import ALICE, BOB, NOW, entry, execution, lease, made, package

LATER = NOW + timedelta(seconds=1)
EVERY_ONE = {"slots", "users"}
"""Collections that are as small as the capacity, or as few users with limits of their own, and are read as a whole on
purpose."""


class Caught(CommandListener):
    """The commands that read or look for something."""

    LOOKING = frozenset({"find", "update", "delete", "findAndModify", "count", "aggregate"})

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name in self.LOOKING:
            self.commands.append(dict(event.command))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Not of interest."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Not of interest."""


@asynccontextmanager
async def listening(url: str, name: str, caught: Caught) -> AsyncIterator[Database]:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(url, tz_aware=True, event_listeners=[caught])
    async with client:
        database: Database = client.get_database(name)
        await provision(database)
        yield database


async def ask_executions(tests: Executions) -> None:
    found = [execution() for _ in range(3)]
    for test in found:
        event = TestSubmitted(test_id=test.id, user_id=ALICE, at=NOW, priority=4)
        await tests.submit(test, event)
        await tests.submit(test, event)
        await tests.move(queueing(test.id))
    one = found[0].id
    await tests._move_all([queueing(test.id) for test in found])  # a batch that lost looks up who won
    await tests.change(one, where={"state": State.QUEUED}, set={"lease": lease(NOW).model_dump(), "logs.until": NOW})
    await tests.renew([one], "one", NOW)
    await tests.renew_logs([one], "one", NOW)
    await tests.get(one)
    await tests.get_many([one])
    await tests.briefs([one])
    await tests.attempts_under_way([one])
    await tests.of_request(ALICE, one)
    await tests.stale(State.QUEUED, LATER, 5)
    await tests.unattended(LATER, 5)
    await tests.abandoned("process", 10)
    await tests.last_retry(one)
    await tests.chain(one)
    await tests.owned("one", 5)
    await tests.unlaunched(LATER, 5)
    await tests.waiting_but_unwanted(5)
    await tests.unread(LATER, 5)
    await tests.followed_by("one", 5)
    await tests.unsent(LATER, 5)
    await tests.clear([(one, "event")])


async def ask_history(past: History) -> None:
    place = Place(0, new_test_id(), 5.0)
    for user in (ALICE, None):
        for more in (
            {},
            {"states": frozenset({State.QUEUED, State.FAILED})},
            {"agent_id": "agent"},
            {"agent_id": "agent", "states": frozenset({State.FAILED}), "submitted_from": NOW},
            {"labels": (("team", "a"), ("env", "")), "provider": "ollama"},
            {"failure_code": "AGENT_EXCEPTION"},
            {"words": ("one", "two"), "submitted_before": NOW, "finished_before": NOW},
        ):
            wanted = Wanted(user_id=user, **more)
            await past.count(wanted)
            for order in Order:
                for after in (None, place):
                    await past.page(wanted, order, after, 5)


async def ask_books(books: Books) -> None:
    await books.due(NOW, timedelta(), 5)
    await books.due_packages(NOW, 5)
    await books.labels([new_test_id()])
    await books.take("one", NOW, NOW)
    await books.take("two", LATER, LATER)
    for collection in ("executions", "packages"):
        await books.put_off(collection, {"_id": "one", "books": {"due": NOW}}, LATER, "why")
    entries = [Entry("executions", new_test_id(), "", "IN", {}), Entry("packages", package().id, "", "1", {}, NOW)]
    batch = await books.begin("two", entries)
    assert batch is not None
    await books.mark(batch)
    await books.members(batch)
    for one in entries:
        await books.take_back(batch.number, one, LATER, "why")
    await books.count(batch.number, {CounterName(Kind.TOTAL, "alice", None): Change(add={"FAILED": 1})})
    await books.close("two", batch.number)


async def ask_counters(counters: Counters) -> None:
    await counters.steps(Kind.DAY, ALICE, NOW, LATER)
    for grouping in Grouping:
        for user in (ALICE, None):
            await counters.costs(grouping, user, NOW, LATER, label="team", most=5)
    await counters.agent(ALICE, "agent", new_test_id())
    for scope in (ALICE, None):
        await counters.totals(scope)
        for after in (None, AgentPlace(NOW, ALICE, "agent")):
            await counters.agents(scope, after, 5)


async def ask_runs(runs: Runs) -> None:
    await runs.newest(ALICE, "agent", 5)
    await runs.last_failure(ALICE, "agent")


async def ask_queue(queue: Queue) -> None:
    places = [entry(float(rank)) for rank in range(3)]
    await queue.granted({4: 5.0}, [Spell(NOW, 1.0)])
    await queue.released([Spell(NOW, 1.0)])
    await queue.recent_holds()
    await queue.reserve(ALICE, 4, 2)
    for place in places:
        await queue.add(place)
    await queue.head(5)
    await queue.head(5, without={BOB})
    await queue.behind(None, 5)
    await queue.behind(Standing.of(places[0]), 5)
    await queue.ahead(Standing.of(places[1]))
    await queue.figures(NOW)
    await queue.position(places[1].id)
    await queue.pending_of(ALICE)
    await queue.missing([places[0].id])
    await queue.remove(places[0].id)


async def ask_slots(slots: Slots) -> None:
    test = new_test_id()
    await slots.ensure(3)
    await slots.resize(2)
    await slots.free()
    await slots.take(test=test, user=ALICE, attempt=1, now=NOW)
    await slots.taken()
    await slots.holders()
    await slots.held_by(ALICE)
    await slots.held_longest(5)
    await slots.occupancy()
    await slots.pause(NOW, "root", "why")
    await slots.resume()
    await slots.pool()
    await slots.agree()
    await slots.give_back([Slot(id=0, test_id=test, attempt=1)])
    await slots.release_all([(test, 1)])


async def ask_limits(users: UserLimitsStore) -> None:
    await users.change(ALICE, {"max_pending": 5})
    await users.get(ALICE)
    await users.all()
    await users.change(ALICE, {"max_pending": None})
    await users.tell_max_running(3)
    await users.default_max_running()


async def ask_admissions(windows: Admissions) -> None:
    limits = Limits(submissions_per_hour=1, max_pending=1)
    for _ in range(2):
        await windows.enter(ALICE, new_test_id(), NOW, limits)
    await windows.leave(ALICE, new_test_id())
    await windows.window(ALICE)
    await windows.recall(ALICE, NOW)


async def ask_logs(logs: LogChunks) -> None:
    test = new_test_id()
    await logs.append(chunk(test, 1, 3))
    await logs.append(chunk(test, 4, 6))
    await logs.read(test, from_seq=2, limit=9)
    await logs.last(test, within=range(1, 100))
    await logs.account(test, within=range(1, 100))
    await logs.count(test, within=range(1, 100))
    await logs.holes(test, within=range(1, 100), most=3)


async def ask_packages(packages: Packages) -> None:
    one, other = package(), package()
    at: dict[str, Any] = {"test_id": one.test_id, "user_id": ALICE, "package_id": one.id, "at": NOW}
    for _ in range(2):
        await packages.request(one, PackageRequested(**at))
    await packages.request(other, PackageRequested(**at | {"package_id": other.id}))
    await packages.of_request(ALICE, "key")
    await packages.remember(one.id, "key")
    claim = PackageClaim(owner="one", token="t", until=LATER)
    mine = await packages.claim(one.id, claim, NOW)
    assert mine
    assert await packages.claim(one.id, claim, NOW)
    await packages.prolong([one.id], "one", LATER)
    await packages.unmade(LATER, 5)
    await packages.claimed_by("one", 5)
    await packages.still_made([one.id])
    await packages.ready(mine, made(expires_at=NOW), PackageReady(**at))
    await packages.over(LATER, 5)
    await packages.kept()
    await packages.expire(one, PackageExpired(**at))
    await packages.failed(mine, {}, PackageFailed(**at, message="no"))
    await packages.postpone(mine, LATER)
    await packages.renew(one, at=NOW, claim=claim, telling=[], traceparent="")
    await packages.count_download(one.id)
    await packages.get(one.id)
    for states in ({PackageState.READY}, {PackageState.EXPIRED}, set(PackageState)):
        for user in (ALICE, None):
            for test in (one.test_id, None):
                for agent in ("agent", ""):
                    await packages.page(
                        user_id=user,
                        test_id=test,
                        agent_id=agent,
                        states=frozenset(states),
                        now=NOW,
                        before=one.id,
                        limit=5,
                    )
    await packages.unsent(LATER, 5)
    await packages.clear([(one.id, "event")])


async def ask_projects(projects: Projects) -> None:
    for _ in range(2):
        await projects.put(ALICE, "digest", [], b"", now=NOW, expires_at=LATER)
    await projects.use(ALICE, "digest", LATER)
    await projects.listed(ALICE, "digest")
    await projects.read(ALICE, "digest")
    await projects.used(ALICE)


async def ask_artifacts(artifacts: Artifacts) -> None:
    test = new_test_id()
    await artifacts.put(test, 1, b"abc", LATER)
    assert [part async for part in artifacts.read(test, 1, range(2))] == [b"ab"]


async def ask_keys(keys: ApiKeys) -> None:
    key, _ = [await keys.add("secret", user=ALICE, role="user", now=NOW) for _ in range(2)]
    await keys.get(key.key_id)
    await keys.used(key, NOW)
    for user in (ALICE, None):
        for ended in (False, True):
            for before in (None, key.key_id):
                await keys.page(user=user, ended=ended, now=NOW, before=before, limit=5)
    for _ in range(2):
        await keys.revoke(key.key_id, NOW)
    await keys.revoke_all(ALICE, NOW)


async def ask_audit(log: AuditLog) -> None:
    entry = AuditEntry(
        id="aud_1", at=NOW, action="GetTest", actor=AuditActor(user_id=ALICE), target=AuditTarget(kind="test")
    )
    told = AuditAttempted(audit_id="aud_1", user_id=ALICE, at=NOW, action="GetTest", changes=False)
    await log.attempt(entry, told)
    await log.conclude(entry, AuditOutcome(id="", of="aud_1", at=NOW, status="OK"), told)
    await log.page(limit=5)
    await log.page(user=ALICE, action="GetTest", since=NOW, until=NOW, before="aud_1", limit=5)
    await log.page(owner=ALICE, limit=5)
    await log.unsent(NOW, 10)
    await log.clear([("aud_1", "id")])


def questions(command: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The command as it can be explained: one update or delete at a time, without what belongs to the session."""
    name = next(iter(command))
    session = {"lsid", "txnNumber", "$clusterTime", "$db", "writeConcern", "readConcern", "$readPreference", "ordered"}
    kept = {key: value for key, value in command.items() if key not in session}
    several = {"update": "updates", "delete": "deletes"}.get(name)
    if several is None:
        yield kept
    else:
        for one in kept[several]:
            yield {**kept, several: [one]}


def stages(plan: Any) -> Iterator[str]:
    if isinstance(plan, dict):
        if isinstance(plan.get("stage"), str):
            yield plan["stage"]
        for name, value in plan.items():
            if name != "rejectedPlans":
                yield from stages(value)
    elif isinstance(plan, list):
        for value in plan:
            yield from stages(value)


@pytest.mark.parametrize(
    ("kind", "ask"),
    [
        (lambda database: Executions(database, lambda letters: None), ask_executions),
        (Queue, ask_queue),
        (Slots, ask_slots),
        (UserLimitsStore, ask_limits),
        (Admissions, ask_admissions),
        (LogChunks, ask_logs),
        (lambda database: Packages(database, lambda letters: None), ask_packages),
        (Projects, ask_projects),
        (Artifacts, ask_artifacts),
        (ApiKeys, ask_keys),
        (History, ask_history),
        (Books, ask_books),
        (Counters, ask_counters),
        (Runs, ask_runs),
        (lambda database: AuditLog(database, lambda letters: None), ask_audit),
    ],
    ids=[
        "executions",
        "queue",
        "slots",
        "limits",
        "admissions",
        "logs",
        "packages",
        "projects",
        "artifacts",
        "keys",
        "history",
        "books",
        "counters",
        "runs",
        "audit",
    ],
)
async def test_every_question_has_an_index(mongo_url: str, mongo_database: str, kind: Any, ask: Any) -> None:
    caught = Caught()
    async with listening(mongo_url, mongo_database, caught) as database:
        room = kind(database)
        await ask(room)
        methods = {name for name, _ in inspect.getmembers(type(room), inspect.iscoroutinefunction) if name[0] != "_"}
        source = inspect.getsource(ask)
        assert [name for name in methods if f".{name}(" not in source and name != "find"] == []
        asked = [question for command in list(caught.commands) for question in questions(command)]
        assert asked
        for question in asked:
            plan = await database.command("explain", question, verbosity="queryPlanner")
            collection = question[next(iter(question))]
            if collection not in EVERY_ONE:
                assert "COLLSCAN" not in set(stages(plan)), question


async def test_indexes_are_made_once_by_however_many_services_start(mongo_url: str, mongo_database: str) -> None:
    async with connected(mongo_url, mongo_database, service="one") as database:
        for _ in range(3):
            await provision(database)
        made = {
            (name, index)
            for name in {index.collection for index in INDEXES}
            for index in await database[name].index_information()
            if index != "_id_"
        }
    assert made == {(index.collection, index.model.document["name"]) for index in INDEXES}


async def test_indexes_of_earlier_versions_are_dropped(mongo_url: str, mongo_database: str) -> None:
    async with connected(mongo_url, mongo_database, service="one") as database:
        for collection, name in RETIRED:
            await database[collection].create_index([("priority", -1), ("rank", 1), ("_id", 1)], name=name)
        for _ in range(2):
            await provision(database)
        for collection, name in RETIRED:
            assert name not in await database[collection].index_information()
    assert not set(RETIRED) & {(index.collection, index.model.document["name"]) for index in INDEXES}


async def test_an_index_of_another_shape_is_not_replaced_silently(mongo_url: str, mongo_database: str) -> None:
    async with connected(mongo_url, mongo_database, service="one") as database:
        await database["slots"].create_index([("other", 1)], name="test")
        with pytest.raises(Unavailable, match="slots"):
            await provision(database)


async def test_a_store_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="MongoDB does not answer"):
        async with connected("mongodb://127.0.0.1:9/", "any", service="one", patience_ms=100):
            pass
    gc.collect()


async def test_a_store_that_answers_is_well(database: Database) -> None:
    await check(database)
