"""Projects, input files and output files at the gateway, on a real store: handed in, named, stored once, handed out."""

import hashlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
import pytest_asyncio

from assay.v1 import test_pb2
from assay.v1 import test_service_pb2 as pb
from shared.ids import TestId
from shared.store.artifacts import Artifacts
from shared.store.documents import StoredFile
from tests.support.archive_bytes import zipped
from tests.support.gateway import CODE, Client, Stage, details_of, refused, staged, violations_of

Code = grpc.StatusCode
PROJECT: dict[str, bytes | str] = {
    "main.py": "from tools.search import search\n\ndef run(query):\n    return search(query)\n",
    "tools/__init__.py": "",
    "tools/search.py": "def search(q):\n    return 'found ' + q\n",
    "prompts/system.txt": "Be brief.\n",
    "bin/go.sh": "#!/bin/sh\n",
}


@pytest_asyncio.fixture
async def stage(nats_url: str, mongo_url: str, mongo_database: str) -> AsyncIterator[Stage]:
    async with staged(nats_url, mongo_url, mongo_database, gateway_projects_max_mib=1) as stage:
        yield stage


def zip_of(files: dict[str, bytes | str] = PROJECT) -> test_pb2.Archive:
    return test_pb2.Archive(zip=zipped(files, runs=("bin/go.sh",)))


def digest_of(files: dict[str, bytes | str], runs: tuple[str, ...] = ()) -> str:
    """As the documentation of the API has it."""
    lines = sorted(
        f"{hashlib.sha256(content if isinstance(content, bytes) else content.encode()).hexdigest()} "
        f"{'x' if path in runs else '-'} {path}\n"
        for path, content in files.items()
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


async def submit(client: Client, *, request_id: str = "", validate_only: bool = False, **spec: Any) -> test_pb2.Test:
    spec.setdefault("query", "why")
    request = pb.SubmitTestRequest(spec=test_pb2.TestSpec(**spec), request_id=request_id, validate_only=validate_only)
    test: test_pb2.Test = (await client.call("SubmitTest", request)).test
    return test


async def got(client: Client, test_id: str) -> test_pb2.Test:
    test: test_pb2.Test = (await client.call("GetTest", pb.GetTestRequest(test_id=test_id))).test
    return test


# -- handing in


async def test_a_project_is_stored_and_listed_with_the_test(stage: Stage, alice: Client) -> None:
    test = await got(alice, (await submit(alice, project=zip_of())).id)
    assert test.spec.agent_code == PROJECT["main.py"]
    assert test.spec.agent_path == "main.py"
    assert test.spec.project.digest == digest_of(PROJECT, ("bin/go.sh",))
    assert [(file.path, file.size, file.executable) for file in test.project_files] == [
        ("bin/go.sh", 10, True),
        ("main.py", 74, False),
        ("prompts/system.txt", 10, False),
        ("tools/__init__.py", 0, False),
        ("tools/search.py", 39, False),
    ]
    stored = await stage.others.execution(test.id)
    assert stored.input.project is not None
    assert await stage.others.database["projects"].count_documents({}) == 1


async def test_the_same_files_are_stored_once_for_each_user(stage: Stage, alice: Client) -> None:
    bob = await stage.client("bob")
    for client in (alice, alice, bob):
        await submit(client, project=zip_of())
    names = {one["_id"] async for one in stage.others.database["projects"].find({}, {"_id": 1})}
    digest = digest_of(PROJECT, ("bin/go.sh",))
    assert names == {f"alice:{digest}", f"bob:{digest}"}


async def test_an_upload_is_named_by_its_digest_afterwards(alice: Client) -> None:
    answer = await alice.upload(zipped(PROJECT, runs=("bin/go.sh",)), piece=100)
    assert answer.digest == digest_of(PROJECT, ("bin/go.sh",))
    assert [file.path for file in answer.files] == sorted(PROJECT)
    test = await submit(alice, project={"digest": answer.digest})
    assert (await got(alice, test.id)).spec.agent_code == PROJECT["main.py"]


async def test_an_unknown_digest_asks_for_the_files(stage: Stage, alice: Client) -> None:
    await (await stage.client("bob")).upload(zipped(PROJECT))
    for digest in (digest_of(PROJECT), "0" * 64, "", "x"):
        error = await refused(submit(alice, project={"digest": digest}))
        assert error.code() is Code.FAILED_PRECONDITION
        info = details_of(error)["ErrorInfo"]
        assert info.reason == "FILES_UNKNOWN"
        assert info.metadata["digest"] == digest


async def test_the_same_request_may_name_its_files_either_way(alice: Client) -> None:
    """An archive made again has other bytes; the client that was told FILES_UNKNOWN comes back with a digest."""
    first = await submit(alice, request_id="one", project=zip_of())
    again = zip_of(dict(reversed(PROJECT.items())))
    assert again.zip != zip_of().zip
    assert (await submit(alice, request_id="one", project=again)).id == first.id
    assert (
        await submit(alice, request_id="one", project={"digest": digest_of(PROJECT, ("bin/go.sh",))})
    ).id == first.id
    error = await refused(submit(alice, request_id="one", project=zip_of({**PROJECT, "more.txt": "x"})))
    assert error.code() is Code.ALREADY_EXISTS


async def test_agent_code_may_come_beside_the_files(alice: Client) -> None:
    beside: dict[str, bytes | str] = {"tools.py": "x = 1\n", "prompts/a.txt": "hi"}
    test = await got(alice, (await submit(alice, agent_code=CODE, project=zip_of(beside))).id)
    assert test.spec.agent_path == "agent.py"
    assert [file.path for file in test.project_files] == ["agent.py", "prompts/a.txt", "tools.py"]
    named = await submit(alice, agent_code=CODE, agent_path="src/app/main.py", project=zip_of(beside))
    assert (await got(alice, named.id)).spec.agent_path == "src/app/main.py"
    with_it = zip_of({**beside, "agent.py": "x = 2\n"})
    assert violations_of(await refused(submit(alice, agent_code=CODE, project=with_it))) == {
        "spec.agent_code": "is another text than 'agent.py' in spec.project; give one of them"
    }


async def test_input_files_are_stored_and_handed_out(alice: Client) -> None:
    files: dict[str, bytes | str] = {"report.pdf": os.urandom(300_000), "out/json.py": "fine here"}
    test = await submit(alice, agent_code=CODE, inputs=zip_of(files))
    listed = (await got(alice, test.id)).input_files
    assert [file.path for file in listed] == ["out/json.py", "report.pdf"]
    file, content = await alice.download(test.id, pb.FILE_KIND_INPUT, "report.pdf")
    assert content == files["report.pdf"]
    assert file.sha256 == hashlib.sha256(content).hexdigest()


async def test_a_dry_run_stores_nothing(stage: Stage, alice: Client) -> None:
    test = await submit(alice, project=zip_of(), validate_only=True)
    assert test.id == ""
    assert test.spec.project.digest == digest_of(PROJECT, ("bin/go.sh",))
    assert await stage.others.database["projects"].count_documents({}) == 0


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        pytest.param(
            {"project": zip_of({"main.py": "x", "../x": "", "json.py": ""})},
            {"spec.project": "'../x' leads out of its folder (..)"},
            id="path",
        ),
        pytest.param(
            {"project": zip_of({"main.py": CODE, "json.py": "", "out/a": ""})},
            {"spec.project": "'json.py' would be imported in place of Python's own module 'json'; rename it"},
            id="shadows",
        ),
        pytest.param({"project": {"zip": b"hello"}}, {"spec.project": "is not a ZIP archive"}, id="no archive"),
        pytest.param({"project": {}}, {"spec.project": "has neither an archive nor a digest"}, id="neither"),
        pytest.param(
            {"project": zip_of({"a.py": "", "b.py": ""})},
            {"spec.project": "does not say which file is the agent's; name it in agent_path: a.py, b.py"},
            id="which file",
        ),
        pytest.param(
            {"project": zip_of(), "agent_path": "agent.py"},
            {"spec.agent_path": "'agent.py' is not among the files; there are main.py, "
                "tools/__init__.py, tools/search.py"},
            id="no such file",
        ),
        pytest.param(
            {"project": zip_of({"main.py": "def run(query:\n"})},
            {"spec.project": "main.py is not valid Python 3.11: line 1: '(' was never closed"},
            id="syntax",
        ),
        pytest.param(
            {"project": zip_of({"main.py": "", "a.txt": ""})}, {"spec.project": "'main.py' is empty"}, id="empty"
        ),
        pytest.param(
            {"project": zip_of({"main.py": "#" * 262_145})},
            {"spec.project": "'main.py' has 262145 bytes; an agent's file may have at most 262144"},
            id="large agent",
        ),
        pytest.param(
            {"project": zip_of({"main.py": CODE, "main/__init__.py": ""})},
            {"spec.project": "'main.py' is hidden by the package 'main/__init__.py', which Python imports in "
                "its place"},
            id="hidden",
        ),
        pytest.param(
            {"project": zip_of({"main.py": b"x = '\xe4'\n"})},
            {"spec.project": "'main.py' cannot be read as Python: it is not valid UTF-8 and declares no "
                "other encoding"},
            id="encoding",
        ),
        pytest.param(
            {"agent_code": CODE, "agent_path": "a.py"},
            {"spec.agent_path": "names a file of spec.project, and there is no project"},
            id="path without project",
        ),
        pytest.param(
            {"agent_code": CODE, "project": zip_of(), "agent_path": "../a.py"},
            {"spec.agent_path": "leads out of its folder (..)"},
            id="bad path of the code",
        ),
        pytest.param(
            {"agent_code": CODE, "inputs": zip_of({"a": "x", "A": "y"})},
            {"spec.inputs": "'A' is the same file as 'a' on other systems; rename one"},
            id="inputs that clash",
        ),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_files_is_told(alice: Client, spec: dict[str, Any], wanted: dict[str, str]) -> None:
    error = await refused(submit(alice, **spec))
    assert error.code() is Code.INVALID_ARGUMENT
    found = violations_of(error)
    assert {field: found.get(field) for field in wanted} == wanted


async def test_a_dry_run_looks_at_the_other_files_of_a_project_too(alice: Client) -> None:
    """A test may still pass with them: they may be templates that nobody imports."""
    files: dict[str, bytes | str] = {
        "main.py": CODE,
        "tools.py": "x = 1\ndef f(:\n",
        "old.py": b"x = '\xe4'\n",
        "fine.py": "y = 2\n",
        "template.txt": "def (",
    }
    request = pb.SubmitTestRequest(spec=test_pb2.TestSpec(project=zip_of(files), query="q"), validate_only=True)
    findings = (await alice.call("SubmitTest", request)).findings
    told = {finding.path: finding for finding in findings if finding.severity == pb.SEVERITY_WARNING}
    assert set(told) == {"tools.py", "old.py"}
    assert told["tools.py"].line == 2
    assert told["old.py"].message.startswith("old.py cannot be read as Python: it is not valid UTF-8")
    assert (await submit(alice, project=zip_of(files))).id


async def test_files_and_other_fields_are_complained_of_together(alice: Client) -> None:
    found = violations_of(await refused(submit(alice, project=zip_of({"a.py": "", "b.py": ""}), priority=12)))
    assert set(found) == {"spec.project", "spec.priority"}


async def test_a_declared_encoding_is_read_as_python_does(alice: Client) -> None:
    code = "# coding: latin-1\ndef run(query):\n    return 'ä'\n"
    test = await submit(alice, project=zip_of({"main.py": code.encode("latin-1")}))
    assert (await got(alice, test.id)).spec.agent_code == code


async def test_what_is_too_large_ends_the_upload(alice: Client) -> None:
    found = violations_of(await refused(alice.upload(b"x" * (12 << 20))))
    assert "too much in any case" in found["data"]
    found = violations_of(await refused(alice.upload(b"x" * (2 << 20), piece=2 << 20)))
    assert found["data"] == "has 2097152 bytes; a piece has at most 1048576"


async def test_an_upload_needs_a_key(stage: Stage, alice: Client) -> None:
    stranger = Client(alice.channel, alice.user, "assay_wrong")
    error = await refused(stranger.upload(zipped(PROJECT)))
    assert error.code() is Code.UNAUTHENTICATED


async def test_a_user_has_only_so_much_stored(stage: Stage, alice: Client) -> None:
    first = await alice.upload(zipped({"a.bin": os.urandom(700_000)}))
    error = await refused(alice.upload(zipped({"b.bin": os.urandom(700_000)})))
    assert error.code() is Code.RESOURCE_EXHAUSTED
    assert details_of(error)["ErrorInfo"].reason == "STORED_TOO_MUCH"
    # What is stored is no more when it comes again, and other users have their own room.
    again = await submit(alice, agent_code=CODE, inputs={"digest": first.digest})
    assert again.id
    await (await stage.client("bob")).upload(zipped({"b.bin": os.urandom(700_000)}))


async def test_small_files_count_with_their_names(alice: Client) -> None:
    *fit, beyond = (
        zipped({f"{first}{number:03}{'x' * 230}": b"" for number in range(150)}) for first in "abcdefghijklmno"
    )
    for archive in fit:
        await alice.upload(archive)
    error = await refused(alice.upload(beyond))
    assert details_of(error)["ErrorInfo"].reason == "STORED_TOO_MUCH"


# -- how long


async def expiry(stage: Stage, user: str = "alice") -> datetime:
    found = await stage.others.database["projects"].find_one({"user_id": user})
    assert found is not None
    end: datetime = found["expires_at"]
    return end


async def test_files_are_kept_for_a_time_after_their_last_use(stage: Stage, alice: Client) -> None:
    now = datetime.now(UTC)
    answer = await alice.upload(zipped(PROJECT))
    assert timedelta(hours=23) < await expiry(stage) - now < timedelta(hours=25)
    test = await submit(alice, project={"digest": answer.digest})
    assert timedelta(days=89) < await expiry(stage) - now < timedelta(days=91)
    projects = stage.others.database["projects"]
    await projects.update_one({}, {"$set": {"expires_at": now + timedelta(days=5)}})
    await ended(stage, test.id)
    await alice.call("RetryTest", pb.RetryTestRequest(test_id=test.id))
    assert timedelta(days=89) < await expiry(stage) - now < timedelta(days=91)


async def test_what_is_refused_in_the_end_is_kept_for_a_day_only(stage: Stage, alice: Client) -> None:
    now = datetime.now(UTC)
    await submit(alice, agent_code=CODE, request_id="one")
    error = await refused(submit(alice, request_id="one", project=zip_of()))
    assert error.code() is Code.ALREADY_EXISTS
    assert await expiry(stage) - now < timedelta(hours=25)


async def ended(stage: Stage, test_id: str) -> None:
    await stage.others.started(test_id)
    await stage.others.completed(test_id)


async def test_a_retry_carries_the_files_along(stage: Stage, alice: Client) -> None:
    test = await submit(alice, project=zip_of(), inputs=zip_of({"a.txt": "x"}), strict_answer=True)
    await ended(stage, test.id)
    retry = (await alice.call("RetryTest", pb.RetryTestRequest(test_id=test.id, query="other"))).test
    before, after = await got(alice, test.id), await got(alice, retry.id)
    assert after.project_files == before.project_files
    assert after.input_files == before.input_files
    assert after.spec.agent_path == "main.py"
    assert after.spec.strict_answer


async def test_what_was_removed_cannot_be_tried_again_or_downloaded(stage: Stage, alice: Client) -> None:
    test = await submit(alice, project=zip_of())
    await ended(stage, test.id)
    await stage.others.database["projects"].delete_many({})
    error = await refused(alice.call("RetryTest", pb.RetryTestRequest(test_id=test.id)))
    assert error.code() is Code.FAILED_PRECONDITION
    assert details_of(error)["ErrorInfo"].reason == "FILES_GONE"
    error = await refused(alice.download(test.id, pb.FILE_KIND_PROJECT, "main.py"))
    assert error.code() is Code.FAILED_PRECONDITION
    assert "can no longer be had" in str(error.details())


# -- handing out


async def test_each_file_comes_as_it_was(alice: Client) -> None:
    test = await submit(alice, project=zip_of())
    for path, content in PROJECT.items():
        file, data = await alice.download(test.id, pb.FILE_KIND_PROJECT, path)
        assert data == (content if isinstance(content, bytes) else content.encode())
        assert (file.path, file.size, file.executable) == (path, len(data), path == "bin/go.sh")


async def test_output_files_come_from_the_attempt_that_ended_the_test(stage: Stage, alice: Client) -> None:
    test = await submit(alice, agent_code=CODE)
    await ended(stage, test.id)
    store = Artifacts(stage.others.database)
    large = os.urandom(5_000_000)
    end = datetime.now(UTC) + timedelta(days=30)
    attempt = (await stage.others.execution(test.id)).attempt
    await store.put(TestId(test.id), attempt, large + b"small", end)
    await store.put(TestId(test.id), attempt - 1, b"of an earlier attempt", end)
    files = [
        StoredFile(path="large.bin", size=len(large), sha256=hashlib.sha256(large).hexdigest()),
        StoredFile(path="sub/small.txt", size=5, sha256=hashlib.sha256(b"small").hexdigest()),
    ]
    await stage.others.database["executions"].update_one(
        {"_id": test.id},
        {"$set": {"output_files": [file.model_dump() for file in files], "output_expires_at": end}},
    )
    found = await got(alice, test.id)
    assert [file.path for file in found.output_files] == ["large.bin", "sub/small.txt"]
    assert abs(found.files_expire_time.seconds - end.timestamp()) < 2
    assert (await alice.download(test.id, pb.FILE_KIND_OUTPUT, "large.bin"))[1] == large
    assert (await alice.download(test.id, pb.FILE_KIND_OUTPUT, "sub/small.txt"))[1] == b"small"
    await stage.others.database["artifacts"].delete_many({})
    error = await refused(alice.download(test.id, pb.FILE_KIND_OUTPUT, "large.bin"))
    assert error.code() is Code.FAILED_PRECONDITION


async def test_another_users_files_are_as_good_as_none(stage: Stage, alice: Client) -> None:
    test = await submit(alice, project=zip_of())
    bob, root = await stage.client("bob"), await stage.client("root", role="admin")
    assert (await refused(bob.download(test.id, pb.FILE_KIND_PROJECT, "main.py"))).code() is Code.NOT_FOUND
    assert (await root.download(test.id, pb.FILE_KIND_PROJECT, "main.py"))[1] == str(PROJECT["main.py"]).encode()


@pytest.mark.parametrize(
    ("kind", "path", "code"),
    [
        (pb.FILE_KIND_PROJECT, "no.py", Code.NOT_FOUND),
        (pb.FILE_KIND_PROJECT, "../main.py", Code.NOT_FOUND),
        (pb.FILE_KIND_INPUT, "main.py", Code.NOT_FOUND),
        (pb.FILE_KIND_OUTPUT, "main.py", Code.NOT_FOUND),
        (pb.FILE_KIND_UNSPECIFIED, "main.py", Code.INVALID_ARGUMENT),
    ],
)
async def test_there_is_no_other_file(alice: Client, kind: int, path: str, code: Code) -> None:
    test = await submit(alice, project=zip_of())
    assert (await refused(alice.download(test.id, kind, path))).code() is code
