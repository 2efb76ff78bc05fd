import asyncio
import shutil
import subprocess
from pathlib import Path

import grpc
import pytest

from assay.blocking import Assay
from assay.client import AsyncAssay
from assay.connection import Connection
from assay.errors import NotConfigured, Unavailable
from assay.retry import NO_RETRY
from tests.unit.client.fake_server import KEY, FakeServer, serving


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Files with a certificate for 127.0.0.1, which is its own authority, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate: apt-get install openssl")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"),
            *("-out", cert, "-keyout", key),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return str(cert), str(key)


def server_side(certificate: tuple[str, str], *, mutual: bool) -> grpc.ServerCredentials:
    cert, key = (Path(name).read_bytes() for name in certificate)
    return grpc.ssl_server_credentials([(key, cert)], cert if mutual else None, require_client_auth=mutual)


async def test_a_server_with_a_certificate_of_a_known_authority_is_talked_to(
    fake: FakeServer, certificate: tuple[str, str]
) -> None:
    async with serving(fake, credentials=server_side(certificate, mutual=False)) as address:
        trusted = Connection(address, KEY, tls=True, ca_file=certificate[0])
        async with AsyncAssay(connection=trusted) as client:
            assert (await client.queue_status()).capacity == 10

        def blocking() -> int:
            with Assay(connection=trusted) as client:
                return client.queue_status().capacity

        assert await asyncio.to_thread(blocking) == 10


async def test_an_unknown_authority_or_a_plain_connection_is_refused(
    fake: FakeServer, certificate: tuple[str, str]
) -> None:
    async with serving(fake, credentials=server_side(certificate, mutual=False)) as address:
        for connection in (Connection(address, KEY, tls=True), Connection(address, KEY)):
            async with AsyncAssay(connection=connection, retry=NO_RETRY) as client:
                with pytest.raises(Unavailable):
                    await client.queue_status()
    assert fake.requests == []


async def test_a_client_shows_its_own_certificate_where_one_is_asked_for(
    fake: FakeServer, certificate: tuple[str, str]
) -> None:
    cert, key = certificate
    async with serving(fake, credentials=server_side(certificate, mutual=True)) as address:
        shown = Connection(address, KEY, tls=True, ca_file=cert, cert_file=cert, key_file=key)
        async with AsyncAssay(connection=shown) as client:
            assert (await client.queue_status()).capacity == 10
        async with AsyncAssay(connection=Connection(address, KEY, tls=True, ca_file=cert), retry=NO_RETRY) as client:
            with pytest.raises(Unavailable):
                await client.queue_status()


async def test_a_missing_certificate_file_is_named() -> None:
    async with AsyncAssay(connection=Connection("127.0.0.1:1", tls=True, ca_file="nowhere.pem")) as client:
        with pytest.raises(NotConfigured, match="nowhere"):
            await client.queue_status()
