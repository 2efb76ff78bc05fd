"""A package index of our own on loopback: installing is tried for real, and no network is needed."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BACKEND = """
import os, sys
sys.path.insert(0, os.path.dirname(__file__))
from maker import wheel

def build_wheel(folder, config_settings=None, metadata_directory=None):
    try:
        caches = os.listdir("/cache")
    except OSError:
        caches = ["not there"]
    {deed}
    source = f"CACHE = {caches!r}\\nUSER = {os.getuid()}\\n"
    name, data = wheel("{name}", "{version}", {{"{name}.py": source}}, "{tag}")
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)
    return name
"""


def wheel(name: str, version: str, files: Mapping[str, str], tag: str = "py3-none-any") -> tuple[str, bytes]:
    """The name and the content of a wheel with these modules."""
    info = f"{name}-{version}.dist-info"
    members = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    rows = []
    for path, text in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text.encode())}\n")
    members[f"{info}/RECORD"] = "".join(rows) + f"{info}/RECORD,,\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in members.items():
            archive.writestr(path, text)
    return f"{name}-{version}-{tag}.whl", buffer.getvalue()


def source(name: str, version: str, deed: str = "pass", *, tag: str = "py3-none-any") -> tuple[str, bytes]:
    """A source distribution with a build backend of its own, whose module tells what the backend saw.

    `deed`: one line of Python that the backend runs. `tag`: of the wheel that it makes."""
    import inspect

    maker = "import base64, hashlib, io, zipfile\n" + inspect.getsource(wheel).replace("Mapping[str, str]", "dict")
    root = f"{name}-{version}"
    members = {
        f"{root}/PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{root}/pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        f'[project]\nname = "{name}"\nversion = "{version}"\n',
        f"{root}/backend.py": BACKEND.replace("{name}", name)
        .replace("{version}", version)
        .replace("{deed}", deed)
        .replace("{tag}", tag)
        .replace("{{", "{")
        .replace("}}", "}"),
        f"{root}/maker.py": maker,
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, text in members.items():
            facts = tarfile.TarInfo(path)
            facts.size = len(text.encode())
            archive.addfile(facts, io.BytesIO(text.encode()))
    return f"{name}-{version}.tar.gz", buffer.getvalue()


class Index:
    """What the index offers, and how often each file was fetched."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.fetched: Counter[str] = Counter()
        self.url = ""

    def offer(self, file: tuple[str, bytes]) -> None:
        """Adds a distribution."""
        self.files[file[0]] = file[1]

    def page(self, project: str) -> str | None:
        """The page of a project (PEP 503)."""
        names = [name for name in self.files if name.lower().replace("_", "-").startswith(f"{project}-")]
        if not names:
            return None
        links = "".join(
            f'<a href="/files/{name}#sha256={hashlib.sha256(self.files[name]).hexdigest()}">{name}</a>'
            for name in names
        )
        return f"<!DOCTYPE html><html><body>{links}</body></html>"


@contextmanager
def serving(index: Index) -> Iterator[str]:
    """Serves the index; the URL for an installer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = self.path.strip("/").split("/")
            if parts[0] == "simple":
                text = index.page(parts[1])
                self._answer(None if text is None else text.encode(), "text/html")
            else:
                index.fetched[parts[-1]] += self.command == "GET"
                self._answer(index.files.get(parts[-1]), "application/octet-stream")

        def _answer(self, body: bytes | None, kind: str) -> None:
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body or b"")

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        index.url = f"http://127.0.0.1:{server.server_address[1]}/simple"
        yield index.url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
