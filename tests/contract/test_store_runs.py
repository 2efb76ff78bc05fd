"""How the tests of an agent ended, on a real store: newest first, of one user's agent, cancelled ones no failures."""

from datetime import timedelta
from typing import Any

import pytest

from shared.domain.failure import FailureCode, Stage
from shared.domain.lifecycle import State
from shared.ids import TestId, first_test_id
from shared.store.connect import Database
from shared.store.documents import Execution, FailureDoc, Metrics, Result, Times
from shared.store.runs import Run, Runs
from tests.support.samples import ALICE, BOB, NOW, execution


@pytest.fixture
def runs(database: Database) -> Runs:
    return Runs(database)


async def ended(database: Database, minute: int, code: FailureCode | None = None, **changes: Any) -> Execution:
    """A test that was handed in so many minutes after NOW, and has ended."""
    at = NOW + timedelta(minutes=minute)
    fields: dict[str, Any] = {
        "id": TestId(first_test_id(at)[:-4] + "0001"),
        "state": State.FAILED if code else State.COMPLETED,
        "times": Times(submitted=at, finished=at + timedelta(seconds=5)),
        "failure": FailureDoc(code=code, stage=Stage.RUN, message="m", hint="h") if code else None,
        "result": Result(success=code is None, metrics=Metrics(run_ms=1500.0, peak_memory_bytes=4096)),
        **changes,
    }
    test = execution(fields.pop("state"), **fields)
    await database["executions"].insert_one(test.model_dump(by_alias=True, mode="python", exclude_none=True))
    return test


async def test_the_newest_that_ended_come_first_and_no_other_agents(database: Database, runs: Runs) -> None:
    old = await ended(database, 1)
    put_away = await ended(database, 2, FailureCode.AGENT_EXCEPTION, state=State.ARCHIVED)
    new = await ended(database, 3)
    await ended(database, 4, state=State.RUNNING)
    await ended(database, 5, user_id=BOB)
    await ended(database, 6, agent_id="other")
    found = await runs.newest(ALICE, "agent", 9)
    assert [run.test_id for run in found] == [new.id, put_away.id, old.id]
    assert found[0] == Run(new.id, "", NOW + timedelta(minutes=3), 1500.0, 4096)
    assert found[1].failure_code == FailureCode.AGENT_EXCEPTION
    assert [run.test_id for run in await runs.newest(ALICE, "agent", 1)] == [new.id]


async def test_a_test_that_never_ran_has_no_figures(database: Database, runs: Runs) -> None:
    test = await ended(database, 1, FailureCode.DEPENDENCY_INSTALL_FAILED, result=None)
    (run,) = await runs.newest(ALICE, "agent", 9)
    assert run == Run(test.id, FailureCode.DEPENDENCY_INSTALL_FAILED, test.times.submitted, None, None)


async def test_the_last_failure_is_the_newest_that_is_no_cancellation(database: Database, runs: Runs) -> None:
    assert await runs.last_failure(ALICE, "agent") is None
    await ended(database, 1, FailureCode.OUT_OF_MEMORY)
    late = await ended(database, 2, FailureCode.TIMED_OUT, state=State.TIMED_OUT)
    await ended(database, 3)
    await ended(database, 4, FailureCode.CANCELLED)
    await ended(database, 5, FailureCode.AGENT_EXCEPTION, user_id=BOB)
    await ended(database, 6, FailureCode.AGENT_EXCEPTION, agent_id="other")
    found = await runs.last_failure(ALICE, "agent")
    assert found is not None
    assert (found.test_id, found.failure_code) == (late.id, FailureCode.TIMED_OUT)
