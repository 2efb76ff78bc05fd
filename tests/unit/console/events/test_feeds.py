"""What a tab may ask for, and what is said of what it may not."""

import json
import math
from typing import Any

import pytest

from assay.v1 import log_pb2
from services.console.events.feeds import MOST_CHARACTERS, MOST_FEEDS, BadQuery, LogFeed, TestsFeed, parse
from services.console.events.openings import log_request


def parsed(*feeds: dict[str, Any]) -> list[Any]:
    return list(parse(json.dumps(feeds)))


def violations(text: str) -> dict[str, str]:
    with pytest.raises(BadQuery) as refused:
        parse(text)
    assert refused.value.status == 400
    return {bad.field: bad.description for bad in refused.value.violations}


def test_every_kind_of_feed_is_taken() -> None:
    feeds = parsed(
        {"id": "a", "kind": "test", "testId": "tst_1"},
        {"id": "b", "kind": "log", "testId": "tst_1"},
        {"id": "c", "kind": "tests", "filter": {"own": True, "labels": {"team": ""}}},
        {"id": "d", "kind": "queue"},
    )
    assert [feed.kind for feed in feeds] == ["test", "log", "tests", "queue"]


def test_a_log_is_asked_for_as_the_page_said_after_the_position() -> None:
    (feed,) = parsed(
        {
            "id": "l",
            "kind": "log",
            "testId": "tst_1",
            "fromSeq": "5",
            "minLevel": "LOG_LEVEL_WARNING",
            "streams": ["LOG_STREAM_STDERR"],
            "text": "Fehler: ü",
            "matchCase": True,
        }
    )
    assert isinstance(feed, LogFeed)
    request = log_request(feed, 1_000_007)
    assert (request.test_id, request.from_seq) == ("tst_1", 1_000_008)
    assert (request.follow, request.partial_lines) == (True, True)
    assert (request.min_level, list(request.streams)) == (log_pb2.LOG_LEVEL_WARNING, [log_pb2.LOG_STREAM_STDERR])
    assert (request.text, request.match_case) == ("Fehler: ü", True)


@pytest.mark.parametrize(
    ("feed", "field", "said"),
    [
        pytest.param({"id": "a", "kind": "log"}, "feeds[0].testId", "required", id="no test"),
        pytest.param({"id": "a", "kind": "queues"}, "feeds[0]", "'queue'", id="no such kind"),
        pytest.param({"kind": "queue"}, "feeds[0].id", "required", id="no id"),
        pytest.param({"id": "a;b", "kind": "queue"}, "feeds[0].id", "match", id="an id that breaks tokens"),
        pytest.param({"id": "a", "kind": "queue", "testid": "x"}, "feeds[0].testid", "not permitted", id="a typo"),
        pytest.param(
            {"id": "a", "kind": "log", "testId": "t", "minLevel": "warning"},
            "feeds[0].minLevel",
            "LOG_LEVEL_WARNING",
            id="no such level",
        ),
        pytest.param(
            {"id": "a", "kind": "log", "testId": "t", "streams": ["stdout"]},
            "feeds[0].streams",
            "LOG_STREAM_STDOUT",
            id="no such stream",
        ),
        pytest.param(
            {"id": "a", "kind": "log", "testId": "t", "text": "x" * 201}, "feeds[0].text", "200", id="a long text"
        ),
        pytest.param(
            {"id": "a", "kind": "log", "testId": "t", "fromSeq": "-1"}, "feeds[0].fromSeq", "0", id="before the start"
        ),
        pytest.param(
            {"id": "a", "kind": "log", "testId": "t", "fromSeq": str(2**63)}, "feeds[0].fromSeq", "less", id="no int64"
        ),
        pytest.param(
            {"id": "a", "kind": "tests", "filter": {"agentid": "x"}}, "feeds[0].filter", "agentid", id="no such filter"
        ),
        pytest.param(
            {"id": "a", "kind": "tests", "filter": {"states": [math.inf]}}, "feeds[0].filter", "infinity", id="no state"
        ),
        pytest.param({"id": "a", "kind": "tests", "filter": {"\ud800": 1}}, "feeds[0].filter", "", id="no name"),
    ],
)
def test_a_bad_feed_is_refused_by_the_path_of_what_is_wrong(feed: dict[str, Any], field: str, said: str) -> None:
    found = violations(json.dumps([feed]))
    assert list(found) == [field]
    assert said in found[field]


@pytest.mark.parametrize("text", ["", "[", "{}", "null", "[" * 10_000, '["\\ud800"]', "[1]", "[NaN]"])
def test_what_is_no_list_of_feeds_is_refused(text: str) -> None:
    assert violations(text)


def test_feeds_are_bounded_in_number_and_size() -> None:
    many = [{"id": f"q{number}", "kind": "queue"} for number in range(MOST_FEEDS + 1)]
    assert "1 to 16" in violations(json.dumps(many))["feeds"]
    assert "1 to 16" in violations("[]")["feeds"]
    assert len(parsed(*many[:-1])) == MOST_FEEDS
    assert str(MOST_CHARACTERS) in violations(" " * MOST_CHARACTERS + "[]")["feeds"]


def test_an_id_stands_for_one_feed() -> None:
    twice = [{"id": "q", "kind": "queue"}, {"id": "t", "kind": "queue"}, {"id": "q", "kind": "queue"}]
    assert violations(json.dumps(twice)) == {"feeds[2].id": "q stands twice"}


def test_as_many_longest_feeds_as_may_be_fit() -> None:
    feed = {"kind": "log", "testId": "tst_" + "0" * 32, "fromSeq": str(2**62), "text": "x" * 200, "matchCase": True}
    streams = ["LOG_STREAM_STDOUT", "LOG_STREAM_STDERR", "LOG_STREAM_BUILD", "LOG_STREAM_SYSTEM"]
    feeds = [feed | {"id": f"{n:032}", "streams": streams, "minLevel": "LOG_LEVEL_WARNING"} for n in range(MOST_FEEDS)]
    assert len(parsed(*feeds)) == MOST_FEEDS


def test_a_filter_of_tests_may_be_left_out() -> None:
    (feed,) = parsed({"id": "c", "kind": "tests"})
    assert isinstance(feed, TestsFeed)
    assert feed.filter == {}
