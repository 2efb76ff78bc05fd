"""Objects in S3: contexts and results of tasks, packages."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeVar
from urllib.parse import urlsplit

from shared.aws.connect import Aws
from shared.aws.failures import AwsError, Kind
from shared.aws.rates import Api
from shared.aws.signing import LONGEST_S, presign
from shared.aws.uploads import Parts, Upload

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import LifecycleRuleTypeDef

MOST_DELETED: Final = 1000  # S3: objects a call, API reference DeleteObjects
Answer = TypeVar("Answer")


class Link(NamedTuple):
    """A URL that whoever has it can download from, and when it truly ends."""

    url: str
    until: datetime


class Objects:
    """The objects of one bucket. Keys are whole: the prefix is the caller's."""

    def __init__(self, aws: Aws, bucket: str) -> None:
        self._aws = aws
        self.bucket = bucket

    async def check(self) -> None:
        """Raises AwsError where the bucket is not there or not ours."""
        answer = await self._aws.call(Api.HEAD_BUCKET, self._aws.s3.head_bucket, Bucket=self.bucket)
        where = answer.get("BucketRegion", self._aws.region)
        if where != self._aws.region:  # boto3 finds it all the same; who holds a link that we signed would not
            message = f"the bucket {self.bucket} is in {where} and not in {self._aws.region}"
            raise AwsError(Kind.INVALID, Api.HEAD_BUCKET.operation, "", message)

    async def make_bucket(self) -> None:
        """Makes the bucket of an emulator; one that is there is fine. Raises AwsError."""
        try:
            await self._aws.call(Api.CREATE_BUCKET, self._aws.s3.create_bucket, Bucket=self.bucket)
        except AwsError as error:
            if error.code != "BucketAlreadyOwnedByYou":
                raise

    async def put(self, key: str, body: bytes, *, content_type: str = "application/json") -> None:
        """Writes an object, over what was there. Raises AwsError."""
        await self._aws.call(
            Api.PUT_OBJECT, self._aws.s3.put_object, Bucket=self.bucket, Key=key, Body=body, ContentType=content_type
        )

    async def upload(self, key: str, write: Callable[[Parts], Answer], *, content_type: str) -> Answer:
        """Writes the object that `write` gives to what it is handed, in a thread, and returns what `write` returns.

        A small object is one call; of a larger one no more than a part is in memory at a time. There is no object
        before all of it is there. Raises AwsError, and what `write` raises."""
        upload = Upload(self._aws, self.bucket, key, content_type)
        loop = asyncio.get_running_loop()
        parts = Parts(lambda part: asyncio.run_coroutine_threadsafe(upload.part(part), loop))
        try:
            answer = await asyncio.to_thread(write, parts)
            await upload.end(parts.rest())
        except BaseException:
            parts.abandon()
            with contextlib.suppress(AwsError):  # S3 does it after a day, by the rule that `expire` makes
                await upload.abort()
            raise
        return answer

    async def get(self, key: str, *, limit: int) -> bytes | None:
        """An object of at most `limit` bytes; None where there is none. A larger one is cut. Raises AwsError."""

        def read() -> bytes:
            return self._aws.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read(limit)

        try:
            return await self._aws.call(Api.GET_OBJECT, read)
        except AwsError as error:
            if error.kind is Kind.NOT_FOUND and error.code != "NoSuchBucket":
                return None
            raise

    async def delete(self, keys: Sequence[str]) -> None:
        """Deletes objects; what is not there is fine. Raises AwsError."""
        for start in range(0, len(keys), MOST_DELETED):
            await self._aws.call(
                Api.DELETE_OBJECTS,
                self._aws.s3.delete_objects,
                Bucket=self.bucket,
                Delete={"Objects": [{"Key": key} for key in keys[start : start + MOST_DELETED]], "Quiet": True},
            )

    def presigned(self, method: Literal["get_object", "put_object"], key: str, *, expires_s: int) -> str:
        """A URL that lets its holder do this one thing, for `expires_s` seconds or as long as our own credentials live,
        whichever ends first. Signs on this machine; nobody is called."""
        return self._aws.s3.generate_presigned_url(
            method, Params={"Bucket": self.bucket, "Key": key}, ExpiresIn=expires_s
        )

    async def link(self, key: str, *, filename: str, now: datetime, lives: timedelta, until: datetime) -> Link:
        """A link to download an object under this name: for so long, not beyond `until`, and never promised for longer
        than the credentials live that sign it (boto/boto3#2392). Raises AwsError where nobody can sign."""
        signer = await self._aws.signer()
        at = now.replace(microsecond=0)  # the signature knows no fractions
        ends = min(at + min(lives, timedelta(seconds=LONGEST_S)), until, signer.until or until)
        seconds = max(int((ends - at).total_seconds()), 1)
        said = {"response-content-disposition": f'attachment; filename="{filename}"'}
        url = presign("GET", self.address(key), signer, region=self._aws.region, at=at, expires_s=seconds, said=said)
        return Link(url, at + timedelta(seconds=seconds))

    def address(self, key: str, *, seen_at: str = "") -> str:
        """Where an object is, without a signature. `seen_at` is the address of S3 as others see it."""
        unsigned = self.presigned("get_object", key, expires_s=1).partition("?")[0]
        if not seen_at:
            return unsigned
        host, parts = urlsplit(seen_at), urlsplit(unsigned)
        return f"{host.scheme}://{host.netloc}{parts.path}"

    async def expire(self, days_of_prefix: Mapping[str, int], *, name: str) -> bool:
        """Sees to it that S3 itself deletes what lies below these prefixes after so many days; False where that is so
        already. Rules of others in the bucket stay. Raises AwsError."""
        rules: list[LifecycleRuleTypeDef] = [
            {
                "ID": f"{name}-{number}",
                "Status": "Enabled",
                "Filter": {"Prefix": prefix},
                "Expiration": {"Days": days},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
            }
            for number, (prefix, days) in enumerate(days_of_prefix.items())
        ]
        present = await self._rules()
        others = [rule for rule in present if not rule.get("ID", "").startswith(f"{name}-")]
        if [rule for rule in present if rule not in others] == rules:
            return False
        await self._aws.call(
            Api.PUT_LIFECYCLE,
            self._aws.s3.put_bucket_lifecycle_configuration,
            Bucket=self.bucket,
            LifecycleConfiguration={"Rules": [*others, *rules]},
        )
        return True

    async def _rules(self) -> list[LifecycleRuleTypeDef]:
        try:
            answer = await self._aws.call(
                Api.GET_LIFECYCLE, self._aws.s3.get_bucket_lifecycle_configuration, Bucket=self.bucket
            )
        except AwsError as error:
            if error.code == "NoSuchLifecycleConfiguration":
                return []
            raise
        return [*answer.get("Rules", [])]  # type: ignore[list-item]  # what S3 answers can be sent back
