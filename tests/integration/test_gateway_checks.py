"""What SubmitTest notices without running anything, on a real store and bus: files as people have them."""

import subprocess
import sys
from typing import Any

import grpc

from assay.v1 import test_pb2
from assay.v1 import test_service_pb2 as pb
from tests.support.archive_bytes import zipped
from tests.support.gateway import CODE, Client, refused, violations_of

SCRIPT = 'import argparse\n\nif __name__ == "__main__":\n    print(argparse)\n'
BLOCK = '# /// script\n# dependencies = ["humanize==4.9.0"]\n# ///\nimport humanize\n\n\n' + CODE
HASHES = ["\ufeffhumanize==4.9.0 \\\n", f"    --hash=sha256:{'b' * 64} \\\n", f"    --hash=sha256:{'a' * 64}\n"]


def asked(code: str = CODE, *, dry: bool = True, query: str = "x", **fields: Any) -> pb.SubmitTestRequest:
    return pb.SubmitTestRequest(
        spec=test_pb2.TestSpec(agent_code=code, query=query, **fields), validate_only=dry, request_id=""
    )


def severities(answer: pb.SubmitTestResponse) -> list[tuple[str, str]]:
    return [(pb.Severity.Name(one.severity), one.code) for one in answer.findings]


async def test_a_test_with_nothing_to_notice_has_no_findings(alice: Client) -> None:
    answer = await alice.call("SubmitTest", asked())
    assert list(answer.findings) == []
    assert answer.test.id == ""


async def test_a_dry_run_tells_as_an_error_what_a_submission_tells_as_a_warning(alice: Client) -> None:  # case 57
    dry = await alice.call("SubmitTest", asked(SCRIPT))
    assert severities(dry) == [("SEVERITY_ERROR", "ENTRYPOINT_NOT_FOUND")]
    assert "-e __main__" in dry.findings[0].hint
    real = await alice.call("SubmitTest", asked(SCRIPT, dry=False))
    assert severities(real) == [("SEVERITY_WARNING", "ENTRYPOINT_NOT_FOUND")]
    assert real.test.id
    as_script = await alice.call("SubmitTest", asked(SCRIPT, entrypoint="__main__"))
    assert severities(as_script) == []


async def test_the_requirements_of_a_script_block_are_those_of_the_test(alice: Client) -> None:  # case 60
    answer = await alice.call("SubmitTest", asked(BLOCK, dry=False))
    assert [one.message for one in answer.findings] == ["1 requirement from the PEP 723 block of agent.py."]
    stored = await alice.call("GetTest", pb.GetTestRequest(test_id=answer.test.id))
    assert list(stored.test.spec.requirements) == ["humanize==4.9.0"]


async def test_requirements_that_are_handed_in_go_before_those_of_a_block(alice: Client) -> None:
    answer = await alice.call("SubmitTest", asked(BLOCK, dry=False, requirements=["humanize"]))
    stored = await alice.call("GetTest", pb.GetTestRequest(test_id=answer.test.id))
    assert list(stored.test.spec.requirements) == ["humanize"]
    assert list(answer.findings) == []


async def test_a_block_that_cannot_be_read_is_refused(alice: Client) -> None:
    error = await refused(alice.call("SubmitTest", asked(BLOCK.replace('"]', '"'))))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    ((field, description),) = violations_of(error).items()
    assert field == "spec.agent_code"
    assert "the PEP 723 block of agent.py is not valid TOML" in description


async def test_the_lines_of_a_compiled_file_come_as_they_stand(alice: Client) -> None:  # cases 30 and 31
    answer = await alice.call("SubmitTest", asked(dry=False, requirements=HASHES))
    stored = await alice.call("GetTest", pb.GetTestRequest(test_id=answer.test.id))
    assert list(stored.test.spec.requirements) == [f"humanize==4.9.0 --hash=sha256:{'a' * 64} --hash=sha256:{'b' * 64}"]


async def test_a_byte_order_mark_is_no_part_of_the_code(alice: Client) -> None:  # case 36
    answer = await alice.call("SubmitTest", asked("\ufeff" + CODE.replace("\n", "\r\n"), dry=False))
    stored = await alice.call("GetTest", pb.GetTestRequest(test_id=answer.test.id))
    assert stored.test.spec.agent_code == CODE.replace("\n", "\r\n")


async def test_a_project_names_its_requirements_and_brings_its_own_modules(alice: Client) -> None:
    files = {
        "agent.py": b"import tools\nimport yaml\n\n\n" + CODE.encode(),
        "tools.py": b"",
        "requirements.txt": b"-r base.txt\n",
        "base.txt": b"six==1.16.0\n",
    }
    project = test_pb2.Archive(zip=zipped(files))
    answer = await alice.call("SubmitTest", asked("", project=project))
    assert severities(answer) == [
        ("SEVERITY_WARNING", "MODULE_NOT_FOUND"),
        ("SEVERITY_NOTE", "REQUIREMENTS_FOUND"),
    ]
    assert answer.findings[0].path == "agent.py"
    assert answer.findings[0].line == 2
    assert "yaml" in answer.findings[0].message
    assert answer.findings[1].message == "1 requirement from requirements.txt."


def test_what_reads_hostile_code_loads_nothing_of_ours_but_what_it_needs() -> None:
    """The project's folder is on its path: one import too many and all of the gateway is in that process."""
    program = (
        "import sys; from services.gateway.submission import syntax_process as it; it.answer(b'x = 1');"
        "print(*sorted(name for name in sys.modules if name.startswith('services.gateway.')))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {name.removeprefix("services.gateway.submission") for name in said.stdout.split()} == {
        "",
        ".code_definitions",
        ".code_facts",
        ".syntax_process",
    }
