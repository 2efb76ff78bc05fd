"""One process's way to AWS: the clients, and the one function through which every call goes.

boto3 blocks, so calls run in threads of their own and never on the event loop. boto3's own retries are off: ours know
the deadline, and stand in the same line as everybody else's calls.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final, ParamSpec, Self, TypeVar

import boto3
import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from shared.aws.failures import AwsError, Kind, classify
from shared.aws.metrics import AWS_CALLS, AWS_WAIT
from shared.aws.rates import Api, Bucket, rate_of
from shared.aws.settings import AwsSettings, Key
from shared.aws.signing import Signer

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient
    from types_boto3_kms import KMSClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_s3 import S3Client
    from types_boto3_secretsmanager import SecretsManagerClient
    from types_boto3_sqs import SQSClient

log = structlog.get_logger()
Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")

THREADS: Final = 16
CONNECT_TIMEOUT_S: Final = 3.0
READ_TIMEOUT_S: Final = 15.0
LONG_POLL_S: Final = 20  # SQS: the longest wait of ReceiveMessage
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0


class Aws:
    """The clients of one region. Made by `open`."""

    def __init__(self, settings: AwsSettings, key: Key | None = None) -> None:
        self.settings = settings
        self.region = settings.aws_region
        self.calls: Counter[Api] = Counter()
        """How many calls left so far, retries included."""
        self._buckets = {api: Bucket(rate_of(api, self.region, settings.aws_rate_share)) for api in Api}
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="aws")
        self._session = session = boto3.Session(
            region_name=settings.aws_region,
            aws_access_key_id=key.access_key if key else None,
            aws_secret_access_key=key.secret_key if key else None,
        )
        options = Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=THREADS,
            user_agent_extra="assay",
        )
        # An emulator has no name for each bucket, and no certificate fits a name with dots. "virtual" and not "auto":
        # that signs for the address of us-east-1, which sends the URL's holder on to one that it is not signed for.
        by_path = settings.aws_endpoint_url or "." in settings.aws_bucket
        for_objects = Config(signature_version="s3v4", s3={"addressing_style": "path" if by_path else "virtual"})
        url = settings.aws_endpoint_url or None
        self.ecs: ECSClient = session.client("ecs", endpoint_url=url, config=options)
        self.logs: CloudWatchLogsClient = session.client("logs", endpoint_url=url, config=options)
        self.s3: S3Client = session.client("s3", endpoint_url=url, config=options.merge(for_objects))
        self.secrets: SecretsManagerClient = session.client("secretsmanager", endpoint_url=url, config=options)
        self.sqs: SQSClient = session.client(
            "sqs", endpoint_url=url, config=options.merge(Config(read_timeout=LONG_POLL_S + 5.0))
        )
        self._options, self._url = options, url
        self._kms: KMSClient | None = None

    @classmethod
    async def open(cls, settings: AwsSettings, key: Key | None = None) -> Self:
        """Makes the clients, with `key` or else with the credentials that boto3 finds; calls nobody.

        Raises AwsError where boto3 cannot be configured."""
        try:
            return await asyncio.to_thread(cls, settings, key)
        except (BotoCoreError, ValueError) as error:
            raise classify(error, "configuration") from error

    async def call(
        self, api: Api, function: Callable[Parameters, Answer], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Answer:
        """What `function`, a method of one of the clients, answers. Raises AwsError.

        Waits for its turn in the API's rate, and tries again what AWS throttles or does not answer, until the API's
        deadline. So the call must be one that may be repeated. Where the answer did not come (UNAVAILABLE), AWS may
        have done what was asked."""
        deadline = self._now() + api.deadline_s
        attempt = 0
        while True:
            await self._turn(api, deadline)
            try:
                return await self._once(api, deadline, partial(function, *args, **kwargs))
            except AwsError as error:
                pause = random.uniform(0, min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**attempt))  # full jitter
                if not error.kind.temporary or self._now() + pause >= deadline:
                    raise
                if error.kind is Kind.THROTTLED:
                    self._buckets[api].empty(self._now())
                log.info("aws_call_again", operation=api.operation, error=str(error), attempt=attempt + 1)
            attempt += 1
            await asyncio.sleep(pause)

    @property
    def kms(self) -> KMSClient:
        """The client of KMS, made when it is first asked for: most installations have no key there."""
        if self._kms is None:
            self._kms = self._session.client("kms", endpoint_url=self._url, config=self._options)
        return self._kms

    async def signer(self) -> Signer:
        """Who signs URLs now. Raises AwsError where nobody can."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._signer)

    def _signer(self) -> Signer:
        try:
            credentials = self._session.get_credentials()
            if credentials is None:
                raise NoCredentialsError
            frozen = credentials.get_frozen_credentials()
        except BotoCoreError as error:
            raise classify(error, "credentials") from error
        until = getattr(credentials, "_expiry_time", None)  # of those that are renewed; boto3 has no public name for it
        return Signer(frozen.access_key or "", frozen.secret_key or "", frozen.token, until)

    def close(self) -> None:
        """Lets go of the connections; calls under way end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for client in filter(None, (self.ecs, self.logs, self.s3, self.secrets, self.sqs, self._kms)):
            client.close()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _turn(self, api: Api, deadline: float) -> None:
        bucket, now = self._buckets[api], self._now()
        if now + bucket.wait_for_next(now) > deadline:
            raise AwsError(
                Kind.THROTTLED, api.operation, "", "more calls wait for this API than can be made before the deadline"
            )
        wait = bucket.take(now)
        AWS_WAIT.labels(api.operation).observe(wait)
        if wait:
            await asyncio.sleep(wait)

    async def _once(self, api: Api, deadline: float, work: Callable[[], Answer]) -> Answer:
        self.calls[api] += 1
        outcome = "ok"
        try:
            async with asyncio.timeout(deadline - self._now()):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except TimeoutError:
            outcome = Kind.UNAVAILABLE.word
            raise AwsError(
                Kind.UNAVAILABLE, api.operation, "", f"no answer within the deadline of {api.deadline_s:g} s"
            ) from None
        except (ClientError, BotoCoreError) as error:
            found = classify(error, api.operation)
            outcome = found.kind.word
            raise found from error
        finally:
            AWS_CALLS.labels(api.operation, outcome).inc()
