"""Task state changes that EventBridge puts into an SQS queue: they wake the watcher early.

Losing all of them costs seconds. A message that is not about a task of ours is thrown away: the queue must be this
orchestrator's own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from shared.aws.connect import LONG_POLL_S, Aws
from shared.aws.failures import AwsError
from shared.aws.rates import Api

log = structlog.get_logger()

MOST_MESSAGES: Final = 10  # SQS: messages a call, API reference ReceiveMessage
AFTER_FAILURE_S: Final = 10.0


class Feed:
    """Reads one queue."""

    def __init__(self, aws: Aws, queue_url: str, take: Callable[[Mapping[str, Any]], None]) -> None:
        self._aws = aws
        self._url = queue_url
        self._take = take

    async def run(self) -> None:
        """Reads until it is cancelled."""
        while True:
            try:
                await self._read()
            except AwsError as error:
                log.warning("task_events_not_read", error=str(error))
                await asyncio.sleep(AFTER_FAILURE_S)

    async def _read(self) -> None:
        answer = await self._aws.call(
            Api.RECEIVE_MESSAGE,
            self._aws.sqs.receive_message,
            QueueUrl=self._url,
            MaxNumberOfMessages=MOST_MESSAGES,
            WaitTimeSeconds=LONG_POLL_S,
        )
        messages = answer.get("Messages", [])
        for message in messages:
            task = task_of(message.get("Body", ""))
            if task is not None:
                self._take(task)
        if messages:
            await self._aws.call(
                Api.DELETE_MESSAGES,
                self._aws.sqs.delete_message_batch,
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": message.get("ReceiptHandle", "")}
                    for number, message in enumerate(messages)
                ],
            )


def task_of(body: str) -> Mapping[str, Any] | None:
    """The task in an event `ECS Task State Change`, in the shape of DescribeTasks; None where it is something else."""
    try:
        event = json.loads(body)
        detail = event["detail"]
    except (ValueError, KeyError, TypeError):
        return None
    if event.get("detail-type") != "ECS Task State Change" or not isinstance(detail, dict):
        return None
    return detail
