"""What a tab asks for: its feeds, checked. Pure; knows the names of the API and nothing of calls or sockets."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Final, Literal

from google.protobuf import json_format
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, field_validator

from assay.v1 import log_pb2, test_service_pb2
from services.console.errors import Problem, Violation

MOST_FEEDS: Final = 16
MOST_CHARACTERS: Final = 16_384
"""Of the query `feeds`, decoded: 16 feeds with the longest text of the API fit."""
MOST_TEXT: Final = 200  # test_service.proto, StreamLogsRequest.text
_MOST_SEQ: Final = 2**63 - 1
_DEEPEST: Final = 16  # a filter is nested three deep

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
TestId = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class BadQuery(Problem):
    """The query of an event stream is not valid."""

    def __init__(self, violations: list[Violation]) -> None:
        message = "; ".join(f"{bad.field}: {bad.description}" for bad in violations)
        super().__init__("INVALID_ARGUMENT", message, reason="INVALID_REQUEST", violations=violations)


class _Feed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Id

    @property
    def identity(self) -> str:
        """Eight hex digits of what the feed shows: the position of one says nothing to a feed that shows another."""
        shown = self.model_dump_json(exclude={"id", "from_seq"})
        return hashlib.sha256(shown.encode()).hexdigest()[:8]


class TestFeed(_Feed):
    """Where a test stands (WatchTest)."""

    __test__ = False

    kind: Literal["test"]
    test_id: TestId = Field(alias="testId")


class LogFeed(_Feed):
    """The output of a test (StreamLogs), live, with lines that have not ended."""

    kind: Literal["log"]
    test_id: TestId = Field(alias="testId")
    from_seq: int = Field(1, alias="fromSeq", ge=0, le=_MOST_SEQ)
    min_level: str = Field("LOG_LEVEL_UNSPECIFIED", alias="minLevel")
    streams: tuple[str, ...] = Field((), max_length=len(log_pb2.LogStream.keys()))
    text: str = Field("", max_length=MOST_TEXT)
    match_case: bool = Field(default=False, alias="matchCase")

    @field_validator("min_level")
    @classmethod
    def _is_level(cls, value: str) -> str:
        return _one_of(value, log_pb2.LogLevel.keys())

    @field_validator("streams")
    @classmethod
    def _are_streams(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_one_of(value, log_pb2.LogStream.keys()) for value in values)


class TestsFeed(_Feed):
    """Tests that change (WatchTests)."""

    __test__ = False

    kind: Literal["tests"]
    filter: dict[str, Any] = Field(default_factory=dict)

    @field_validator("filter")
    @classmethod
    def _is_filter(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            # Parse tells every fault as a ParseError; ParseDict lets some out as they are, such as that of Infinity.
            json_format.Parse(json.dumps(value), test_service_pb2.TestFilter(), max_recursion_depth=_DEEPEST)
        except json_format.ParseError as error:
            raise ValueError(str(error)) from error
        return value


class QueueFeed(_Feed):
    """How the queue stands (WatchQueue)."""

    kind: Literal["queue"]


Feed = TestFeed | LogFeed | TestsFeed | QueueFeed

_FEEDS: Final = TypeAdapter(list[Annotated[Feed, Field(discriminator="kind")]])


def parse(text: str) -> list[Feed]:
    """The feeds of the query `feeds`: a JSON array of 1 to 16. Raises BadQuery, with every bad field."""
    if len(text) > MOST_CHARACTERS:
        raise BadQuery([Violation("feeds", f"has {len(text)} characters; at most {MOST_CHARACTERS} are taken")])
    try:
        feeds = _FEEDS.validate_python(json.loads(text))
    except ValidationError as error:
        raise BadQuery([Violation(_path(one["loc"]), _said(one["msg"])) for one in error.errors()]) from error
    except (ValueError, RecursionError) as error:
        raise BadQuery([Violation("feeds", f"is no JSON: {error}")]) from error
    if not 1 <= len(feeds) <= MOST_FEEDS:
        raise BadQuery([Violation("feeds", f"has {len(feeds)} feeds; 1 to {MOST_FEEDS} are taken")])
    seen: set[str] = set()
    twice = [
        Violation(f"feeds[{place}].id", f"{feed.id} stands twice")
        for place, feed in enumerate(feeds)
        if feed.id in seen or seen.add(feed.id)  # type: ignore[func-returns-value]
    ]
    if twice:
        raise BadQuery(twice)
    return feeds


def _one_of(value: str, names: list[str]) -> str:
    if value not in names:
        raise ValueError(f"must be one of {', '.join(names)}")
    return value


def _path(where: tuple[int | str, ...]) -> str:
    """`feeds[0].testId`; pydantic names the kind between the two."""
    if not where:
        return "feeds"
    return ".".join([f"feeds[{where[0]}]", *(str(part) for part in where[2:])])


def _said(message: str) -> str:
    return message.removeprefix("Value error, ")
