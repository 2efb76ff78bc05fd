import json
from pathlib import Path

import pytest

from assay.connection import Connection, resolve
from assay.errors import NotConfigured


def write_local(folder: Path, **content: object) -> Path:
    (folder / ".assay").mkdir(parents=True)
    path = folder / ".assay" / "client.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def look(folder: Path, address: str | None = None, key: str | None = None, **environment: str) -> Connection:
    return resolve(address, key, environment=environment, directory=folder)


def test_arguments_come_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    path = write_local(tmp_path, address="file:1", api_key="file-key", nats_url="nats://file")
    environment = {"ASSAY_ADDRESS": "env:1", "ASSAY_API_KEY": "env-key"}
    given = look(tmp_path, "arg:1", "arg-key", **environment)
    assert (given.address, given.api_key, given.source) == ("arg:1", "arg-key", "arguments")
    known = look(tmp_path, **environment)
    assert (known.address, known.api_key, known.source) == ("env:1", "env-key", "ASSAY_ADDRESS")
    found = look(tmp_path)
    assert (found.address, found.api_key, found.nats_url) == ("file:1", "file-key", "nats://file")
    assert found.source == str(path)


def test_the_nearest_file_above_counts(tmp_path: Path) -> None:
    write_local(tmp_path, address="far:1", api_key="a")
    write_local(tmp_path / "project", address="near:1", api_key="b")
    deep = tmp_path / "project" / "agents" / "one"
    deep.mkdir(parents=True)
    assert look(deep).address == "near:1"


def test_the_key_of_a_file_goes_to_its_own_server_only(tmp_path: Path) -> None:
    write_local(tmp_path, address="local:1", api_key="local-key")
    assert look(tmp_path, "elsewhere:1").api_key == ""
    assert look(tmp_path, ASSAY_ADDRESS="elsewhere:1").api_key == ""
    assert look(tmp_path, "local:1").api_key == "local-key"


def test_a_key_goes_through_the_socket_that_its_file_names(tmp_path: Path) -> None:
    """Whoever took the port of a server that has died must not see it."""
    write_local(tmp_path, address="local:1", api_key="local-key", socket="unix:/run/gateway.sock")
    for found in (look(tmp_path), look(tmp_path, "local:1"), look(tmp_path, ASSAY_ADDRESS="local:1")):
        assert (found.address, found.api_key, found.tls) == ("unix:/run/gateway.sock", "local-key", False)
    assert look(tmp_path, "local:1", "a key").address == "local:1"
    assert look(tmp_path, "elsewhere:1").address == "elsewhere:1"


def test_nothing_known_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="assay dev"):
        look(tmp_path)


@pytest.mark.parametrize("content", ["{", "[1]", ""], ids=["broken", "a list", "empty"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    write_local(tmp_path).write_text(content, encoding="utf-8")
    with pytest.raises(NotConfigured, match=r"client\.json"):
        look(tmp_path)


@pytest.mark.parametrize(
    ("address", "environment", "target", "tls"),
    [
        ("host:1", {}, "host:1", False),
        ("grpc://host:1", {}, "host:1", False),
        ("grpcs://host:1", {}, "host:1", True),
        ("https://host:443/", {}, "host:443", True),
        ("host:1", {"ASSAY_TLS": "1"}, "host:1", True),
        ("host:1", {"ASSAY_TLS": "0"}, "host:1", False),
        ("host:1", {"ASSAY_TLS_CA_FILE": "ca.pem"}, "host:1", True),
        ("unix:/run/assay.sock", {}, "unix:/run/assay.sock", False),
    ],
)
def test_tls_by_address_or_setting(
    tmp_path: Path, address: str, environment: dict[str, str], target: str, tls: bool
) -> None:
    found = look(tmp_path, address, **environment)
    assert (found.address, found.tls) == (target, tls)


def test_a_connection_that_is_printed_keeps_its_secrets(tmp_path: Path) -> None:
    write_local(tmp_path, address="local:1", api_key="local-key", nats_url="nats://user:pw@host")
    said = repr(look(tmp_path))
    assert "local-key" not in said
    assert "pw" not in said
