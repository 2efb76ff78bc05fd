"""Packages on a real store, bus and S3: asked for, made, linked to, removed; and everything that comes in between."""

import asyncio
import hashlib
import io
import os
import signal
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration

from assay.v1 import package_service_pb2 as pb
from assay.verify import verify_package
from services.packager.ports import HandedIn
from services.packager.press import press as real_press
from services.packager.signing import SigningKey
from shared.bus.streams import PACKAGES
from shared.settings import BadEnvironment
from shared.store.documents import Execution
from shared.store.package_documents import Package
from tests.support.gateway import CODE, Client, details_of, refused, violations_of
from tests.support.packaging import (
    EXPIRED,
    FAILED,
    GENERATING,
    READY,
    Shop,
    fetched,
    generate,
    get,
    shop,
    status_of_link,
)
from tests.support.servers import AWS_KEY, RunningServer, running_emulator
from tests.support.until import until

Code = grpc.StatusCode


@pytest_asyncio.fixture
async def market(nats_url: str, mongo_url: str, mongo_database: str, emulator: RunningServer) -> AsyncIterator[Shop]:
    async with shop(nats_url, mongo_url, mongo_database, emulator) as found:
        yield found


@pytest_asyncio.fixture
async def alice(market: Shop) -> Client:
    return await market.stage.client("alice")


@pytest.fixture
def own_emulator() -> Iterator[RunningServer]:
    """One that the test may kill."""
    with running_emulator() as server:
        yield server


async def told(market: Shop, test_id: str) -> list[str]:
    """The facts of this test's packages, in the order in which they were told."""
    jetstream = market.stage.others.bus.jetstream
    state = (await jetstream.stream_info(PACKAGES.name)).state
    found = [await jetstream.get_msg(PACKAGES.name, seq) for seq in range(state.first_seq, state.last_seq + 1)]
    return [".".join(str(one.subject).split(".")[:2]) for one in found if str(one.subject).endswith(test_id)]


# -- what a package is


async def test_a_tested_agent_is_downloaded_as_it_was_tested(market: Shop, alice: Client) -> None:
    test_id = await market.completed(alice, agent_name="Word counter")
    async with market.packager():
        answer = await generate(alice, test_id)
    package, link = answer.package, answer.link
    assert (package.state, package.test_id, package.user_id) == (READY, test_id, "alice")
    assert package.options == pb.PackageOptions(service_name="word-counter", port=8080)
    data = await fetched(link.url)
    assert (len(data), hashlib.sha256(data).hexdigest()) == (package.size_bytes, package.sha256)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert [(one.path, one.size_bytes) for one in package.files] == [
            (info.filename, info.file_size) for info in archive.infolist()
        ]
        for one in package.files:
            assert hashlib.sha256(archive.read(one.path)).hexdigest() == one.sha256
        assert archive.read("word-counter/agent.py").decode() == CODE
    made, ends = package.ready_time.ToDatetime(UTC), package.expire_time.ToDatetime(UTC)
    assert ends - made == timedelta(hours=24)
    assert timedelta(minutes=59) < link.expire_time.ToDatetime(UTC) - datetime.now(UTC) <= timedelta(minutes=60)
    assert (await market.stage.others.execution(test_id)).package_id == package.id
    assert await until(lambda: told(market, test_id)) == ["package.requested", "package.ready"]
    assert [key for key in await market.keys() if package.id in key] == [f"packages/alice/{package.id}/1.zip"]


async def test_a_packager_with_a_key_signs_what_it_makes(market: Shop, alice: Client, tmp_path: Path) -> None:
    key, file = SigningKey.make(tmp_path / "signing.pem"), tmp_path / "package.zip"
    async with market.packager(packager_signing_key=tmp_path / "signing.pem"):
        answer = await generate(alice, await market.completed(alice))
    file.write_bytes(await fetched(answer.link.url))
    found = verify_package(file, sha256=answer.package.sha256, keys=[key.public_pem.encode()])
    assert found.problems == []


async def test_a_packager_whose_key_is_none_does_not_start(market: Shop, tmp_path: Path) -> None:
    with pytest.raises(BadEnvironment, match=r"ASSAY_PACKAGER_SIGNING_KEY: .*signing\.pem: No such file"):
        async with market.packager(packager_signing_key=tmp_path / "signing.pem"):
            pass


async def test_the_link_names_the_file_after_the_service(market: Shop, alice: Client) -> None:
    async with market.packager():
        answer = await generate(alice, await market.completed(alice), service_name="my-agent")
    assert f"my-agent-{answer.package.id[-8:]}.zip" in answer.link.url


async def test_the_bucket_removes_what_nobody_else_does(market: Shop, alice: Client) -> None:
    async with market.packager(packager_ttl_h=25.0):
        await generate(alice, await market.completed(alice))
    answer = await asyncio.to_thread(market.aws.s3.get_bucket_lifecycle_configuration, Bucket=market.objects.bucket)
    [rule] = answer["Rules"]
    assert (rule["Filter"]["Prefix"], rule["Expiration"]["Days"], rule["Status"]) == ("packages/", 2, "Enabled")


# -- asked for


async def test_asked_for_twice_it_is_the_same_one(market: Shop, alice: Client) -> None:
    test_id = await market.completed(alice)
    async with market.packager():
        answers = await asyncio.gather(*(generate(alice, test_id) for _ in range(20)))
        again = await generate(alice, test_id, port=8080)
        other = await generate(alice, test_id, port=9090)
    assert {answer.package.id for answer in (*answers, again)} == {again.package.id}
    assert {answer.package.sha256 for answer in answers} == {again.package.sha256}
    assert other.package.id != again.package.id
    assert (await told(market, test_id)).count("package.requested") == 2
    assert (await market.stored(again.package.id)).generation == 1


async def test_what_is_made_is_there_when_the_files_of_its_test_are_gone(market: Shop, alice: Client) -> None:
    test_id = await market.completed(alice)
    async with market.packager():
        made = await generate(alice, test_id)
    gone = {"digest": "0" * 64, "files": [{"path": "agent.py", "size": 1, "sha256": "0" * 64, "executable": False}]}
    await market.stage.others.database["executions"].update_one({"_id": test_id}, {"$set": {"input.project": gone}})
    assert (await generate(alice, test_id)).package.id == made.package.id
    error = await refused(generate(alice, test_id, port=9090))
    assert details_of(error)["ErrorInfo"].reason == "FILES_GONE"


async def test_only_a_test_that_passed_has_a_package(market: Shop, alice: Client) -> None:
    test = await alice.submit()
    error = await refused(generate(alice, test.id))
    assert error.code() is Code.FAILED_PRECONDITION
    info = details_of(error)["ErrorInfo"]
    assert (info.reason, info.metadata["state"]) == ("WRONG_STATE", "SUBMITTED")
    assert "SUBMITTED" in str(error.details())


async def test_everything_that_is_wrong_is_told_at_once(alice: Client) -> None:
    request = pb.GeneratePackageRequest(
        request_id="ä", wait=Duration(seconds=31), options=pb.PackageOptions(service_name="A", port=-1, vpc_id="vpc-x")
    )
    error = await refused(alice.call("GeneratePackage", request))
    assert error.code() is Code.INVALID_ARGUMENT
    wrong = {"test_id", "request_id", "wait", "options.service_name", "options.port", "options.vpc_id"}
    assert violations_of(error).keys() == wrong


async def test_what_is_another_users_is_not_there(market: Shop, alice: Client) -> None:
    test_id = await market.completed(alice)
    async with market.packager():
        package_id = (await generate(alice, test_id)).package.id
    bob = await market.stage.client("bob")
    assert (await refused(generate(bob, test_id))).code() is Code.NOT_FOUND
    for method, kind in (
        ("GetPackage", pb.GetPackageRequest),
        ("RefreshDownloadUrl", pb.RefreshDownloadUrlRequest),
        ("TrackDownload", pb.TrackDownloadRequest),
    ):
        for one in (package_id, "pkg_nothing"):
            error = await refused(bob.call(method, kind(package_id=one)))
            assert error.code() is Code.NOT_FOUND
            resource = details_of(error)["ResourceInfo"]
            assert (resource.resource_type, resource.resource_name) == ("assay.v1.Package", one)
        assert (await refused(bob.call(method, kind()))).code() is Code.INVALID_ARGUMENT
    assert not (await bob.call("ListPackages", pb.ListPackagesRequest())).packages


async def test_a_request_id_is_for_one_package(market: Shop, alice: Client) -> None:
    one, other = await market.completed(alice), await market.completed(alice)
    first = await generate(alice, one, wait_s=0, request_id="once")
    assert (await generate(alice, one, wait_s=0, request_id="once")).package.id == first.package.id
    assert (await generate(alice, one, wait_s=0, request_id="another")).package.id == first.package.id
    for test_id, options in ((other, {}), (one, {"port": 1})):
        for request_id in ("once", "another"):
            error = await refused(generate(alice, test_id, wait_s=0, request_id=request_id, **options))
            assert error.code() is Code.ALREADY_EXISTS
            assert details_of(error)["ErrorInfo"].metadata["package_id"] == first.package.id


# -- waited for


async def test_a_caller_who_waits_is_told_by_the_event(
    nats_url: str, mongo_url: str, mongo_database: str, emulator: RunningServer
) -> None:
    async with shop(nats_url, mongo_url, mongo_database, emulator, gateway_look_s=60.0) as market:
        alice = await market.stage.client("alice")
        test_id = await market.completed(alice)
        at_once = await generate(alice, test_id, wait_s=0)
        assert (at_once.package.state, at_once.HasField("link")) == (GENERATING, False)
        short = await get(alice, at_once.package.id, wait_s=0.1)
        assert short.package.state == GENERATING
        waiting = asyncio.ensure_future(get(alice, at_once.package.id, wait_s=30))
        async with market.packager():
            answer = await waiting
        assert (answer.package.state, answer.HasField("link")) == (READY, True)


async def test_a_package_that_is_made_has_no_link_and_can_wait(market: Shop, alice: Client) -> None:
    package = (await generate(alice, await market.completed(alice), wait_s=0)).package
    error = await refused(alice.call("RefreshDownloadUrl", pb.RefreshDownloadUrlRequest(package_id=package.id)))
    assert error.code() is Code.FAILED_PRECONDITION
    assert details_of(error)["ErrorInfo"].metadata["state"] == "GENERATING"


# -- listed, linked to, counted


async def test_packages_are_listed_in_pages(market: Shop, alice: Client) -> None:
    tests = [await market.completed(alice, agent_id=f"agent-{number % 2}") for number in range(5)]
    made = [(await generate(alice, test_id, wait_s=0)).package.id for test_id in tests]

    async def listed(**fields: Any) -> Any:
        return await alice.call("ListPackages", pb.ListPackagesRequest(**fields))

    everything = await listed()
    assert [one.id for one in everything.packages] == made[::-1]
    seen, token = [], ""
    while True:
        page = await listed(page_size=2, page_token=token)
        seen += [one.id for one in page.packages]
        if not (token := page.next_page_token):
            break
        wrong = await refused(listed(page_token=token, filter=pb.PackageFilter(agent_id="x")))
        assert "page_token" in violations_of(wrong)
    assert seen == made[::-1]
    assert [one.id for one in (await listed(filter=pb.PackageFilter(test_id=tests[1]))).packages] == [made[1]]
    assert [one.id for one in (await listed(filter=pb.PackageFilter(agent_id="agent-1"))).packages] == [
        made[3],
        made[1],
    ]
    assert not (await listed(filter=pb.PackageFilter(states=[READY]))).packages
    bad = pb.PackageFilter(test_id="x", agent_id="a" * 65, states=[0, 99])  # type: ignore[list-item]
    error = await refused(listed(page_size=-1, filter=bad))
    assert violations_of(error).keys() == {
        "page_size",
        "filter.test_id",
        "filter.agent_id",
        "filter.states[0]",
        "filter.states[1]",
    }


async def test_links_are_renewed_and_downloads_counted(market: Shop, alice: Client) -> None:
    async with market.packager():
        package = (await generate(alice, await market.completed(alice))).package
    link = (await alice.call("RefreshDownloadUrl", pb.RefreshDownloadUrlRequest(package_id=package.id))).link
    assert hashlib.sha256(await fetched(link.url)).hexdigest() == package.sha256
    for number in (1, 2, 3):
        counted = await alice.call("TrackDownload", pb.TrackDownloadRequest(package_id=package.id))
        assert counted.download_count == number
    assert (await get(alice, package.id)).package.download_count == 3


async def test_a_link_leads_to_nothing_else_and_does_not_outlive_its_promise(market: Shop) -> None:
    await market.objects.put("one", b"1")
    now = datetime.now(UTC)
    link = await market.objects.link(
        "one", filename="one.zip", now=now, lives=timedelta(seconds=2), until=now + timedelta(hours=1)
    )
    assert await fetched(link.url) == b"1"
    assert await status_of_link(link.url.replace("/one?", "/two?")) == 403
    await until(lambda: datetime.now(UTC) > link.until + timedelta(seconds=0.1))
    assert await status_of_link(link.url) == 403


# -- the end of a package


async def time_is_over(market: Shop, package_id: str) -> None:
    await market.stage.others.database["packages"].update_one(
        {"_id": package_id}, {"$set": {"expires_at": datetime.now(UTC)}}
    )


async def test_after_its_time_it_is_gone_and_made_again_when_asked_for(market: Shop, alice: Client) -> None:
    test_id = await market.completed(alice)
    async with market.packager(packager_expiry_interval_s=0.2):
        first = await generate(alice, test_id)
        assert await status_of_link(first.link.url) == 200
        await time_is_over(market, first.package.id)

        async def gone() -> bool:
            return "package.expired" in await told(market, test_id)

        await until(gone)
        assert not await market.keys()
        answer = await get(alice, first.package.id)
        assert (answer.package.state, answer.HasField("link")) == (EXPIRED, False)
        assert not (await alice.call("ListPackages", pb.ListPackagesRequest())).packages
        wanted = pb.ListPackagesRequest(filter=pb.PackageFilter(states=[EXPIRED]))
        assert [one.id for one in (await alice.call("ListPackages", wanted)).packages] == [first.package.id]
    async with market.packager():
        again = await generate(alice, test_id)
    assert (again.package.id, again.package.state) == (first.package.id, READY)
    assert again.package.sha256 == first.package.sha256  # the same bytes
    assert hashlib.sha256(await fetched(again.link.url)).hexdigest() == again.package.sha256
    facts = ["package.requested", "package.ready", "package.expired", "package.requested", "package.ready"]
    assert await told(market, test_id) == facts


async def test_its_time_is_over_by_the_clock_even_if_nobody_has_said_so(market: Shop, alice: Client) -> None:
    test_id = await market.completed(alice)
    async with market.packager():
        first = await generate(alice, test_id)
        await time_is_over(market, first.package.id)
        assert (await get(alice, first.package.id)).package.state == EXPIRED
        error = await refused(
            alice.call("RefreshDownloadUrl", pb.RefreshDownloadUrlRequest(package_id=first.package.id))
        )
        assert error.code() is Code.FAILED_PRECONDITION
        again = await generate(alice, test_id)
        assert again.package.id == first.package.id
    assert (await market.stored(first.package.id)).generation == 2
    assert "package.expired" in await told(market, test_id)


# -- what goes wrong


async def test_a_package_that_cannot_be_made_says_why_and_can_be_asked_for_again(market: Shop, alice: Client) -> None:
    def broken(test: Execution, package: Package, sink: Any, handed_in: HandedIn) -> Any:
        raise ValueError("no such template")

    test_id = await market.completed(alice)
    async with market.packager(press=broken):
        answer = await generate(alice, test_id)
    failure = answer.package.failure
    assert (answer.package.state, failure.code, failure.stage) == (FAILED, "INTERNAL", "package")
    assert "no such template" in failure.message
    assert failure.hint
    assert "package.failed" in await told(market, test_id)
    async with market.packager():
        assert (await generate(alice, test_id)).package.state == READY


async def test_a_bucket_that_is_not_there_is_said_at_once(market: Shop, alice: Client) -> None:
    async with market.packager(aws_bucket="nobodys-bucket"):
        answer = await generate(alice, await market.completed(alice))
    assert (answer.package.state, answer.package.failure.code) == (FAILED, "PACKAGE_NOT_STORED")
    assert "NoSuchBucket" in answer.package.failure.message


async def test_a_hundred_packages_at_once(market: Shop, alice: Client) -> None:
    tests = await asyncio.gather(*(market.completed(alice) for _ in range(100)))
    async with market.packager("one"), market.packager("two"):
        asked = await asyncio.gather(*(generate(alice, test_id, wait_s=0) for test_id in tests))
        answers = await asyncio.gather(*(_ready(alice, answer.package.id) for answer in asked))
    assert [answer.package.state for answer in answers] == [READY] * 100
    assert len({answer.package.id for answer in answers}) == 100
    assert len(await market.keys()) == 100
    facts = [await told(market, test_id) for test_id in tests[:10]]
    assert facts == [["package.requested", "package.ready"]] * 10


async def _ready(client: Client, package_id: str) -> Any:
    """However busy the machine is."""
    answer = await get(client, package_id, wait_s=30)
    for _ in range(3):
        if answer.package.state != GENERATING:
            break
        answer = await get(client, package_id, wait_s=30)
    return answer


async def test_no_event_is_needed(market: Shop, alice: Client) -> None:
    package = (await generate(alice, await market.completed(alice), wait_s=0)).package
    await until(lambda: told(market, package.test_id))
    await market.stage.others.bus.jetstream.purge_stream(PACKAGES.name)  # as if nobody had told it
    async with market.packager():
        assert (await get(alice, package.id, wait_s=20)).package.state == READY


async def test_while_s3_is_away_packages_wait_for_it(
    nats_url: str, mongo_url: str, mongo_database: str, own_emulator: RunningServer
) -> None:
    async with shop(nats_url, mongo_url, mongo_database, own_emulator) as market:
        alice = await market.stage.client("alice")
        first, second = await market.completed(alice), await market.completed(alice)
        async with market.packager():
            assert (await generate(alice, first)).package.state == READY
            own_emulator.kill()
            package = (await generate(alice, second, wait_s=1)).package
            assert package.state == GENERATING
            own_emulator.start()
            assert (await get(alice, package.id, wait_s=30)).package.state == READY


async def test_a_packager_that_is_killed_in_the_middle_is_no_loss(
    nats_url: str, mongo_url: str, mongo_database: str, own_emulator: RunningServer
) -> None:
    async with shop(nats_url, mongo_url, mongo_database, own_emulator) as market:
        alice = await market.stage.client("alice")
        test_id = await market.completed(alice)
        own_emulator.freeze()  # so that the upload takes as long as we like
        killed = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.packager",
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")},
                **{f"ASSAY_{name.upper()}": str(value) for name, value in market.settings("killed").items()},
                "ASSAY_HEALTH_PORT": "0",
                "ASSAY_HEALTH_HOST": "127.0.0.1",
                "AWS_ACCESS_KEY_ID": AWS_KEY.access_key,
                "AWS_SECRET_ACCESS_KEY": AWS_KEY.secret_key,
            },
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            package = (await generate(alice, test_id, wait_s=0)).package

            async def is_at_it() -> bool:
                claim = (await market.stored(package.id)).claim
                return claim is not None and claim.owner == "packager-killed"

            await until(is_at_it, timeout=30)
        finally:
            killed.send_signal(signal.SIGKILL)
            await killed.wait()
            own_emulator.thaw()
        async with market.packager("killed"):  # the same one, started again: it does not wait for its own claim
            answer = await get(alice, package.id, wait_s=20)
        assert answer.package.state == READY
        assert hashlib.sha256(await fetched(answer.link.url)).hexdigest() == answer.package.sha256
        stored = await market.stored(package.id)
        assert (stored.deaths, stored.generation) == (1, 1)


async def test_a_package_that_ends_every_packager_is_given_up(market: Shop, alice: Client) -> None:
    package = (await generate(alice, await market.completed(alice), wait_s=0)).package
    await market.stage.others.database["packages"].update_one(
        {"_id": package.id}, {"$set": {"claim.owner": "gone", "claim.until": datetime.now(UTC), "deaths": 2}}
    )
    async with market.packager():
        answer = await get(alice, package.id, wait_s=20)
    assert answer.package.state == FAILED
    assert "3 packagers disappeared" in answer.package.failure.message


async def test_what_a_packager_made_too_late_is_not_taken(market: Shop, alice: Client) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(test: Execution, package: Package, sink: Any, handed_in: HandedIn) -> Any:
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
        return real_press(test, package, sink, handed_in)

    test_id = await market.completed(alice)
    async with market.packager("slow", press=slow, packager_lease_s=900.0):
        package = (await generate(alice, test_id, wait_s=0)).package
        await begun.wait()
        await market.stage.others.database["packages"].update_one(
            {"_id": package.id}, {"$set": {"claim.until": datetime.now(UTC)}}
        )
        async with market.packager("quick"):
            quick = await get(alice, package.id, wait_s=20)
        assert quick.package.state == READY
        go_on.set()
    after = await get(alice, package.id)
    assert (after.package.sha256, after.package.ready_time) == (quick.package.sha256, quick.package.ready_time)
    assert hashlib.sha256(await fetched(after.link.url)).hexdigest() == after.package.sha256
    assert (await told(market, test_id)).count("package.ready") == 1
