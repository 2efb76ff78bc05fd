"""What the SDK hands in, and how it reaches the server; with asyncio and without."""

from __future__ import annotations

import asyncio
import io
import random
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from assay.blocking import Assay
from assay.bundle import PIECE
from assay.client import AsyncAssay
from assay.errors import FailedPrecondition
from assay.findings import Finding, Severity
from assay.project import Project
from assay.tests import Test
from assay.v1 import test_service_pb2
from tests.unit.client.conftest import QUICK
from tests.unit.client.fake_server import KEY, FakeServer, Refusal
from tests.unit.client.trees import grow

Submit = Callable[..., Awaitable[Test]]


@pytest.fixture(params=["asyncio", "blocking"])
def submit(request: pytest.FixtureRequest, address: str) -> Submit:
    async def with_asyncio(*arguments: Any, **options: Any) -> Test:
        async with AsyncAssay(address, KEY, retry=QUICK) as client:
            return await client.submit(*arguments, **options)

    def blocking(*arguments: Any, **options: Any) -> Test:
        with Assay(address, KEY, retry=QUICK) as client:
            return client.submit(*arguments, **options)

    async def in_a_thread(*arguments: Any, **options: Any) -> Test:
        return await asyncio.to_thread(blocking, *arguments, **options)

    return with_asyncio if request.param == "asyncio" else in_a_thread


def submissions(fake: FakeServer) -> list[test_service_pb2.SubmitTestRequest]:
    return [sent for sent in fake.requests if isinstance(sent, test_service_pb2.SubmitTestRequest)]


def unpacked(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def noise(megabytes: float, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(int(megabytes * (1 << 20)))


async def test_a_test_without_a_query_says_so(submit: Submit, fake: FakeServer) -> None:
    test = await submit("def run(): return 1", None)
    assert test.spec.query is None
    assert not submissions(fake)[0].spec.HasField("query")
    assert (await submit("def run(): return 1", "")).spec.query == ""


async def test_a_small_project_goes_along(submit: Submit, fake: FakeServer, tmp_path: Path) -> None:
    grow(tmp_path / "weather", {"agent.py": "import tools", "tools.py": "x = 1"})
    await submit(tmp_path / "weather", "hello")
    [request] = submissions(fake)
    assert unpacked(request.spec.project.zip) == {"agent.py": b"import tools", "tools.py": b"x = 1"}
    assert (request.spec.agent_code, request.spec.agent_path, request.spec.agent_name) == ("", "", "weather")


async def test_a_large_project_is_uploaded_once_for_all_its_tests(
    submit: Submit, fake: FakeServer, tmp_path: Path
) -> None:
    grow(tmp_path, {"agent.py": "", "data.bin": noise(2.5)})
    await submit(tmp_path, "one")
    await submit(tmp_path, "two")
    first, repeated, second = submissions(fake)
    [(digest, archive)] = fake.uploads.items()
    assert unpacked(archive)["data.bin"] == noise(2.5)
    assert first == repeated  # and the request id is a part of it
    assert (
        first.spec.project.digest == second.spec.project.digest == digest == Project.from_folder(tmp_path).bundle.digest
    )
    assert fake.largest_piece <= PIECE


async def test_an_upload_that_breaks_is_tried_again(submit: Submit, fake: FakeServer, tmp_path: Path) -> None:
    grow(tmp_path, {"agent.py": "", "data.bin": noise(1.5)})
    fake.refusals["UploadArchive"] = [Refusal(grpc.StatusCode.UNAVAILABLE, "going down")]
    await submit(tmp_path, "one")
    assert len(fake.uploads) == 1


async def test_project_and_inputs_are_both_uploaded(submit: Submit, fake: FakeServer, tmp_path: Path) -> None:
    grow(tmp_path, {"agent.py": "", "data.bin": noise(1.5)})
    await submit(tmp_path, "one", inputs={"big.bin": noise(1.5, seed=2)})
    assert len(fake.uploads) == 2
    assert len(fake.by_request_id) == 1


async def test_the_server_has_the_last_word_on_a_digest(submit: Submit, fake: FakeServer, tmp_path: Path) -> None:
    fake.rename = lambda digest: f"renamed-{digest[:8]}"
    grow(tmp_path, {"agent.py": "", "data.bin": noise(1.5)})
    await submit(tmp_path, "one")
    assert submissions(fake)[-1].spec.project.digest.startswith("renamed-")


async def test_a_server_that_forgets_what_it_was_given_ends_the_call(
    submit: Submit, fake: FakeServer, tmp_path: Path
) -> None:
    names = iter(range(100))
    fake.rename = lambda digest: f"{next(names)}"
    grow(tmp_path, {"agent.py": "", "data.bin": noise(1.5)})

    class Forgetful(dict[str, bytes]):
        def __contains__(self, key: object) -> bool:
            return False

    fake.uploads = Forgetful()
    with pytest.raises(FailedPrecondition):
        await submit(tmp_path, "one")
    assert len(submissions(fake)) == 5


async def test_files_beside_an_agent_and_inputs_come_from_anywhere(
    submit: Submit, fake: FakeServer, tmp_path: Path
) -> None:
    grow(tmp_path, {"bot.py": "from tools import x", "tools.py": "x = 1", "other.csv": "a,b"})
    await submit(
        tmp_path / "bot.py",
        "hello",
        include=["tools.py"],
        project_files={"prompts/system.txt": "Be brief.", "data.csv": tmp_path / "other.csv"},
        inputs={"in.bin": b"\0\1", "said.txt": "text", "file.csv": tmp_path / "other.csv"},
        strict_answer=True,
        system_packages=["git"],
        allow_hosts=["127.0.0.1:11434"],
    )
    spec = submissions(fake)[0].spec
    assert unpacked(spec.project.zip) == {
        "bot.py": b"from tools import x",
        "tools.py": b"x = 1",
        "prompts/system.txt": b"Be brief.",
        "data.csv": b"a,b",
    }
    assert unpacked(spec.inputs.zip) == {"in.bin": b"\0\1", "said.txt": b"text", "file.csv": b"a,b"}
    assert (spec.agent_path, spec.agent_name, spec.strict_answer) == ("bot.py", "bot", True)
    assert list(spec.system_packages) == ["git"]
    assert list(spec.allow_hosts) == ["127.0.0.1:11434"]


async def test_an_agent_as_text_may_have_files_beside_it(submit: Submit, fake: FakeServer) -> None:
    await submit("import tools", "hello", project_files={"tools.py": "x = 1"})
    spec = submissions(fake)[0].spec
    assert unpacked(spec.project.zip) == {"agent.py": b"import tools", "tools.py": b"x = 1"}
    assert (spec.agent_path, spec.agent_code) == ("agent.py", "")


async def test_a_source_file_is_sent_as_python_takes_it(submit: Submit, fake: FakeServer, tmp_path: Path) -> None:
    """Case 36."""
    (tmp_path / "agent.py").write_bytes(b"\xef\xbb\xbfdef run(query):\r\n    return query\r\n")
    await submit(tmp_path / "agent.py", "hello")
    assert submissions(fake)[0].spec.agent_code == "def run(query):\r\n    return query\r\n"


async def test_what_was_noticed_comes_with_the_test(submit: Submit, fake: FakeServer) -> None:
    fake.findings = [
        test_service_pb2.Finding(
            severity=test_service_pb2.SEVERITY_WARNING,
            code="MODULE_NOT_FOUND",
            message="no yaml",
            path="agent.py",
            line=3,
        )
    ]
    test = await submit("import yaml", "hello", validate_only=True)
    assert test.findings == (Finding(Severity.WARNING, "MODULE_NOT_FOUND", "no yaml", "", "agent.py", 3),)
    assert test.to_dict()["findings"][0]["code"] == "MODULE_NOT_FOUND"
