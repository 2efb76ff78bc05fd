"""Objects that come piece by piece: what is in memory, what S3 is asked, and what is left when somebody gives up."""

import asyncio
import tracemalloc
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta

import pytest

from shared.aws.kinds import AwsError
from shared.aws.objects import Objects
from shared.aws.rates import Api
from shared.aws.signing import Signer
from shared.aws.uploads import PART, Abandoned, Parts
from tests.support.packaging import new_bucket, status_of_link
from tests.support.servers import RunningServer

MIB = 1 << 20


def at_once(parts: list[bytes]) -> Parts:
    def send(part: bytes) -> Future[None]:
        parts.append(part)
        done: Future[None] = Future()
        done.set_result(None)
        return done

    return Parts(send, size=10)


@pytest.mark.parametrize("pieces", [[b""], [b"abc"], [b"a" * 10], [b"a" * 35], [b"abc"] * 9, [b"a" * 9, b"b" * 12]])
def test_parts_are_full_and_the_rest_is_left(pieces: list[bytes]) -> None:
    sent: list[bytes] = []
    parts = at_once(sent)
    for piece in pieces:
        assert parts.write(piece) == len(piece)
    assert b"".join(sent) + parts.rest() == b"".join(pieces)
    assert {len(part) for part in sent} <= {10}
    assert len(parts.rest()) < 10


def test_a_writer_that_nobody_wants_ends_at_its_next_write() -> None:
    parts = at_once([])
    parts.abandon()
    with pytest.raises(Abandoned):
        parts.write(b"more")


async def test_a_small_object_is_one_call_and_a_large_one_takes_the_memory_of_a_part(emulator: RunningServer) -> None:
    aws, objects = await new_bucket(emulator)
    try:
        assert await objects.upload("small", lambda sink: sink.write(b"x" * 1000), content_type="a/b") == 1000
        assert (aws.calls[Api.PUT_OBJECT], aws.calls[Api.CREATE_UPLOAD]) == (1, 0)
        piece = b"y" * (MIB // 4)
        count = 4 * 48

        def write(sink: Parts) -> None:
            for _ in range(count):
                sink.write(piece)

        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()  # whoever looks for a leak has it on all the time
        await objects.upload("large", write, content_type="application/zip")
        peak = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.stop()
        assert aws.calls[Api.UPLOAD_PART] == count * len(piece) // PART
        head = await asyncio.to_thread(aws.s3.head_object, Bucket=objects.bucket, Key="large")
        assert (head["ContentLength"], head["ContentType"]) == (48 * MIB, "application/zip")
        assert peak < 4 * PART, f"{peak / MIB:.0f} MiB for an object of 48 MiB"
    finally:
        aws.close()


async def test_what_breaks_in_the_middle_leaves_nothing(emulator: RunningServer) -> None:
    aws, objects = await new_bucket(emulator)

    def write(sink: Parts) -> None:
        sink.write(b"z" * (PART + 1))
        raise ZeroDivisionError

    try:
        with pytest.raises(ZeroDivisionError):
            await objects.upload("broken", write, content_type="a/b")
        assert await objects.get("broken", limit=1) is None
        left = await asyncio.to_thread(aws.s3.list_multipart_uploads, Bucket=objects.bucket)
        assert not left.get("Uploads")
        with pytest.raises(AwsError):
            await Objects(aws, "nobodys").upload("key", write, content_type="a/b")
    finally:
        aws.close()


async def test_a_link_promises_no_more_than_its_signer_can_keep(emulator: RunningServer) -> None:
    aws, objects = await new_bucket(emulator)
    now = datetime(2026, 3, 1, 12, 0, 0, 900_000, tzinfo=UTC)
    at = now.replace(microsecond=0)
    hour, day = timedelta(hours=1), timedelta(days=1)

    async def ends(*, lives: timedelta, until: datetime, signer_until: datetime | None) -> timedelta:
        async def signer() -> Signer:
            return Signer("key", "secret", None, signer_until)

        aws.signer = signer  # type: ignore[method-assign]
        link = await objects.link("key", filename="a.zip", now=now, lives=lives, until=until)
        assert f"X-Amz-Expires={int((link.until - at).total_seconds())}&" in link.url
        return link.until - at

    try:
        assert await ends(lives=hour, until=now + day, signer_until=None) == hour
        assert await ends(lives=hour, until=now + day, signer_until=now + day) == hour
        assert await ends(lives=hour, until=at + timedelta(minutes=5), signer_until=None) == timedelta(minutes=5)
        assert await ends(lives=hour, until=now + day, signer_until=at + timedelta(minutes=9)) == timedelta(minutes=9)
        assert await ends(lives=30 * day, until=now + 30 * day, signer_until=None) == 7 * day  # S3 signs for no longer
    finally:
        aws.close()


async def test_a_link_that_somebody_changed_is_refused(emulator: RunningServer) -> None:
    aws, objects = await new_bucket(emulator)
    try:
        await objects.put("key", b"1")
        now = datetime.now(UTC)
        link = await objects.link(
            "key", filename="a.zip", now=now, lives=timedelta(minutes=1), until=now + timedelta(1)
        )
        assert await status_of_link(link.url) == 200
        assert await status_of_link(link.url.replace("a.zip", "b.zip")) == 403
        assert await status_of_link(link.url.replace("X-Amz-Expires=60", "X-Amz-Expires=600")) == 403
    finally:
        aws.close()
