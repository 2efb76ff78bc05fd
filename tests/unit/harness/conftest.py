from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.unit.harness.started import Outcome, interpreters, run, why_no_sandbox


@pytest.fixture(params=interpreters(), ids=["forked", "other-interpreter"])
def outcome_of(request: pytest.FixtureRequest) -> Callable[..., Outcome]:
    """`run`, once for each way of starting the agent."""
    return partial(run, python=request.param)


@pytest.fixture(scope="session")
def sandbox() -> None:
    """Asks for bubblewrap."""
    if reason := why_no_sandbox():
        pytest.skip(reason)
