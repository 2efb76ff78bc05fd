"""Which server to talk to, and how: arguments, then ASSAY_* variables, then the nearest `.assay/client.json`.

Owns the search and its order; opens nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from assay.errors import NotConfigured

LOCAL_FILE = Path(".assay") / "client.json"  # local mode writes it, readable by its user only


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a server is. `source` says where that was learned, for messages to people."""

    address: str
    api_key: str = field(default="", repr=False)
    tls: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = field(default="", repr=False)
    nats_url: str = field(default="", repr=False)
    source: str = "arguments"


def resolve(
    address: str | None = None,
    api_key: str | None = None,
    *,
    tls: bool | None = None,
    ca_file: str | None = None,
    cert_file: str | None = None,
    key_file: str | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Connection:
    """Where the server is. Raises NotConfigured when nothing says so, or when what says so cannot be read.

    An address that starts with `grpcs://` or `https://` turns TLS on, as do ASSAY_TLS=1 and a CA or client certificate.
    The key of a local file is used for the address in that file only, and sent through the socket that the file names:
    whoever took the port of a server that has died would get to see the key.
    """
    environ = os.environ if environment is None else environment
    source = "arguments"
    where = address
    if not where and (where := environ.get("ASSAY_ADDRESS")):
        source = "ASSAY_ADDRESS"
    key = api_key or environ.get("ASSAY_API_KEY") or ""
    nats_url = ""
    if not where or not key:
        found = find_local_file(directory or Path.cwd())
        local = read_local_file(found) if found else {}
        if not where and found:
            where, source = local.get("address"), str(found)
        if where and local.get("address") == where:
            key = key or local.get("api_key", "")
            nats_url = local.get("nats_url", "")
            where = local.get("socket", where)
    if not where:
        raise NotConfigured(
            "No Assay server is known here. Start one with `assay dev` (in this folder or one above it), "
            "or say where it is with ASSAY_ADDRESS and ASSAY_API_KEY."
        )
    key = key.strip()  # a line break at its end comes from a file or a careless copy
    if not (key.isascii() and key.isprintable()):
        raise NotConfigured("The API key has characters in it that no key has. Copy it again, whole and alone.")
    target, secure = _target(where)
    if not target:
        raise NotConfigured(f"{where!r} (from {source}) is no address: write HOST:PORT.")
    ca = ca_file or environ.get("ASSAY_TLS_CA_FILE", "")
    cert = cert_file or environ.get("ASSAY_TLS_CERT_FILE", "")
    cert_key = key_file or environ.get("ASSAY_TLS_KEY_FILE", "")
    if tls is None:
        tls = secure or bool(ca or cert) or environ.get("ASSAY_TLS", "").lower() in {"1", "true", "yes", "on"}
    return Connection(target, key, tls, ca, cert, cert_key, nats_url, source)


def find_local_file(start: Path) -> Path | None:
    """The nearest `.assay/client.json`, in `start` or a folder above it."""
    for folder in (start, *start.parents):
        candidate = folder / LOCAL_FILE
        if candidate.is_file():
            return candidate
    return None


def read_local_file(path: Path) -> dict[str, str]:
    """What local mode says there. Raises NotConfigured where it cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotConfigured(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise NotConfigured(f"{path} does not hold a JSON object")
    return {key: value for key, value in content.items() if isinstance(value, str)}


def _target(address: str) -> tuple[str, bool]:
    """What gRPC wants to hear, and whether the address asks for TLS."""
    for scheme, secure in (("grpcs://", True), ("https://", True), ("grpc://", False), ("http://", False)):
        if address.startswith(scheme):
            return address.removeprefix(scheme).rstrip("/"), secure
    return address, False
