"""The local S3 serves those who sign with its key, and nobody else: the emulator alone would let many in."""

from __future__ import annotations

import asyncio
import hashlib
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from deploy.local import tools
from deploy.local.emulator import EmulatorServer
from deploy.local.emulator_gate import Request, is_signed
from tests.support.servers import AWS_KEY, free_port, running

KEY, SECRET, REGION = "ASSAYTESTSASSAYTESTS", "a secret of the tests", "eu-central-1"
URLS = (
    "http://127.0.0.1:7466/",
    "http://127.0.0.1:7466/bucket/packages/a%20b%2Bc~d.zip",
    "http://127.0.0.1:7466/bucket?list-type=2&prefix=a%2Fb%20c&delimiter=%2F&uploads",
)


def as_sent(request: AWSRequest, body: bytes = b"") -> Request:
    url = urlsplit(str(request.url))
    headers = {name.lower(): str(value) for name, value in request.headers.items()}
    digest = hashlib.sha256(body).hexdigest()
    return Request(str(request.method), url.path, url.query, {"host": url.netloc, **headers}, digest)


def signed(url: str, kind: type[Any], secret: str = SECRET, **more: Any) -> Request:
    request = AWSRequest("GET", url, data=b"")
    kind(Credentials(KEY, secret), "s3", REGION, **more).add_auth(request)
    return as_sent(request)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("kind", [S3SigV4Auth, S3SigV4QueryAuth])
def test_what_botocore_signs_is_taken(url: str, kind: type[Any]) -> None:
    assert is_signed(signed(url, kind), KEY, SECRET, now())


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("kind", [S3SigV4Auth, S3SigV4QueryAuth])
def test_what_is_changed_or_signed_with_another_secret_is_not(url: str, kind: type[Any]) -> None:
    good = signed(url, kind)
    assert not is_signed(signed(url, kind, "another"), KEY, SECRET, now())
    assert not is_signed(good, "test", SECRET, now())
    changes: list[dict[str, Any]] = [
        {"method": "DELETE"},
        {"path": "/_ministack/reset"},
        {"path": good.path + "/x"},
        {"query": good.query + "&acl"},
        {"query": good.query.replace("X-Amz-Expires=3600", "X-Amz-Expires=36000") + "&X-Amz-Expires=1"},
        {"headers": {**good.headers, "host": "elsewhere"}},
        {"headers": {**good.headers, "authorization": f"AWS {KEY}:x"}},
    ]
    for change in changes:
        fields = {name: getattr(good, name) for name in ("method", "path", "query", "headers", "body_hash")} | change
        assert not is_signed(Request(**fields), KEY, SECRET, now()), change


def test_a_signature_has_its_time() -> None:
    header, link = signed(URLS[1], S3SigV4Auth), signed(URLS[1], S3SigV4QueryAuth, expires=60)
    for days in (-1, 1):
        assert not is_signed(header, KEY, SECRET, now() + timedelta(days=days))
        assert not is_signed(link, KEY, SECRET, now() + timedelta(days=days))
    assert is_signed(link, KEY, SECRET, now() + timedelta(seconds=50))
    assert not is_signed(link, KEY, SECRET, now() + timedelta(seconds=70))


def test_other_services_sign_their_body() -> None:
    request = AWSRequest("POST", "http://127.0.0.1:7466/", data=b"Action=X", headers={"Content-Type": "text/x"})
    SigV4Auth(Credentials(KEY, SECRET), "logs", REGION).add_auth(request)
    assert is_signed(as_sent(request, b"Action=X"), KEY, SECRET, now())
    assert not is_signed(as_sent(request, b"Action=Y"), KEY, SECRET, now())


class Bare(EmulatorServer):
    """The emulator as it is."""

    def command(self) -> list[str]:
        super().command()
        return [tools.emulator()]


def client(url: str, key: str, secret: str) -> Any:
    quick = Config(retries={"max_attempts": 0}, signature_version="s3v4")
    session = boto3.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1")
    return session.client("s3", endpoint_url=url, config=quick)


def let_in(url: str, key: str, secret: str) -> bool:
    try:
        client(url, key, secret).get_object(Bucket="bucket", Key="k")
    except ClientError:
        return False
    return True


def status(url: str, method: str = "GET", **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers, method=method), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


STRANGERS = (("test", "test"), ("test", "x"), (AWS_KEY.access_key, "wrong"), ("000000000000", "test"), ("mock", "mock"))


def _filled(url: str) -> Any:
    own = client(url, *AWS_KEY)
    own.create_bucket(Bucket="bucket")
    own.put_object(Bucket="bucket", Key="k", Body=b"of somebody")
    return own


def _attack(url: str) -> list[object]:
    """What gets through."""
    got_in: list[object] = [login for login in STRANGERS if let_in(url, *login)]
    credential = f"AWS4-HMAC-SHA256 Credential={AWS_KEY.access_key}/20260101/us-east-1/s3/aws4_request"
    for said in (
        f"{credential}, SignedHeaders=host, Signature={'0' * 64}",
        f"AWS {AWS_KEY.access_key}:x",
        "AWS test:x",
    ):
        got_in += [said] if status(f"{url}/bucket/k", Authorization=said) < 400 else []
    for path in ("", "/bucket/k", "/bucket/k?X-Amz-Algorithm=AWS4-HMAC-SHA256", "/_ministack/state"):
        got_in += [path] if status(url + path) < 400 else []
    return got_in + (["reset"] if status(f"{url}/_ministack/reset", "POST") < 400 else [])


def _with_links(url: str) -> tuple[list[object], bytes, tuple[int, int]]:
    own = _filled(url)
    link = own.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "k"}, ExpiresIn=60)
    got_in = _attack(url)
    kept = own.get_object(Bucket="bucket", Key="k")["Body"].read()
    return got_in, kept, (status(link), status(link.replace("/k?", "/other?")))


async def test_nobody_without_the_secret_reads_changes_or_resets_anything(tmp_path: Path) -> None:
    with running(EmulatorServer(tmp_path / "data", free_port(), *AWS_KEY), tmp_path / "log") as server:
        url = server.url
        got_in, kept, links = await asyncio.to_thread(_with_links, url)
    assert got_in == []
    assert kept == b"of somebody"
    assert links == (200, 403)


async def test_the_emulator_alone_lets_them_in(tmp_path: Path) -> None:
    with running(Bare(tmp_path / "data", free_port(), *AWS_KEY), tmp_path / "log") as server:
        url = server.url
        await asyncio.to_thread(_filled, url)
        got_in = await asyncio.to_thread(_attack, url)
    assert ("test", "x") in got_in
    assert "reset" in got_in
