"""NATS and MongoDB that let nobody in without TLS and a certificate."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from deploy.local import tools
from shared.bus.connect import Bus
from shared.errors import Unavailable
from shared.settings import BadEnvironment, CommonSettings
from shared.store.connect import check, connected
from tests.support.servers import free_port
from tests.support.until import until

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command for certificates")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and what it has signed for a server on this machine and for a service."""
    folder = tmp_path_factory.mktemp("certificates")
    _openssl(folder, "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=authority -keyout ca.key -out ca.pem")
    for name in ("server", "service"):
        _openssl(folder, f"req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr")
        (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
        signing = f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 -extfile names"
        _openssl(folder, f"{signing} -out {name}.pem")
        both = (folder / f"{name}.key").read_text() + (folder / f"{name}.pem").read_text()
        (folder / f"{name}-both.pem").write_text(both)
    return folder


def _openssl(folder: Path, words: str) -> None:
    subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)


@contextmanager
def server(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        asyncio.run(until(lambda: _listens(port), timeout=30, what=command[0]))
        yield
    finally:
        process.kill()
        process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@pytest.fixture(scope="module")
def nats_url(certificates: Path) -> Iterator[str]:
    port, of = free_port(), str(certificates)
    tls = [
        "--tls",
        "--tlsverify",
        f"--tlscert={of}/server.pem",
        f"--tlskey={of}/server.key",
        f"--tlscacert={of}/ca.pem",
    ]
    command = [tools.nats_server(), "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", f"{of}/nats", *tls]
    with server(command, port):
        yield f"nats://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def mongo_port(certificates: Path) -> Iterator[int]:
    port, of = free_port(), str(certificates)
    (certificates / "mongo").mkdir()
    command = [
        tools.mongod(),
        "--dbpath",
        f"{of}/mongo",
        "--port",
        str(port),
        "--bind_ip",
        "127.0.0.1",
        "--nounixsocket",
    ]
    command += ["--tlsMode", "requireTLS", "--tlsCertificateKeyFile", f"{of}/server-both.pem"]
    with server([*command, "--tlsCAFile", f"{of}/ca.pem"], port):
        yield port


async def test_a_service_with_a_certificate_comes_in_to_nats(nats_url: str, certificates: Path) -> None:
    settings = CommonSettings(
        nats_url=SecretStr(nats_url),
        nats_ca_file=certificates / "ca.pem",
        nats_cert_file=certificates / "service.pem",
        nats_key_file=certificates / "service.key",
    )
    bus = Bus.of(settings, "here")
    async with bus.connected():
        await bus.check()


@pytest.mark.parametrize("trusting", [True, False], ids=["without a certificate", "without TLS"])
async def test_a_service_without_one_is_told_so_by_nats(nats_url: str, certificates: Path, trusting: bool) -> None:
    authority = certificates / "ca.pem" if trusting else None
    bus = Bus.of(CommonSettings(nats_url=SecretStr(nats_url), nats_ca_file=authority), "here")
    with pytest.raises(Unavailable, match="NATS does not answer"):
        async with bus.connected():
            pytest.fail("it came in")


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"NATS over TLS: .*missing\.pem: No such file"):
        Bus.of(CommonSettings(nats_ca_file=tmp_path / "missing.pem"), "here")


def test_half_a_certificate_is_refused_by_the_settings(tmp_path: Path) -> None:
    with pytest.raises(BadEnvironment, match="are set together"):
        CommonSettings(nats_cert_file=tmp_path / "one.pem")


async def test_a_service_with_a_certificate_comes_in_to_mongodb(mongo_port: int, certificates: Path) -> None:
    tls = f"tls=true&tlsCAFile={certificates}/ca.pem&tlsCertificateKeyFile={certificates}/service-both.pem"
    url = f"mongodb://127.0.0.1:{mongo_port}/?directConnection=true&{tls}"
    async with connected(url, "assay", service="test") as database:
        await check(database)
    bare = f"mongodb://127.0.0.1:{mongo_port}/?directConnection=true"
    for refused in (bare, f"{bare}&tls=true&tlsCAFile={certificates}/ca.pem"):
        with pytest.raises(Unavailable, match="MongoDB does not answer"):
            async with connected(refused, "assay", service="test", patience_ms=500):
                pytest.fail("it came in")
