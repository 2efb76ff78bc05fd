"""Finds a test for a caller. Another user's test is as good as none."""

from __future__ import annotations

from services.gateway.caller import Caller, touch
from services.gateway.errors import InvalidRequest, NoSuchTest, Violation
from services.gateway.ports import Tests
from shared.ids import TEST_ID, TestId
from shared.store.documents import Execution


async def fetch(tests: Tests, caller: Caller, test_id: str) -> Execution:
    """The test. Raises InvalidRequest for an empty id, NoSuchTest for one that names no test of the caller's."""
    if not test_id:
        raise InvalidRequest([Violation("test_id", "is empty")])
    execution = await tests.get(TestId(test_id)) if TEST_ID.fullmatch(test_id) else None
    if execution is None or caller.scope not in {None, execution.user_id}:
        raise NoSuchTest(test_id)
    await touch("test", execution.id, execution.user_id)
    return execution
