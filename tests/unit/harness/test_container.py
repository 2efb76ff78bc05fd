"""In containers others put things into the environment, cut long log lines, and leave little to write to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.harness.http_store import Store, environment, store
from tests.unit.harness.started import HARNESS, LIMITS, REST, SYSTEM_PYTHON, Outcome, context, started

ITS_ENVIRONMENT = "import os\ndef run(q): return dict(os.environ)"
OF_THE_PLATFORM = {
    "ECS_CONTAINER_METADATA_URI_V4": "http://metadata",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "a token",
    "AWS_SECRET_ACCESS_KEY": "a key",
    "AWS_ENDPOINT_URL": "http://cloud",
    "PIP_INDEX_URL": "http://user:password@index",
    "HTTPS_PROXY": "http://user:password@proxy",
    "SOMETHING": "else",
}
CONTAINER_LINE = 16_384  # docker and Fargate cut longer lines


def run_in_container(
    code: str, *, env: dict[str, str] | None = None, agent_env: dict[str, str] | None = None, **changes: Any
) -> Outcome:
    """An agent whose context comes by address, with this in the environment of its container."""
    changes |= {"env": agent_env} if agent_env else {}
    with (
        store(Store(json.dumps(context(code, **changes)).encode())) as served,
        started(b"", env=environment(served, **(env or {}))) as harness,
    ):
        outcome = harness.ended()
        assert served.result is not None, outcome.errors
        return Outcome(outcome.exit_code, outcome.output, served.result, outcome.errors)


def test_the_agent_sees_only_what_the_image_says_about_itself() -> None:
    image = {"PATH": "/opt/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC", "SSL_CERT_FILE": "/etc/ca"}
    outcome = run_in_container(ITS_ENVIRONMENT, env={**OF_THE_PLATFORM, **image, "HOME": "/nonexistent"})
    home = outcome.response.pop("HOME")
    assert outcome.response == {**image, "ASSAY_INPUT_DIR": f"{home}/in", "ASSAY_OUTPUT_DIR": f"{home}/out"}
    assert Path(home).name == "work"


def test_an_image_may_name_more_that_its_agents_need() -> None:
    env = {"ASSAY_PASS_ENV": "CUDA_HOME MISSING ASSAY_RESULT_URL", "CUDA_HOME": "/opt/cuda", "OTHER": "x"}
    response = run_in_container(ITS_ENVIRONMENT, env=env).response
    assert response["CUDA_HOME"] == "/opt/cuda"
    assert not {"MISSING", "OTHER", "ASSAY_RESULT_URL", "ASSAY_PASS_ENV"} & response.keys()


def test_a_home_that_can_be_written_to_is_kept(tmp_path: Path) -> None:
    assert run_in_container(ITS_ENVIRONMENT, env={"HOME": str(tmp_path)}).response["HOME"] == str(tmp_path)


def test_the_agent_gets_the_role_of_its_task() -> None:
    role = {
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
    }
    response = run_in_container(ITS_ENVIRONMENT, env={**OF_THE_PLATFORM, **role}).response
    assert {name: value for name, value in response.items() if name.startswith("AWS_")} == role


@pytest.mark.parametrize("named", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_a_region_that_the_test_names_is_not_that_of_its_task(named: str) -> None:
    platform = {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"}
    outcome = run_in_container(ITS_ENVIRONMENT, env=platform, agent_env={named: "eu-west-1"})
    seen = {name: value for name, value in outcome.response.items() if name.startswith("AWS_")}
    assert seen == {named: "eu-west-1", "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"}


def test_secrets_go_from_the_container_to_the_agent_by_their_names() -> None:
    outcome = run_in_container(
        ITS_ENVIRONMENT,
        env={"API_KEY": "very secret", "OTHER_KEY": "of somebody else"},
        secret_names=["API_KEY", "ABSENT", "ASSAY_RESULT_URL"],
    )
    assert outcome.response["API_KEY"] == "very secret"
    assert not {"OTHER_KEY", "ABSENT", "ASSAY_RESULT_URL"} & outcome.response.keys()
    said = [line["text"] for line in outcome.lines if line["stream"] == "system"]
    assert said == ["The secret ABSENT is not in the environment of the container."]
    assert "very secret" not in json.dumps(outcome.output)


def test_an_installer_gets_the_settings_of_its_index_but_no_secret_and_no_role(tmp_path: Path) -> None:
    uv = tmp_path / "uv"  # an installer that tells what it sees
    uv.write_text(f"#!{sys.executable}\nimport os, sys\nprint(*sorted(os.environ))\nsys.exit(1)\n")
    uv.chmod(0o755)
    given = {**OF_THE_PLATFORM, "AWS_REGION": "here", "API_KEY": "secret", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    outcome = run_in_container(
        "",
        env=given,
        mode="all",
        files={"agent.py": "", "requirements.txt": "six\n"},
        env_dir=str(tmp_path / "env"),
        secret_names=["API_KEY"],
    )
    assert outcome.code == "DEPENDENCY_INSTALL_FAILED"
    seen = set(outcome.text.split())
    assert {"PIP_INDEX_URL", "HTTPS_PROXY", "PATH"} <= seen
    assert not {"API_KEY", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "ASSAY_RESULT_URL", "SOMETHING"} & seen


LONG: dict[str, str] = {
    "plain": "'x' * 50_000",
    "at the limit": f"'x' * {CONTAINER_LINE}",
    "quotes": "'\"' * 50_000",
    "control characters": "chr(1) * 20_000",
    "not UTF-8": "b'\\xff' * 20_000",
    "wide characters": "'\U0001f600' * 9_000",
    "hard first, easy then": "chr(2) * 3_000 + 'y' * 30_000",
    "easy first, hard then": "'y' * 30_000 + chr(2) * 3_000",
}


@pytest.mark.parametrize("name", LONG)
def test_no_line_of_a_container_is_longer_than_its_runtime_lets_through(name: str) -> None:
    code = f"""
        import os
        def run(q):
            text = {LONG[name]}
            data = text if isinstance(text, bytes) else text.encode()
            with os.fdopen(os.dup(1), "wb") as out: out.write(data + b"\\nnext\\n")
            return data.decode("utf-8", "replace")
    """
    with (
        store(Store(json.dumps(context(code, first_seq=9_999_990_001)).encode())) as served,
        started(b"", env=environment(served)) as harness,
    ):
        assert harness.ended().exit_code == 0
        sizes = [len(line) + 1 for line in (harness.folder / "output").read_bytes().split(b"\n")]
        pieces = [line for line in harness.output() if "seq" in line]
    assert served.result is not None
    assert max(sizes) <= CONTAINER_LINE
    assert "".join(piece["text"] for piece in pieces[:-1]) == served.result["response"]
    assert [piece.get("cont", False) for piece in pieces] == [False] + [True] * (len(pieces) - 2) + [False]
    assert [piece["seq"] for piece in pieces] == [9_999_990_001 + index for index in range(len(pieces))]
    assert sum(sizes) > 0.6 * CONTAINER_LINE * (len(pieces) - 2), "pieces are much smaller than they need to be"


def test_pieces_that_escaping_makes_count_as_lines() -> None:
    code = "def run(q): print(chr(1) * 16_000)"
    outcome = run_in_container(code, limits={**LIMITS, "lines": 3})
    assert [line["stream"] for line in outcome.lines] == ["stdout"] * 3 + ["system"]
    assert outcome.result["truncated"] is True


@pytest.mark.usefixtures("sandbox")
def test_an_agent_works_below_tmp_where_nothing_else_can_be_written() -> None:
    code = "import os\ndef run(q): return [os.getcwd(), os.environ['HOME'], sorted(os.listdir('.'))]"
    bound = [word for path in (HARNESS, REST) for word in ("--ro-bind", str(path), f"/tmp/{path.name}")]
    with store(Store(json.dumps(context(code)).encode())) as served:
        read_only = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]
        done = subprocess.run(
            [*read_only, *bound, SYSTEM_PYTHON, "-S", "-I", f"/tmp/{HARNESS.name}"],
            env=environment(served, HOME="/nonexistent"),
            cwd="/",
            capture_output=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert served.result is not None
    assert served.result["response"] == ["/tmp/work", "/tmp/work", ["agent.py", "in", "out"]]
