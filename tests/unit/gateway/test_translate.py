from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assay.v1 import test_pb2
from services.gateway.translate import BASIC, FULL, RESULT, STATES, api_test, duration, timestamp
from shared.domain.failure import FailureCode, Stage
from shared.domain.lifecycle import State
from shared.ids import TestId, UserId
from shared.store.documents import (
    AgentError,
    Cancel,
    Conversion,
    Cost,
    EntryPoint,
    Execution,
    FailureDoc,
    HistoryEntry,
    Input,
    Logs,
    Metrics,
    ModelSetting,
    Resources,
    Result,
    Task,
    Times,
    Usage,
)

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


def execution(**more: Any) -> Execution:
    values: dict[str, Any] = {
        "id": TestId("tst_" + "1" * 32),
        "user_id": UserId("alice"),
        "agent_id": "weather",
        "agent_name": "Weather",
        "labels": ["team=a=b", "x="],
        "input": Input(
            name="first",
            agent_code="code",
            requirements=["httpx"],
            dockerfile="FROM x",
            entrypoint="agent:run",
            query="q" * 300,
            env={"A": "1"},
            secret_refs={"KEY": "name"},
            model=ModelSetting(provider="ollama", model_id="m"),
            timeout_s=60,
            priority=0,
            resources=Resources(cpu=1.0, memory_mib=2048),
            network=False,
        ),
        "request_key": "r",
        "state": State.FAILED,
        "attempt": 2,
        "failure": FailureDoc(
            code=FailureCode.AGENT_EXCEPTION,
            stage=Stage.RUN,
            message="m",
            hint="h",
            agent_error=AgentError(type="ValueError", message="v", traceback="long"),
        ),
        "history": [HistoryEntry(state=State.SUBMITTED, at=AT, by="alice")],
        "times": Times(submitted=AT, finished=AT + timedelta(seconds=2)),
        "task": Task(runtime="process", launch_token="t", nonce="secret-nonce", handle={"token": "abc"}, exit_code=0),
        "result": Result(
            success=False, response_json='"r"', metrics=Metrics(run_ms=1500.5, cpu_s=0.25), usage=Usage(input_tokens=3)
        ),
        "cancel": Cancel(requested_at=AT, by="bob", reason="why"),
        "logs": Logs(lines=4, bytes=40, ended=True, complete=True),
    }
    return Execution(**{**values, **more})


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_a_name_in_the_api(state: State) -> None:
    assert test_pb2.TestState.Name(STATES[state]) == f"TEST_STATE_{state}"


def test_the_full_view_has_everything_that_was_handed_in() -> None:
    test = api_test(execution(), FULL)
    assert test.spec.agent_code == "code"
    assert list(test.spec.requirements) == ["httpx"]
    assert dict(test.spec.env) == {"A": "1"}
    assert dict(test.spec.labels) == {"team": "a=b", "x": ""}
    assert test.spec.HasField("priority")
    assert test.spec.network == test_pb2.NETWORK_ACCESS_NONE
    assert test.spec.model.provider == "ollama"
    assert test.spec.timeout.seconds == 60
    assert test.result.metrics.run_duration.ToTimedelta() == timedelta(seconds=1.5005)
    assert test.task.HasField("exit_code")
    assert test.cancellation.requested_by == "bob"
    assert test.times.end_time.ToDatetime(UTC) == AT + timedelta(seconds=2)
    assert not test.times.HasField("run_start_time")


def test_the_result_view_has_the_outcome_without_the_code() -> None:
    test = api_test(execution(), RESULT)
    assert not test.spec.agent_code
    assert not test.spec.env
    assert len(test.spec.query) == 300
    assert test.result.response_json == '"r"'
    assert test.failure.agent_error.traceback == "long"
    assert len(test.history) == 1


def test_the_basic_view_is_small() -> None:
    test = api_test(execution(), BASIC)
    assert len(test.spec.query) == 200
    assert not test.result.response_json
    assert not test.failure.agent_error.traceback
    assert test.failure.agent_error.type == "ValueError"
    assert not test.history


def test_what_was_called_and_converted_is_in_the_result_view_and_not_in_lists() -> None:
    result = Result(
        success=True,
        entry=EntryPoint(name="agent:run", call="run(query)", query_passed=False, candidates=["agent:main"]),
        conversions=[Conversion(path="answer['due']", type="datetime.date", how="isoformat")],
        files_left_out=["x: a link"],
    )
    shown = api_test(execution(result=result), RESULT).result
    assert (shown.entry.name, shown.entry.call, shown.entry.query_passed) == ("agent:run", "run(query)", False)
    assert list(shown.entry.candidates) == ["agent:main"]
    assert [(one.path, one.type, one.how) for one in shown.conversions] == [
        ("answer['due']", "datetime.date", "isoformat")
    ]
    assert list(shown.files_left_out) == ["x: a link"]
    listed = api_test(execution(result=result), BASIC).result
    assert not listed.HasField("entry")
    assert not listed.conversions
    assert not api_test(execution(), FULL).result.HasField("entry")


def test_the_nonce_is_in_no_view() -> None:
    assert b"secret-nonce" not in api_test(execution(), FULL).SerializeToString()


@pytest.mark.parametrize("seconds", [0.0, 0.001, 1.5, 59.999999, 86_400.25])
def test_durations_keep_their_microseconds(seconds: float) -> None:
    made = duration(seconds)
    assert made is not None
    assert made.ToTimedelta() == timedelta(seconds=seconds)


def test_what_is_not_known_is_not_set() -> None:
    assert duration(None) is None
    assert timestamp(None) is None
    at = timestamp(AT)
    assert at is not None
    assert at.ToDatetime(UTC) == AT


@pytest.mark.parametrize("result", [None, Result(success=True)], ids=["without a result", "beside the result"])
def test_a_test_shows_its_cost_with_or_without_a_result(result: Result | None) -> None:
    shown = api_test(execution(result=result, cost=Cost(cpu=1.0, logs=0.5)), BASIC)
    assert (shown.cost.total_usd, shown.cost.cpu_usd, shown.cost.logs_usd) == (1.5, 1.0, 0.5)
    assert shown.HasField("result") == (result is not None)
    assert not api_test(execution(), BASIC).HasField("cost")


def test_a_test_without_a_result_and_a_cost_shows_neither() -> None:
    assert not api_test(execution(result=None), FULL).HasField("result")
