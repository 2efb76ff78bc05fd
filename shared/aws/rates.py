"""How often each AWS API may be called: one bucket for each, kept on our side so that AWS need not refuse.

Numbers are AWS's own (API reference and quota pages, per account and region) where it publishes them; replicas share
them by the setting `aws_rate_share`. Pure: the time is an argument.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple


class Rate(NamedTuple):
    """Calls per second in the long run, and at once after a rest."""

    per_second: float
    burst: float


class Api(Enum):
    """The calls that Assay makes: name, rate, and how many seconds one may take with all its retries."""

    RUN_TASK = ("RunTask", Rate(20, 20), 60.0)
    DESCRIBE_TASKS = ("DescribeTasks", Rate(20, 20), 20.0)
    LIST_TASKS = ("ListTasks", Rate(20, 20), 20.0)
    STOP_TASK = ("StopTask", Rate(20, 20), 30.0)
    REGISTER_TASK_DEFINITION = ("RegisterTaskDefinition", Rate(1, 5), 60.0)
    DESCRIBE_TASK_DEFINITION = ("DescribeTaskDefinition", Rate(20, 20), 20.0)
    DESCRIBE_CLUSTERS = ("DescribeClusters", Rate(10, 10), 20.0)
    GET_LOG_EVENTS = ("GetLogEvents", Rate(10, 10), 20.0)
    FILTER_LOG_EVENTS = ("FilterLogEvents", Rate(10, 10), 20.0)
    DESCRIBE_LOG_GROUPS = ("DescribeLogGroups", Rate(10, 10), 20.0)
    CREATE_LOG_GROUP = ("CreateLogGroup", Rate(5, 5), 20.0)
    PUT_RETENTION_POLICY = ("PutRetentionPolicy", Rate(5, 5), 20.0)
    # S3 gives 3,500 writes and 5,500 reads per second and prefix; no more threads are there to use them.
    PUT_OBJECT = ("PutObject", Rate(500, 500), 60.0)
    CREATE_UPLOAD = ("CreateMultipartUpload", Rate(100, 100), 20.0)
    UPLOAD_PART = ("UploadPart", Rate(500, 500), 60.0)
    COMPLETE_UPLOAD = ("CompleteMultipartUpload", Rate(100, 100), 60.0)
    ABORT_UPLOAD = ("AbortMultipartUpload", Rate(100, 100), 20.0)
    GET_OBJECT = ("GetObject", Rate(500, 500), 60.0)
    DELETE_OBJECTS = ("DeleteObjects", Rate(100, 100), 20.0)
    HEAD_BUCKET = ("HeadBucket", Rate(10, 10), 20.0)
    CREATE_BUCKET = ("CreateBucket", Rate(1, 5), 20.0)
    PUT_LIFECYCLE = ("PutBucketLifecycleConfiguration", Rate(1, 5), 20.0)
    GET_LIFECYCLE = ("GetBucketLifecycleConfiguration", Rate(1, 5), 20.0)
    DESCRIBE_SECRET = ("DescribeSecret", Rate(40, 40), 20.0)
    # KMS shares 5,500 and more calls per second among all of its symmetric keys; ours are few, as data keys are kept.
    GENERATE_DATA_KEY = ("GenerateDataKey", Rate(50, 50), 5.0)
    ENCRYPT = ("Encrypt", Rate(50, 50), 5.0)
    DECRYPT = ("Decrypt", Rate(100, 100), 5.0)
    RECEIVE_MESSAGE = ("ReceiveMessage", Rate(50, 50), 40.0)
    DELETE_MESSAGES = ("DeleteMessageBatch", Rate(50, 50), 20.0)

    def __init__(self, operation: str, rate: Rate, deadline_s: float) -> None:
        self.operation = operation
        self.rate = rate
        self.deadline_s = deadline_s


# CloudWatch Logs quotas, not adjustable: GetLogEvents and FilterLogEvents per second.
_OF_REGION: Final = {
    "us-east-1": {Api.GET_LOG_EVENTS: Rate(25, 25), Api.FILTER_LOG_EVENTS: Rate(25, 25)},
    "eu-central-1": {Api.GET_LOG_EVENTS: Rate(10, 10), Api.FILTER_LOG_EVENTS: Rate(5, 5)},
}


def rate_of(api: Api, region: str, share: float = 1.0) -> Rate:
    """What one replica may use of an API's rate. At least one call gets through at a time, however small the share."""
    rate = _OF_REGION.get(region, {}).get(api, api.rate)
    return Rate(rate.per_second * share, max(1.0, rate.burst * share))


class Bucket:
    """A token bucket in which one can run into debt: a place in the line is taken at once, and waited for."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._free_at = float("-inf")  # when all tokens are back

    def take(self, now: float) -> float:
        """Takes a token; answers with how many seconds to wait until it is there."""
        wait = self.wait_for_next(now)
        self._free_at = max(self._free_at, now) + 1 / self._rate.per_second
        return wait

    def wait_for_next(self, now: float) -> float:
        """How many seconds the next one who takes a token would wait."""
        behind = max(self._free_at, now) + 1 / self._rate.per_second
        return max(0.0, behind - now - self._rate.burst / self._rate.per_second)

    def empty(self, now: float) -> None:
        """AWS has refused a call: whatever we thought was left is not."""
        self._free_at = max(self._free_at, now + self._rate.burst / self._rate.per_second)
