import json
from typing import Any

import pytest

from shared.bus.streams import is_kept, stream_of
from shared.domain.failure import FailureCode, Stage
from shared.events.audit import AuditEvent
from shared.events.base import Event
from shared.events.catalog import ALL, BY_TYPE, of_subject
from shared.events.letter import Letter
from shared.events.logs import LogsAppended, PartialLine
from shared.events.tasks import HarnessPhase, TaskPhase
from shared.events.tests import TestQueued, TestRunning
from shared.ids import TestId, UserId
from tests.support.samples import NOW, line

TEST, USER = TestId("tst_" + "0" * 32), UserId("alice")
IDS: dict[str, Any] = {"test_id": TEST, "user_id": USER, "attempt": 1, "at": NOW}
MORE: dict[str, dict[str, Any]] = {
    "test.submitted": {"priority": 4},
    "test.cancel_requested": {"by": "bob", "reason": "ä \U0001f600 \0"},
    "test.queued": {"priority": 4, "rank": 1.5},
    "test.scheduled": {"slot": 3},
    "test.building": {"runtime": "process"},
    "test.completed": {"run_ms": 12.5},
    "test.failed": {"code": FailureCode.AGENT_EXCEPTION, "stage": Stage.RUN, "message": "no"},
    "test.timed_out": {"message": "no"},
    "test.requeued": {"code": FailureCode.TASK_LOST, "message": "no"},
    "task.started": {"runtime": "process", "log_source": {"kind": "file", "path": "/p"}},
    "task.phase": {"phase": HarnessPhase.RUNNING},
    "task.stopped": {"exit_code": 1, "stop_reason": "r"},
    "logs.appended": {"lines": (line(1), line(2, "\0\x1b[31m ä"))},
    "test.files_stored": {"files": ()},
    "output.partial": {"lines": (PartialLine(ts=1.5, stream="stdout", level="info", text="so far\r", after=0),)},
    "logs.completed": {"expected": 2, "received": 2, "complete": True},
    **{f"package.{fact}": {"package_id": "pkg_1"} for fact in ("requested", "ready", "expired")},
    "package.failed": {"package_id": "pkg_1", "message": "no"},
    "audit.attempted": {"action": "PauseQueue", "changes": True},
    "audit.concluded": {"action": "PauseQueue", "status": "OK"},
}


def sample(kind: type[Event], **changes: Any) -> Event:
    values = {**IDS, **MORE.get(kind.type, {}), **changes}
    if issubclass(kind, AuditEvent):  # what it is about is an entry of the audit log
        values["audit_id"] = values["test_id"]
    return kind(**values)


by_type = pytest.mark.parametrize("kind", ALL, ids=lambda kind: str(kind.type))


@by_type
def test_an_event_survives_its_way_over_the_bus(kind: type[Event]) -> None:
    event = sample(kind)
    letter = Letter.of(event, None)
    assert kind.model_validate_json(letter.body) == event
    assert json.loads(letter.body)["test_id"] == TEST


@by_type
def test_the_same_fact_has_the_same_id_whoever_tells_it_and_whenever(kind: type[Event]) -> None:
    later = sample(kind, at=NOW.replace(year=2027))
    assert sample(kind).id == later.id
    assert kind.model_validate_json(later.model_dump_json()).id == later.id
    assert sample(kind, attempt=2).id != later.id
    assert sample(kind, test_id=TestId("tst_" + "1" * 32)).id != later.id


def test_no_two_kinds_of_fact_about_one_attempt_share_an_id() -> None:
    assert len({sample(kind).id for kind in ALL}) == len(ALL)


def test_facts_of_one_kind_that_differ_have_ids_that_differ() -> None:
    assert sample(TaskPhase).id != sample(TaskPhase, phase=HarnessPhase.FINISHED).id
    assert sample(LogsAppended).id != sample(LogsAppended, lines=(line(1),)).id
    assert sample(LogsAppended).id != sample(LogsAppended, lines=(line(3), line(4))).id
    assert sample(BY_TYPE["package.ready"]).id != sample(BY_TYPE["package.ready"], package_id="pkg_2").id


@by_type
def test_the_subject_names_fact_user_and_test_and_leads_back_to_the_event(kind: type[Event]) -> None:
    event = sample(kind)
    assert event.subject == f"{kind.type}.alice.{TEST}"
    assert of_subject(event.subject) is kind
    assert kind.type.count(".") == 1
    assert not is_kept(event.subject) or any(
        event.subject.startswith(subject.removesuffix(">")) for subject in stream_of(event.subject).subjects
    )


def test_a_filter_takes_everything_one_user_or_one_test() -> None:
    assert TestRunning.pattern() == "test.running.*.*"
    assert TestRunning.pattern(user="alice") == "test.running.alice.*"
    assert TestRunning.pattern(test=TEST) == f"test.running.*.{TEST}"


@pytest.mark.parametrize("subject", ["", "test", "test.unknown.a.b", "dead.x", "$JS.EVENT.x"])
def test_a_subject_that_is_not_ours_is_no_event(subject: str) -> None:
    assert of_subject(subject) is None


@by_type
def test_headers_are_cloudevents_and_the_id_that_jetstream_deduplicates_by(kind: type[Event]) -> None:
    event = sample(kind)
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    headers = event.cloud_event_headers(trace)
    assert headers == {
        "Nats-Msg-Id": event.id,
        "ce-specversion": "1.0",
        "ce-id": event.id,
        "ce-type": f"assay.{kind.type}.v1",
        "ce-source": f"/assay/{kind.told_by}",
        "ce-subject": TEST,
        "ce-time": "2026-03-01T12:00:00+00:00",
        "content-type": "application/json",
        "traceparent": trace,
    }
    assert all("\n" not in value and value.isascii() for value in headers.values())


def test_without_a_trace_there_is_no_trace_header_and_another_teller_is_named() -> None:
    headers = sample(TestRunning).cloud_event_headers(None, "scheduler")
    assert "traceparent" not in headers
    assert headers["ce-source"] == "/assay/scheduler"


@by_type
def test_a_reader_ignores_fields_that_a_later_version_added(kind: type[Event]) -> None:
    event = sample(kind)
    body = {**event.model_dump(mode="json"), "added_later": {"a": [1]}}
    assert kind.model_validate_json(json.dumps(body)) == event


def test_the_catalogue_is_closed_and_every_event_says_what_it_means() -> None:
    assert len(BY_TYPE) == len(ALL) == 24
    assert all(event.__doc__ and event.told_by for event in ALL)


def test_a_message_without_its_fields_is_refused() -> None:
    with pytest.raises(ValueError, match="rank"):
        TestQueued.model_validate_json(json.dumps({**IDS, "at": NOW.isoformat(), "priority": 4}))
    with pytest.raises(ValueError, match="lines"):
        sample(LogsAppended, lines=())
