# ruff: noqa: N802 - methods are called as in the .proto
"""Packages in the SDK, and the way of a ZIP to the disk: a server of the API and an object store that misbehave."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import pytest_asyncio

from assay import Assay, AsyncAssay, DownloadFailed, FailedPrecondition, PackageFailed, PackageState
from assay.retry import RetryPolicy
from assay.v1 import package_service_pb2 as pb
from assay.v1.package_service_pb2_grpc import PackageServiceServicer, add_PackageServiceServicer_to_server


def _zip(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("my-agent/data", content)
    return packed.getvalue()


DATA = _zip(bytes(range(256)) * 5000)
QUICK = RetryPolicy(attempts=3, first_pause=0.001, longest_pause=0.01)


class Store:
    """An object store. `faults` are taken one after the other, one for each request."""

    def __init__(self) -> None:
        self.data = DATA
        self.faults: list[str] = []
        self.requests: list[tuple[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append((self.path, self.headers.get("Range", "")))
                fault = outer.faults.pop(0) if outer.faults else ""
                if fault.isdecimal():
                    self.send_error(int(fault))
                    return
                begin = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-")
                first = 0 if fault == "whole" else int(begin)
                body = outer.data[first:]
                self.send_response(206 if first else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Packages(PackageServiceServicer):
    """A server of packages: each look at one takes the next of `states`, and the last one for ever."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.states = [pb.PACKAGE_STATE_READY]
        self.links = 0
        self.downloads = 0
        self.requests: list[Any] = []
        self.sha256 = hashlib.sha256(DATA).hexdigest()

    def _package(self) -> pb.Package:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        package = pb.Package(id="pkg_0123456789", test_id="tst_1", state=state, options=pb.PackageOptions(port=8080))
        package.options.service_name = "my-agent"
        if state == pb.PACKAGE_STATE_READY:
            package.size_bytes, package.sha256 = len(DATA), self.sha256
        if state == pb.PACKAGE_STATE_FAILED:
            package.failure.code, package.failure.message = "INTERNAL", "no such template"
        return package

    def _link(self) -> pb.DownloadLink:
        self.links += 1
        return pb.DownloadLink(url=f"{self.store.url}/zip?link={self.links}")

    async def GeneratePackage(self, request: Any, context: Any) -> pb.GeneratePackageResponse:
        self.requests.append(request)
        return pb.GeneratePackageResponse(package=self._package())

    async def GetPackage(self, request: Any, context: Any) -> pb.GetPackageResponse:
        self.requests.append(request)
        package = self._package()
        return pb.GetPackageResponse(
            package=package, link=self._link() if package.state == pb.PACKAGE_STATE_READY else None
        )

    async def ListPackages(self, request: Any, context: Any) -> pb.ListPackagesResponse:
        self.requests.append(request)
        first = int(request.page_token or 0)
        last = first + min(request.page_size or 2, 2)
        found = [pb.Package(id=f"pkg_{number}") for number in range(first, min(last, 5))]
        return pb.ListPackagesResponse(packages=found, next_page_token=str(last) if last < 5 else "")

    async def RefreshDownloadUrl(self, request: Any, context: Any) -> pb.RefreshDownloadUrlResponse:
        return pb.RefreshDownloadUrlResponse(link=self._link())

    async def TrackDownload(self, request: Any, context: Any) -> pb.TrackDownloadResponse:
        self.downloads += 1
        return pb.TrackDownloadResponse(download_count=self.downloads)


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store()
    yield made
    made.close()


@pytest.fixture
def api(store: Store) -> Packages:
    return Packages(store)


@pytest_asyncio.fixture
async def address(api: Packages) -> AsyncIterator[str]:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    add_PackageServiceServicer_to_server(api, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@pytest_asyncio.fixture
async def client(address: str) -> AsyncIterator[AsyncAssay]:
    async with AsyncAssay(address, "key", retry=QUICK) as made:
        yield made


async def test_a_long_wait_is_asked_for_in_pieces(client: AsyncAssay, api: Packages) -> None:
    api.states = [pb.PACKAGE_STATE_GENERATING] * 3 + [pb.PACKAGE_STATE_READY]
    package = await client.packages.generate("tst_1", wait=600, port=9000, load_balancer=True, request_id="once")
    assert package.state is PackageState.READY
    first, *others = api.requests
    assert (first.test_id, first.options.port, first.options.load_balancer) == ("tst_1", 9000, True)
    assert first.request_id == "once"
    assert len(others) == 3
    assert {request.wait.seconds for request in api.requests} == {15}


async def test_who_does_not_wait_is_answered_at_once(client: AsyncAssay, api: Packages) -> None:
    api.states = [pb.PACKAGE_STATE_GENERATING]
    assert (await client.packages.generate("tst_1", wait=None)).state is PackageState.GENERATING
    [request] = api.requests
    assert not request.HasField("wait")


async def test_a_package_that_could_not_be_made_raises_when_told_to(client: AsyncAssay, api: Packages) -> None:
    api.states = [pb.PACKAGE_STATE_FAILED]
    package = await client.packages.generate("tst_1")
    with pytest.raises(PackageFailed, match="INTERNAL: no such template"):
        package.raise_for_failure()
    with pytest.raises(FailedPrecondition, match="FAILED"):
        await client.packages.download(package)


async def test_lists_go_over_pages(client: AsyncAssay, api: Packages) -> None:
    ids = [one.id async for one in client.packages.list(states=["ready"], test_id="tst_1")]
    assert ids == [f"pkg_{number}" for number in range(5)]
    assert [one.id async for one in client.packages.list(limit=3)] == ids[:3]
    pages = [page async for page in client.packages.list(limit=3).pages()]
    assert ([len(page.packages) for page in pages], pages[-1].next_page_token) == ([2, 1], "3")
    rest = client.packages.list(page_token=pages[-1].next_page_token)
    assert [one.id async for one in rest] == ids[3:]
    assert [one.id async for one in client.packages.list(limit=0)] == []
    assert api.requests[0].filter == pb.PackageFilter(test_id="tst_1", states=[pb.PACKAGE_STATE_READY])
    with pytest.raises(ValueError, match="none of GENERATING, READY"):
        [one async for one in client.packages.list(states=["lost"])]


async def test_a_download_lands_whole_under_its_own_name_and_is_counted(
    client: AsyncAssay, api: Packages, store: Store, tmp_path: Path
) -> None:
    file = await client.packages.download("pkg_0123456789", f"{tmp_path}/new/")
    assert file == tmp_path / "new" / "my-agent-23456789.zip"
    assert file.read_bytes() == DATA
    assert [found.name for found in file.parent.iterdir()] == [file.name]
    assert api.downloads == 1
    assert await client.packages.download("pkg_0123456789", tmp_path / "new") == file
    assert (len(store.requests), api.downloads) == (1, 1)  # it was there already
    other = await client.packages.download("pkg_0123456789", tmp_path / "other.zip")
    assert other.read_bytes() == DATA


@pytest.mark.parametrize(
    ("faults", "requests"),
    [
        (["cut"], ["", f"bytes={len(DATA) // 2}-"]),
        (["503", "cut", "cut"], ["", "", f"bytes={len(DATA) // 2}-", f"bytes={len(DATA) * 3 // 4}-"]),
        (["cut", "whole"], ["", f"bytes={len(DATA) // 2}-"]),
        (["403", "403"], ["", "", ""]),
    ],
    ids=["cut", "busy and cut", "sends everything again", "the link has ended"],
)
async def test_a_download_goes_on_where_it_broke_off(
    client: AsyncAssay, store: Store, tmp_path: Path, faults: list[str], requests: list[str]
) -> None:
    store.faults = list(faults)
    file = await client.packages.download("pkg_0123456789", tmp_path)
    assert file.read_bytes() == DATA
    assert [wanted for _, wanted in store.requests] == requests
    links = {path for path, _ in store.requests}
    assert len(links) == 1 + faults.count("403")


async def test_what_an_earlier_run_left_is_used(
    client: AsyncAssay, api: Packages, store: Store, tmp_path: Path
) -> None:
    part = tmp_path / f".my-agent-23456789.zip.{api.sha256[:16]}.part"
    part.write_bytes(DATA[:1000])
    assert (await client.packages.download("pkg_0123456789", tmp_path)).read_bytes() == DATA
    assert [wanted for _, wanted in store.requests] == ["bytes=1000-"]
    assert not part.exists()


@pytest.mark.parametrize("data", [b"x" * len(DATA), DATA + b"more"], ids=["other bytes", "more bytes"])
async def test_what_is_not_the_package_is_not_kept(
    client: AsyncAssay, api: Packages, store: Store, tmp_path: Path, data: bytes
) -> None:
    store.data = data
    old = tmp_path / "mine.zip"
    old.write_bytes(b"an older one")
    with pytest.raises(DownloadFailed):
        await client.packages.download("pkg_0123456789", old)
    assert old.read_bytes() == b"an older one"
    assert api.downloads == 0


async def test_a_store_that_stays_away_is_given_up(client: AsyncAssay, store: Store, tmp_path: Path) -> None:
    store.faults = ["503"] * 99
    with pytest.raises(DownloadFailed, match="503"):
        await client.packages.download("pkg_0123456789", tmp_path)
    store.faults = ["404"]
    with pytest.raises(DownloadFailed, match="404"):
        await client.packages.download("pkg_0123456789", tmp_path)


async def test_only_addresses_of_the_web_are_opened(client: AsyncAssay, store: Store, tmp_path: Path) -> None:
    store.url = "file:///etc/passwd#"
    with pytest.raises(DownloadFailed, match="none of the web"):
        await client.packages.download("pkg_0123456789", tmp_path)
    assert not (tmp_path / "my-agent-23456789.zip").exists()


async def test_without_asyncio_it_is_the_same(api: Packages, store: Store, address: str, tmp_path: Path) -> None:
    import asyncio

    api.states = [pb.PACKAGE_STATE_GENERATING] * 2 + [pb.PACKAGE_STATE_READY]
    store.faults = ["cut", "403"]

    def use() -> None:
        with Assay(address, "key", retry=QUICK) as client:
            package = client.packages.generate("tst_1")
            assert package.state is PackageState.READY
            assert client.packages.download(package, tmp_path).read_bytes() == DATA
            assert client.packages.track(package.id) == 2
            assert client.packages.get(package.id).link
            assert client.packages.refresh(package.id).url.startswith("http")
            assert len(list(client.packages.list(limit=4))) == 4

    await asyncio.to_thread(use)
