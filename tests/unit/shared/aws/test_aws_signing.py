from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.aws.connect import Aws
from shared.aws.objects import Objects
from shared.aws.settings import AwsSettings
from shared.aws.signing import Signer, presign

KEYS = ["contexts/tst_1/1-ab.json", "stag ing/ü/1+2=3.json"]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:9"])
@pytest.mark.parametrize(("operation", "method"), [("get_object", "GET"), ("put_object", "PUT")])
async def test_a_link_is_the_one_that_boto3_would_sign_at_that_time(
    operation: Literal["get_object", "put_object"], method: Literal["GET", "PUT"], endpoint: str, key: str
) -> None:
    aws = await Aws.open(AwsSettings(aws_region="eu-central-1", aws_endpoint_url=endpoint, aws_bucket="bucket"))
    try:
        objects = Objects(aws, "bucket")
        theirs = urlsplit(objects.presigned(operation, key, expires_s=60))
        at = datetime.strptime(parse_qs(theirs.query)["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        signer = await aws.signer()
        ours = urlsplit(presign(method, objects.address(key), signer, region=aws.region, at=at, expires_s=60))
        assert ours[:3] == theirs[:3]
        assert parse_qs(ours.query) == parse_qs(theirs.query)
        later = presign(method, objects.address(key), signer, region=aws.region, at=at, expires_s=60)
        assert later == ours.geturl()
    finally:
        aws.close()


async def test_a_link_leads_to_where_its_holder_sees_the_bucket() -> None:
    aws = await Aws.open(AwsSettings(aws_endpoint_url="http://127.0.0.1:9", aws_bucket="bucket"))
    try:
        objects = Objects(aws, "bucket")
        assert objects.address("a/b", seen_at="http://docker:4566") == "http://docker:4566/bucket/a/b"
    finally:
        aws.close()


def test_who_signs_does_not_show() -> None:
    signer = Signer("AKIDEXAMPLE", "hidden", "hidden, too", None)
    assert "hidden" not in f"{signer!r} {signer}"


def test_no_link_lives_longer_than_a_week() -> None:
    link = presign(
        "GET",
        "https://bucket.s3.amazonaws.com/key",
        Signer("A", "B", None, None),
        region="us-east-1",
        at=datetime(2026, 3, 1, tzinfo=UTC),
        expires_s=int(timedelta(days=30).total_seconds()),
    )
    assert parse_qs(urlsplit(link).query)["X-Amz-Expires"] == ["604800"]
