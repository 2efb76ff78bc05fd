"""Packages and files from a server that means harm: nothing is written outside of the folder that was asked for, and
nothing is a package that is none."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from assay import Assay, DownloadFailed
from assay.download import MOST_BYTES, Download
from assay.errors import BadAnswer
from assay.file_download import MOST_BYTES as MOST_OF_A_FILE
from assay.local_names import file_name, local_path
from assay.package_messages import package as value_of
from assay.packages import Package
from assay.retry import RetryPolicy
from assay.v1 import package_service_pb2 as pb
from assay.v1 import test_pb2, test_service_pb2
from tests.support.hostile_gateway import HostileGateway, hostile_gateway

QUICK = RetryPolicy(attempts=2, first_pause=0.001, longest_pause=0.01, stream_attempts=3)
ID = "pkg_" + "0" * 32


def packed(*names: str, kind: int = 0o100644) -> bytes:
    """A ZIP with entries of these names."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in names:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = kind << 16
            archive.writestr(entry, b"content")
    return data.getvalue()


SOUND = packed("agent/README.md")


class Store:
    """An object store that answers every GET with `answer`."""

    def __init__(self) -> None:
        self.answer: Callable[[BaseHTTPRequestHandler], None] = lambda request: self.send(request, SOUND)
        self.paths: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.paths.append(self.path)
                outer.answer(self)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def send(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


@contextmanager
def object_store() -> Iterator[Store]:
    made = Store()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        thread.join()
        made.server.server_close()


@pytest.fixture
def store() -> Iterator[Store]:
    with object_store() as made:
        yield made


@pytest.fixture
def gateway() -> HostileGateway:
    return HostileGateway()


@pytest.fixture
def client(gateway: HostileGateway) -> Iterator[Assay]:
    with hostile_gateway(gateway) as address, Assay(address, "key", retry=QUICK) as made:
        yield made


def a_package(zipped: bytes = SOUND, name: str = "agent", **more: Any) -> pb.Package:
    return pb.Package(
        **{
            "id": ID,
            "test_id": "tst_1",
            "state": pb.PACKAGE_STATE_READY,
            "size_bytes": len(zipped),
            "sha256": hashlib.sha256(zipped).hexdigest(),
            "options": pb.PackageOptions(service_name=name),
            **more,
        }
    )


def offer(gateway: HostileGateway, url: str, package: pb.Package) -> None:
    gateway.say("GetPackage", pb.GetPackageResponse(package=package, link=pb.DownloadLink(url=url)))
    gateway.say("RefreshDownloadUrl", pb.RefreshDownloadUrlResponse(link=pb.DownloadLink(url=url)))


def everything_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


NAMES = [
    *("../evil", "../../evil", "/tmp/evil", "..", ".", "a/b", "a\\b", "..\\evil", "C:evil", "C:\\evil"),
    *("evil\n", "evil\r", "e\x00vil", "e\x1b[2Jvil", "e\u202evil", "e\u2028vil", "-rf", ".bashrc", ".git", " ", "é"),
    *("con", "CON.zip", "x" * 64, "Upper"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_package_is_written_nowhere_when_its_name_is_none(
    name: str, gateway: HostileGateway, client: Assay, store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "in" / "here"
    folder.mkdir(parents=True)
    offer(gateway, store.url, a_package(name=name))
    if name == "con":  # a name of a service, and of a device on Windows only with nothing behind it
        assert client.packages.download(ID, folder).name == "con-00000000.zip"
        return
    with pytest.raises(BadAnswer, match="service_name"):
        client.packages.download(ID, folder)
    assert everything_in(tmp_path) == {"in", "in/here"}
    assert store.paths == []


@pytest.mark.parametrize("name", [*NAMES, "", "nul", "aux.zip", "COM1.zip", "x" * 300 + ".zip"])
def test_a_file_of_a_server_s_own_choosing_has_a_plain_name(name: str) -> None:
    if name in {"x" * 64, "Upper"}:
        assert file_name(name) == name
        return
    with pytest.raises(DownloadFailed, match="Name the file yourself"):
        file_name(name)


def test_a_package_that_code_made_up_leads_nowhere_either(tmp_path: Path) -> None:
    """The value may come from somewhere else than a call of ours, so the last step looks, too."""
    honest = value_of(a_package())
    for name in ("../evil", "/tmp/evil", "-rf"):
        bad = replace(honest, options=replace(honest.options, service_name=name))
        with pytest.raises(DownloadFailed):
            Download(bad, f"{tmp_path}/")
    for wrong in ("", "../../../evil", "A" * 64, "0" * 63):
        with pytest.raises(DownloadFailed):
            Download(replace(honest, sha256=wrong), f"{tmp_path}/")
    assert everything_in(tmp_path) == set()


@pytest.mark.parametrize("package_id", ["../../evil", "pkg_\nx", "pkg_1/../..", "-x", "pkg_1 ; rm", "p\u202e"])
def test_an_id_is_an_id(package_id: str, gateway: HostileGateway, client: Assay, store: Store, tmp_path: Path) -> None:
    offer(gateway, store.url, a_package(id=package_id))
    with pytest.raises(BadAnswer, match="id is"):
        client.packages.download(ID, tmp_path)
    assert everything_in(tmp_path) == set()


def test_another_file_in_the_place_that_a_server_chose_stays(
    gateway: HostileGateway, client: Assay, store: Store, tmp_path: Path
) -> None:
    offer(gateway, store.url, a_package())
    mine = tmp_path / "agent-00000000.zip"
    mine.write_bytes(b"mine")
    with pytest.raises(DownloadFailed, match="is there already"):
        client.packages.download(ID, tmp_path)
    assert mine.read_bytes() == b"mine"
    mine.unlink()
    mine.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DownloadFailed, match="is there already"):
        client.packages.download(ID, tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_link_in_the_place_of_the_unfinished_file_is_not_written_through(
    gateway: HostileGateway, client: Assay, store: Store, tmp_path: Path
) -> None:
    package = a_package()
    offer(gateway, store.url, package)
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / f".agent-00000000.zip.{package.sha256[:16]}.part").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        client.packages.download(ID, tmp_path)
    assert victim.read_bytes() == b"precious"


HARMFUL = {
    "no ZIP": b"<html>not a ZIP</html>",
    "leads out": packed("../evil"),
    "absolute": packed("/etc/evil"),
    "a link": packed("agent/link", kind=0o120777),
    "a device": packed("agent/device", kind=0o020666),
    "two folders": packed("agent/a", "other/b"),
    "twice": packed("agent/a", "agent/A"),
    "steers": packed("agent/\x1b[2J"),
    "turns": packed("agent/\u202egpj.exe"),
    "too many": packed(*(f"agent/{number}" for number in range(1001))),
}


@pytest.mark.parametrize("harm", HARMFUL)
def test_what_is_no_package_never_gets_its_name(
    harm: str, gateway: HostileGateway, client: Assay, store: Store, tmp_path: Path
) -> None:
    """Its size and SHA-256 are what the server says: the server itself is hostile."""
    zipped = HARMFUL[harm]
    offer(gateway, store.url, a_package(zipped))
    store.answer = lambda request: store.send(request, zipped)
    with pytest.raises(DownloadFailed, match="not a package"):
        client.packages.download(ID, tmp_path)
    assert everything_in(tmp_path) == set()


@pytest.mark.parametrize("size", [-1, 0, MOST_BYTES + 1, 2**62])
def test_a_size_that_no_package_has_is_not_begun(
    size: int, gateway: HostileGateway, client: Assay, store: Store, tmp_path: Path
) -> None:
    offer(gateway, store.url, a_package(size_bytes=size))
    with pytest.raises(DownloadFailed, match="bytes with SHA-256"):
        client.packages.download(ID, tmp_path)
    assert store.paths == []


def test_a_store_that_never_stops_fills_no_disk(
    gateway: HostileGateway, client: Assay, store: Store, tmp_path: Path
) -> None:
    def pour(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            while True:
                request.wfile.write(b"x" * 65536)
        except OSError:
            pass

    store.answer = pour
    offer(gateway, store.url, a_package())
    with pytest.raises(DownloadFailed, match="more than the"):
        client.packages.download(ID, tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= len(SOUND)


@pytest.mark.parametrize("where", ["other port", "file:///etc/passwd", "ftp://127.0.0.1/x", "https://127.0.0.1:1/"])
def test_a_link_leads_to_no_other_place(
    where: str, gateway: HostileGateway, client: Assay, store: Store, tmp_path: Path
) -> None:
    with object_store() as other:
        to = f"{other.url}/zip" if where == "other port" else where

        def redirect(request: BaseHTTPRequestHandler) -> None:
            request.send_response(302)
            request.send_header("Location", to)
            request.send_header("Content-Length", "0")
            request.end_headers()

        store.answer = redirect
        offer(gateway, store.url, a_package())
        with pytest.raises(DownloadFailed):
            client.packages.download(ID, tmp_path)
        assert other.paths == []
    assert [path for path in tmp_path.iterdir() if path.suffix != ".part"] == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "", "http://[", "gopher://x"])
def test_a_link_that_is_none_of_the_web_is_not_opened(
    url: str, gateway: HostileGateway, client: Assay, tmp_path: Path
) -> None:
    offer(gateway, url, a_package())
    with pytest.raises((DownloadFailed, ValueError)):
        client.packages.download(ID, tmp_path)


def test_a_sound_package_arrives(gateway: HostileGateway, client: Assay, store: Store, tmp_path: Path) -> None:
    offer(gateway, store.url, a_package())
    file = client.packages.download(ID, tmp_path)
    assert (file.name, file.read_bytes()) == ("agent-00000000.zip", SOUND)
    found = client.packages.get(ID)
    assert isinstance(found, Package)
    assert everything_in(tmp_path) == {file.name}


def file_of(gateway: HostileGateway, path: str, *messages: test_service_pb2.DownloadFileResponse) -> None:
    listed = test_pb2.TestFile(path=path, size=7, sha256=hashlib.sha256(b"content").hexdigest())
    test = test_pb2.Test(id="tst_1", state=test_pb2.TEST_STATE_COMPLETED, output_files=[listed])
    gateway.say("GetTest", test_service_pb2.GetTestResponse(test=test))
    said = messages or (
        test_service_pb2.DownloadFileResponse(file=listed),
        test_service_pb2.DownloadFileResponse(data=b"content"),
    )
    gateway.say("DownloadFile", *said)


@pytest.mark.parametrize(
    "name",
    [
        *("../evil", "a/../../evil", "/etc/evil", "a//b", "", ".", "..", "./x"),
        *(".git/hooks/post-checkout", "a/.GIT/config", ".git /config", "git~1/config", "x" * 256),
    ],
)
def test_a_file_of_a_test_is_written_into_the_folder_or_not_at_all(
    name: str, gateway: HostileGateway, client: Assay, tmp_path: Path
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    file_of(gateway, name)
    with pytest.raises(DownloadFailed):
        client.download("tst_1", name, folder)
    assert everything_in(tmp_path) == {"here"}


def test_names_that_steer_a_terminal_are_plain_here(tmp_path: Path) -> None:
    for name in ("a\x1b[2J", "a\nb", "a\u202eb", "a\u2028b", "a\x85b", "a\ud800"):
        assert local_path(tmp_path, name).name.replace("_", "").isascii()


@pytest.mark.parametrize("size", [-1, MOST_OF_A_FILE + 1, 2**62])
def test_a_file_of_a_size_that_none_has_is_not_begun(
    size: int, gateway: HostileGateway, client: Assay, tmp_path: Path
) -> None:
    head = test_pb2.TestFile(path="a", size=size, sha256="0" * 64)
    file_of(gateway, "a", test_service_pb2.DownloadFileResponse(file=head))
    with pytest.raises(DownloadFailed, match="bytes"):
        client.download("tst_1", "a", tmp_path)
    with pytest.raises(DownloadFailed, match="bytes"):
        client.read_file("tst_1", "a")
    assert everything_in(tmp_path) == set()


def test_a_file_that_never_ends_is_cut_at_what_it_said(gateway: HostileGateway, client: Assay, tmp_path: Path) -> None:
    head = test_service_pb2.DownloadFileResponse(file=test_pb2.TestFile(path="a", size=10, sha256="0" * 64))
    more = test_service_pb2.DownloadFileResponse(data=b"x" * 65536)

    def for_ever(_request: Any) -> Iterator[Any]:
        yield head
        while True:
            yield more

    gateway.answers["DownloadFile"] = for_ever
    for fetch in (lambda: client.download("tst_1", "a", tmp_path), lambda: client.read_file("tst_1", "a")):
        with pytest.raises(DownloadFailed, match="more than the server said"):
            fetch()
    assert everything_in(tmp_path) == set()
