"""Opens the gRPC stream of a feed. The only place that knows which method follows what."""

from __future__ import annotations

from typing import Any

import grpc.aio
from google.protobuf import json_format

from assay.v1 import queue_service_pb2, test_service_pb2
from assay.v1.queue_service_pb2_grpc import QueueServiceStub
from assay.v1.test_service_pb2_grpc import TestServiceStub
from services.console.events.feeds import Feed, LogFeed, QueueFeed, TestFeed, TestsFeed
from services.console.events.follow import Call


class Opening:
    """Opens feeds as one caller, whom `metadata` names."""

    def __init__(self, channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...]) -> None:
        self._tests: Any = TestServiceStub(channel)
        self._queue: Any = QueueServiceStub(channel)
        self._metadata = metadata

    def __call__(self, feed: Feed, position: int) -> Call:
        method, request = self._asked(feed, position)
        call: Call = method(request, metadata=self._metadata)
        return call

    def _asked(self, feed: Feed, position: int) -> tuple[Any, Any]:
        match feed:
            case TestFeed():
                return self._tests.WatchTest, test_service_pb2.WatchTestRequest(test_id=feed.test_id)
            case LogFeed():
                return self._tests.StreamLogs, log_request(feed, position)
            case TestsFeed():
                wanted = json_format.ParseDict(feed.filter, test_service_pb2.TestFilter())
                return self._tests.WatchTests, test_service_pb2.WatchTestsRequest(filter=wanted)
            case QueueFeed():
                return self._queue.WatchQueue, queue_service_pb2.WatchQueueRequest()


def log_request(feed: LogFeed, position: int) -> test_service_pb2.StreamLogsRequest:
    """What is asked of a log after the line `position`."""
    return json_format.ParseDict(
        {
            "testId": feed.test_id,
            "fromSeq": position + 1,
            "follow": True,
            "partialLines": True,
            "minLevel": feed.min_level,
            "streams": feed.streams,
            "text": feed.text,
            "matchCase": feed.match_case,
        },
        test_service_pb2.StreamLogsRequest(),
    )
