"""A link that signs a browser in to the web console, without the API key in it.

Owns where the console is and to whom a key is sent: to the console of local mode through a socket that only its owner
can listen on, or to the address that the user has named. Opens no browser.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import ssl
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from assay.connection import find_local_file, read_local_file
from assay.errors import AssayError, NotConfigured, of_code

PATIENCE_S = 30.0  # local mode starts its console when it is first asked
LARGEST_ANSWER = 64 * 1024
_CODE = re.compile(r"[A-Za-z0-9_-]{16,256}")


@dataclass(frozen=True, slots=True)
class Console:
    """Where a console is, and the key that it may be shown."""

    url: str
    """http(s)://HOST[:PORT], as a browser has it."""
    api_key: str = field(repr=False)
    socket: str = ""
    """Path of a socket of the same console, which nobody but its owner can have made."""
    ca_file: str = ""


def find_console(
    address: str | None = None, *, environment: Mapping[str, str] | None = None, directory: Path | None = None
) -> Console:
    """The console at ASSAY_CONSOLE_URL, else that of local mode here. Raises NotConfigured.

    `address` is that of the server, where one was named: local mode's console is not for another server. The key is
    ASSAY_API_KEY; that of local mode goes to its own console only.
    """
    environ = os.environ if environment is None else environment
    found = find_local_file(directory or Path.cwd())
    local = read_local_file(found) if found else {}
    url = environ.get("ASSAY_CONSOLE_URL", "").rstrip("/")
    server = address or environ.get("ASSAY_ADDRESS")
    is_local = url == local.get("console") if url else bool(local) and server in {None, "", local.get("address")}
    key = environ.get("ASSAY_API_KEY", "").strip() or (local.get("api_key", "") if is_local else "")
    if is_local:
        if not (local.get("console") and local.get("console_socket")):
            raise NotConfigured(f"The server that {found} tells of has no console. Start it again with `assay dev`.")
        return Console(_origin(local["console"]), key, local["console_socket"])
    if not url:
        of_it = f" of the server at {server}" if server else ""
        raise NotConfigured(f"No console{of_it} is known here. Start one with `assay dev`, or set ASSAY_CONSOLE_URL.")
    if not key:
        raise NotConfigured(f"No API key is known for the console at {url}. Give yours by ASSAY_API_KEY.")
    return Console(_origin(url), key, ca_file=environ.get("ASSAY_TLS_CA_FILE", ""))


def sign_in_link(console: Console, to: str = "/") -> str:
    """An address that signs in whoever opens it first, once and within two minutes, and shows the path `to` there.

    Raises AssayError: Unauthenticated for a key that the console does not accept, and others where it does not answer.
    """
    try:
        status, answer = _post(console)
    except (OSError, http.client.HTTPException) as error:
        raise AssayError(f"No console answers at {console.url}: {error}", code="UNAVAILABLE") from error
    try:
        said = json.loads(answer)
        code, message = str(said.get("code", "")), str(said.get("message", ""))
    except (ValueError, AttributeError):
        code, message = "", ""
    if status == http.HTTPStatus.OK and _CODE.fullmatch(code):
        return f"{console.url}/signin/code?{urlencode({'code': code, 'to': to})}"
    if status != http.HTTPStatus.OK and message:
        raise of_code(code, message)
    raise AssayError(f"What answers at {console.url} is no console of Assay (HTTP {status}).", code="UNKNOWN")


def _post(console: Console) -> tuple[int, bytes]:
    """Redirections are not followed and no proxy is asked: the key goes to the console and to nobody else."""
    with _connection(console) as connection:
        connection.request("POST", "/signin/codes", headers={"Authorization": f"Bearer {console.api_key}"})
        response = connection.getresponse()
        return response.status, response.read(LARGEST_ANSWER)


@contextmanager
def _connection(console: Console) -> Iterator[http.client.HTTPConnection]:
    parts = urlsplit(console.url)
    host = parts.hostname or ""
    if console.socket:
        connection: http.client.HTTPConnection = http.client.HTTPConnection(host, parts.port, timeout=PATIENCE_S)
        connection.sock = _connected(console.socket)
    elif parts.scheme == "https":
        trusted = ssl.create_default_context(cafile=console.ca_file or None)
        connection = http.client.HTTPSConnection(host, parts.port, timeout=PATIENCE_S, context=trusted)
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=PATIENCE_S)
    try:
        yield connection
    finally:
        connection.close()


def _connected(path: str) -> socket.socket:
    stream = socket.socket(socket.AF_UNIX)
    try:
        stream.settimeout(PATIENCE_S)
        with _short(path) as short:
            stream.connect(short)
    except OSError:
        stream.close()
        raise
    return stream


@contextmanager
def _short(path: str) -> Iterator[str]:
    """Another path to the socket: that of one has at most 107 bytes (unix(7))."""
    if sys.platform != "linux":
        yield path
        return
    folder = os.open(Path(path).parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{Path(path).name}"
    finally:
        os.close(folder)


def _origin(url: str) -> str:
    """Raises NotConfigured for what is no address of a console, or none to which a key may be sent."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError as error:
        raise NotConfigured(f"{url!r} is no address of a console: {error}") from error
    bare = not (parts.username or parts.query or parts.fragment or parts.path.strip("/"))
    if not (parts.scheme in {"http", "https"} and parts.hostname and bare):
        raise NotConfigured(f"{url!r} is no address of a console: write https://HOST, with a port if need be.")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise NotConfigured(f"{url} would send your key unencrypted: write https://.")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
