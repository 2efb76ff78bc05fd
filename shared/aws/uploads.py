"""An object that comes piece by piece: one PutObject where it is small, else parts, of which one is in memory.

boto3's own `upload_fileobj` wants something to read from; what makes our objects writes, in a thread. A full part holds
that thread up until S3 has it, so nothing piles up.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Final

from shared.aws.connect import Aws
from shared.aws.rates import Api
from shared.errors import AssayError

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import CompletedPartTypeDef

PART: Final = 8 << 20  # S3: at least 5 MiB, and at most 10,000 parts


class Abandoned(AssayError):
    """Nobody wants the object any more."""


class Parts:
    """What is written to, in a thread; hands on a part whenever it is full."""

    def __init__(self, send: Callable[[bytes], Future[None]], *, size: int = PART) -> None:
        self._send = send
        self._size = size
        self._buffer = bytearray()
        self._sending: Future[None] | None = None
        self._abandoned = False

    def write(self, data: bytes, /) -> int:
        """Takes all of `data`. Raises AwsError where a part could not be sent, and Abandoned."""
        left = memoryview(data)
        while left:
            if self._abandoned:
                raise Abandoned
            piece = left[: self._size - len(self._buffer)]
            self._buffer += piece
            left = left[len(piece) :]
            if len(self._buffer) == self._size:
                part, self._buffer = bytes(self._buffer), bytearray()
                self._sending = self._send(part)
                try:
                    self._sending.result()
                except CancelledError as error:
                    raise Abandoned from error
        return len(data)

    def rest(self) -> bytes:
        """What no part has taken: all of a small object."""
        return bytes(self._buffer)

    def abandon(self) -> None:
        """Ends the writer at its next write, or in the middle of the part that it waits for."""
        self._abandoned = True
        if self._sending is not None:
            self._sending.cancel()


class Upload:
    """The S3 side of one object."""

    def __init__(self, aws: Aws, bucket: str, key: str, content_type: str) -> None:
        self._aws = aws
        self._bucket = bucket
        self._key = key
        self._content_type = content_type
        self._id = ""
        self._parts: list[CompletedPartTypeDef] = []

    async def part(self, data: bytes) -> None:
        """Sends the next part. Raises AwsError."""
        if not self._id:
            answer = await self._aws.call(
                Api.CREATE_UPLOAD,
                self._aws.s3.create_multipart_upload,
                Bucket=self._bucket,
                Key=self._key,
                ContentType=self._content_type,
            )
            self._id = answer["UploadId"]
        number = len(self._parts) + 1
        sent = await self._aws.call(
            Api.UPLOAD_PART,
            self._aws.s3.upload_part,
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._id,
            PartNumber=number,
            Body=data,
        )
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})

    async def end(self, rest: bytes) -> None:
        """Sends what is left; the object is there after this. Raises AwsError."""
        if not self._id:
            await self._aws.call(
                Api.PUT_OBJECT,
                self._aws.s3.put_object,
                Bucket=self._bucket,
                Key=self._key,
                Body=rest,
                ContentType=self._content_type,
            )
            return
        if rest:
            await self.part(rest)
        await self._aws.call(
            Api.COMPLETE_UPLOAD,
            self._aws.s3.complete_multipart_upload,
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._id,
            MultipartUpload={"Parts": self._parts},
        )

    async def abort(self) -> None:
        """Lets S3 forget the parts. Raises AwsError."""
        if self._id:
            await self._aws.call(
                Api.ABORT_UPLOAD,
                self._aws.s3.abort_multipart_upload,
                Bucket=self._bucket,
                Key=self._key,
                UploadId=self._id,
            )
