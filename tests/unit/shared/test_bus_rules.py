import json

import pytest
from pydantic import ValidationError

from shared.bus.middleware import is_hopeless, retry_delay_s
from shared.bus.streams import (
    ACK_WAIT_S,
    ALL,
    DEAD,
    EXHAUSTED,
    MAX_DELIVER,
    RETRY_DELAYS_S,
    consumer_config,
    is_kept,
    stream_of,
)
from shared.errors import Conflict, Malformed, Unavailable
from shared.events.catalog import ALL as EVENTS
from shared.events.tests import TestRunning


def invalid() -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        TestRunning.model_validate({})
    return caught.value


def not_json() -> json.JSONDecodeError:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("{")
    return caught.value


@pytest.mark.parametrize("error", [invalid(), not_json(), Malformed("no"), UnicodeDecodeError("utf-8", b"", 0, 1, "")])
def test_what_fails_in_the_same_way_for_ever_is_not_tried_again(error: Exception) -> None:
    assert is_hopeless(error)


@pytest.mark.parametrize(
    "error", [Unavailable(), Conflict(), ConnectionError(), RuntimeError(), KeyError(), TimeoutError()]
)
def test_everything_else_is_worth_another_try(error: Exception) -> None:
    assert not is_hopeless(error)


def test_the_wait_grows_from_try_to_try_and_then_there_is_none() -> None:
    waits = [retry_delay_s(tries) for tries in range(1, MAX_DELIVER + 2)]
    assert waits[: MAX_DELIVER - 1] == list(RETRY_DELAYS_S[: MAX_DELIVER - 1])
    assert waits[MAX_DELIVER - 1 :] == [None, None]
    assert sorted(RETRY_DELAYS_S) == list(RETRY_DELAYS_S)


def test_a_consumer_is_durable_explicit_and_bounded() -> None:
    config = consumer_config("scheduler-test-submitted", "test.submitted.*.*")
    assert config.durable_name == "scheduler-test-submitted"
    assert (config.max_deliver, config.ack_wait) == (MAX_DELIVER, ACK_WAIT_S)
    assert config.ack_policy == "explicit"


def test_only_what_passes_by_is_in_no_stream() -> None:
    kept = [kind.type for kind in EVENTS if is_kept(kind.pattern())]
    assert [kind.type for kind in EVENTS if kind.type not in kept] == ["output.partial"]
    for fact in kept:
        assert any(f"{fact}.".startswith(subject.removesuffix(">")) for subject in stream_of(fact).subjects)
    assert not any("output.partial.".startswith(subject.removesuffix(">")) for subject in stream_of("logs.x").subjects)


def test_every_subject_has_one_stream_with_limits() -> None:
    assert stream_of("logs.appended.a.b").name == "LOGS"
    assert stream_of("dead.consumer") is DEAD
    assert EXHAUSTED in DEAD.subjects
    assert all(stream.max_age_s > 0 and stream.max_bytes > 0 for stream in ALL)
    subjects = [subject for stream in ALL for subject in stream.subjects]
    assert len(subjects) == len(set(subjects))
    with pytest.raises(KeyError):
        stream_of("other.subject")
