"""CloudWatch Logs as its client sees it, with what real ones do: events that come late and in another order, streams
that are not there yet, groups that are gone, refused calls, pages.

`ScriptedLogs` has the one method of boto3's client that is used and raises what that raises. `ScriptedAws` takes the
place of `shared.aws.connect.Aws`: no threads, no waiting, no retries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from shared.aws.failures import classify
from shared.aws.rates import Api
from shared.clock import Clock

REGION, GROUP = "eu-west-1", "/assay/tests"


class Stored(NamedTuple):
    at_ms: int
    ingested_ms: int
    id: str
    stream: str
    text: str


class Called(NamedTuple):
    """One call that was made."""

    at: float
    group: str
    streams: int
    page: int


@dataclass
class ScriptedLogs:
    """The groups, and what is in them. Times are those of the clock."""

    clock: Clock
    page_events: int = 10_000
    repeated: int = 0
    """So many events of each page come again with the next one."""
    has_tokens: bool = True
    """False: as an emulator that ends an answer at the limit and says nothing of the rest."""
    groups: dict[str, dict[str, list[Stored]]] = field(default_factory=lambda: {GROUP: {}})
    refusals: list[tuple[str, str]] = field(default_factory=list)
    """(code, message) of the next calls."""
    refuses: Callable[[], tuple[str, str] | None] = lambda: None
    calls: list[Called] = field(default_factory=list)
    _numbers: int = 0
    _queries: dict[str, list[Stored]] = field(default_factory=dict)

    @property
    def now_ms(self) -> int:
        return round(self.clock.now().timestamp() * 1000)

    # -- what happens in AWS

    def stream(self, name: str, group: str = GROUP) -> None:
        self.groups[group].setdefault(name, [])

    def write(
        self, stream: str, text: str, *, late_s: float = 0.0, at_ms: int | None = None, group: str = GROUP
    ) -> None:
        """An event of now (or of `at_ms`) that can be seen `late_s` seconds later."""
        streams = self.groups.get(group)
        if streams is None:
            return  # the log driver drops it, too
        self._numbers += 1
        at_ms = self.now_ms if at_ms is None else at_ms
        seen_ms = self.now_ms + round(late_s * 1000)
        streams.setdefault(stream, []).append(Stored(at_ms, seen_ms, f"{self._numbers:056d}", stream, text))

    def delete(self, group: str = GROUP) -> None:
        del self.groups[group]

    # -- boto3's client

    def filter_log_events(
        self,
        *,
        logGroupName: str,  # noqa: N803 - boto3's names
        logStreamNames: list[str],  # noqa: N803
        startTime: int,  # noqa: N803
        limit: int,
        nextToken: str | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        page = int(nextToken.rpartition(":")[2]) if nextToken else 0
        self.calls.append(Called(self.now_ms / 1000, logGroupName, len(logStreamNames), page))
        refusal = self.refusals.pop(0) if self.refusals else self.refuses()
        if refusal is not None:
            raise _error(*refusal)
        assert 1 <= len(logStreamNames) <= 100
        group = self.groups.get(logGroupName)
        if group is None:
            raise _error("ResourceNotFoundException", "The specified log group does not exist.")
        if not all(name in group for name in logStreamNames):
            raise _error("ResourceNotFoundException", "The specified log stream does not exist.")
        if nextToken:
            query, found = nextToken.rpartition(":")[0], self._queries[nextToken.rpartition(":")[0]]
        else:
            query, found = f"query-{len(self.calls)}", self._visible(group, logStreamNames, startTime)
            self._queries = {query: found}
        size = min(limit, self.page_events)
        start = max(0, page * size - (self.repeated if page else 0))
        answer: dict[str, Any] = {"events": [_answer(event) for event in found[start : (page + 1) * size]]}
        if self.has_tokens and (page + 1) * size < len(found):
            answer["nextToken"] = f"{query}:{page + 1}"
        return answer

    def _visible(self, group: dict[str, list[Stored]], names: list[str], start_ms: int) -> list[Stored]:
        now_ms = self.now_ms
        events = [event for name in names for event in group[name]]
        return sorted(event for event in events if event.at_ms >= start_ms and event.ingested_ms <= now_ms)


class ScriptedAws:
    """Makes the calls, and counts them."""

    def __init__(self, logs: ScriptedLogs) -> None:
        self.logs = logs
        self.calls: Counter[Api] = Counter()
        self.closed = False

    async def call(self, api: Api, function: Callable[..., Any], **more: Any) -> Any:
        self.calls[api] += 1
        try:
            return function(**more)
        except (ClientError, BotoCoreError) as error:
            raise classify(error, api.operation) from error

    def close(self) -> None:
        self.closed = True


def _answer(event: Stored) -> dict[str, Any]:
    return {
        "logStreamName": event.stream,
        "eventId": event.id,
        "timestamp": event.at_ms,
        "ingestionTime": event.ingested_ms,
        "message": event.text,
    }


def _error(code: str, message: str) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(answer, "FilterLogEvents")


THROTTLED = ("ThrottlingException", "Rate exceeded")
EXPIRED = ("ExpiredTokenException", "The security token included in the request is expired")
DENIED = ("AccessDeniedException", "not authorized to perform: logs:FilterLogEvents")
