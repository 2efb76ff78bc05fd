"""The runner image itself, in real containers as hardened as a task definition of ours asks for."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import pytest

from shared.domain.files import join
from tests.support.docker_engine import DockerEngine
from tests.support.runner_container import HARDENED, ObjectStore, RunnerContainer, runner_container
from tests.support.until import until

Run = Callable[..., AbstractContextManager[RunnerContainer]]
SECRET = "a secret of the test"


@pytest.fixture
def run(engine: DockerEngine, store: ObjectStore, image: str) -> Run:
    return partial(runner_container, engine, store, image)


def test_an_agent_answers_by_the_addresses_that_its_container_was_given(run: Run) -> None:
    with run("def run(query):\n    print('asked', query)\n    return query.upper()") as container:
        assert container.wait() == 0
        assert container.answer() == "HOW ARE YOU?"
        assert container.texts() == ["asked how are you?"]
        marks = [line["mark"] for line in container.output() if "mark" in line]
        assert marks == ["running", "finished", "end"]
        assert container.output()[-1]["lines"] == container.result()["lines"] == 1


def test_an_agent_of_a_container_is_nobody_on_a_system_that_it_cannot_change(run: Run) -> None:
    code = """
        import os
        def attempt(path):
            try:
                open(path + "/file", "w").close()
                return True
            except OSError:
                return False
        def run(query):
            status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines())
            where = ("/", "/opt/assay", "/usr/local/bin", "/etc", "/tmp", ".")
            return [os.getuid(), status["CapEff"], status["NoNewPrivs"], os.getcwd(), [p for p in where if attempt(p)]]
    """
    with run(code) as container:
        assert container.wait() == 0
        assert container.answer() == [65534, "0" * 16, "1", "/tmp/work", ["/tmp", "."]]


def test_files_go_in_and_out_of_a_container_that_can_write_nowhere_else(run: Run) -> None:
    project = join({"src/app/__init__.py": b"", "src/app/main.py": b"", "prompts/a.txt": b"be brief"})
    inputs = join({"in.bin": bytes(1000)})
    code = """
        import os
        def run(query):
            assert os.path.realpath("/work/out") == os.environ["ASSAY_OUTPUT_DIR"] == os.path.abspath("out")
            data = open("/work/in/in.bin", "rb").read()
            open("/work/out/left.bin", "wb").write(data * 5000)
            os.symlink("/etc/passwd", "/work/out/passwd")
            return [open("prompts/a.txt").read(), os.getcwd(), sorted(os.listdir("."))]
    """
    with run(
        code,
        project={"files": [file._asdict() for file in project.files], "agent_path": ""},
        inputs={"files": [file._asdict() for file in inputs.files]},
        outputs={"max_files": 100, "max_bytes": 25 << 20},
        contents=project.data + inputs.data,
    ) as container:
        assert container.wait() == 0
        assert container.answer() == ["be brief", "/tmp/work", ["in", "out", "prompts", "src"]]
        assert [file["path"] for file in container.result()["outputs"]] == ["left.bin"]
        assert container.result()["outputs_left_out"] == ["'passwd' is a link"]
        assert container.left() == bytes(5_000_000)


def test_requirements_are_installed_below_tmp_and_the_rest_stays_read_only(run: Run) -> None:
    code = "import six, sys\ndef run(query): return [six.__version__, sys.prefix]"
    with run(code, requirements="six==1.17.0\n") as container:
        assert container.wait() == 0, container.raw_log()
        assert container.answer() == ["1.17.0", "/tmp/env"]
        assert any("six==1.17.0" in text for text in container.texts("build"))
        assert container.result()["phases"]["build_ms"] > 0


def test_a_requirement_that_does_not_exist_is_told_as_such(run: Run) -> None:
    with run("def run(query): return 1", requirements="assay-no-such-package==1.0\n") as container:
        assert container.wait() == 1
        assert container.result()["code"] == "DEPENDENCY_INSTALL_FAILED"
        assert "assay-no-such-package" in container.result()["error"]["message"]


@pytest.mark.parametrize("requirements", ["", "six==1.17.0\n"])
def test_python_is_there_by_both_names(run: Run, requirements: str) -> None:
    code = """
        import subprocess
        def run(query):
            what = "import sys; print(sys.version_info[0])"
            return [subprocess.check_output([name, "-c", what], text=True).strip() for name in ("python", "python3")]
    """
    with run(code, requirements=requirements) as container:
        assert container.wait() == 0, container.raw_log()
        assert container.answer() == ["3", "3"]


def test_debian_packages_that_the_test_names_must_be_in_the_image(run: Run) -> None:
    with run("def run(query): return 1", system_packages=["bash", "ca-certificates"]) as container:
        assert container.wait() == 0, container.raw_log()
    with run("def run(query): return 1", system_packages=["bash", "git"], requirements="six\n") as container:
        assert container.wait() == 1
        assert container.result()["code"] == "SYSTEM_PACKAGE_MISSING"
        assert "lacks the Debian package git." in container.result()["error"]["message"]
        assert container.texts("build") == []


EATERS = {
    "the agent itself": "held = []\ndef run(query):\n    while True: held.append(bytearray(8 << 20))",
    "a process that it waits for": (
        "import subprocess, sys\n"
        "def run(query):\n"
        "    code = 'held = []\\nwhile True: held.append(bytearray(8 << 20))'\n"
        "    return subprocess.run([sys.executable, '-c', code], check=True).returncode"
    ),
}


@pytest.mark.parametrize("who", EATERS)
def test_memory_that_runs_out_is_told_by_the_harness_that_survives_it(run: Run, who: str) -> None:
    options = (*HARDENED, "--memory", "256m", "--memory-swap", "256m")
    with run(EATERS[who], options=options) as container:
        assert container.wait() == 1
        assert container.result()["code"] == "OUT_OF_MEMORY"
        assert container.output()[-1]["mark"] == "end"


def test_an_agent_that_kills_itself_did_not_run_out_of_memory(run: Run) -> None:
    with run("import os\ndef run(query): os.kill(os.getpid(), 9)") as container:
        assert container.wait() == 1
        assert container.result()["code"] == "AGENT_EXITED"


async def test_sigterm_stops_the_agent_and_sends_a_result(run: Run) -> None:
    code = """
        import signal, time
        def run(query):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print("at work", flush=True)
            while True: time.sleep(60)
    """
    with run(code) as container:
        await until(lambda: "at work" in container.raw_log(), timeout=30)
        begun = time.monotonic()
        container.stop()
        assert time.monotonic() - begun < 15, "it was waited for until it was killed"
        assert container.wait() == 143
        assert container.result()["code"] == "CANCELLED"
        assert container.output()[-1]["mark"] == "end"


async def test_sigterm_while_installing_sends_a_result(run: Run, engine: DockerEngine) -> None:
    with socket.create_server((engine.gateway, 0)) as silent:  # an index that takes calls and never answers
        index = "http://{}:{}/simple".format(*silent.getsockname())
        with run("def run(query): return 1", requirements="six\n", env={"UV_DEFAULT_INDEX": index}) as container:
            await until(lambda: '"building"' in container.raw_log(), timeout=30)
            container.stop()
            assert container.wait() == 143
            assert container.result()["code"] == "CANCELLED"


def test_an_agent_cannot_end_or_deceive_its_harness(run: Run) -> None:
    code = """
        import os, signal
        def run(query):
            os.kill(1, signal.SIGTERM)
            os.kill(1, signal.SIGKILL)
            tried = []
            for path in ("/proc/1/fd/1", "/proc/1/mem", "/proc/1/environ"):
                try:
                    open(path, "r+b" if path.endswith("mem") else "rb").close()
                    tried.append(path)
                except OSError:
                    pass
            return tried
    """
    with run(code) as container:
        assert container.wait() == 0
        assert container.answer() == []


LOOKS_AROUND = """
    import glob, os
    def run(query):
        found = [f"{k}={v}" for k, v in os.environ.items()]
        for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
            try:
                found.append(open(path, "rb").read().decode("utf-8", "replace"))
            except OSError:
                pass
        return found
"""


@pytest.mark.parametrize("requirements", ["", "six==1.17.0\n"], ids=["plain", "with requirements"])
def test_an_agent_finds_no_address_and_no_key_of_ours_anywhere(run: Run, requirements: str) -> None:
    env = {
        "AWS_SECRET_ACCESS_KEY": "key of the platform",
        "ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/x",
        "PIP_EXTRA_INDEX_URL": "",
    }
    with run(LOOKS_AROUND, requirements=requirements, env=env) as container:
        assert container.wait() == 0, container.raw_log()
        seen = "\n".join(container.answer())
        assert "HOME=/tmp/work" in seen
        for folder in ("ASSAY_INPUT_DIR=/tmp/work/in", "ASSAY_OUTPUT_DIR=/tmp/work/out"):
            seen = seen.replace(folder, "")
        for hidden in ("ASSAY_", "X-Amz-Signature", "Signature=", "key of the platform", "ECS_", container.nonce):
            assert hidden not in seen
        for address in container.addresses:
            assert address not in container.raw_log()


def test_a_secret_reaches_the_agent_by_name_and_no_log(run: Run) -> None:
    code = f"import os\ndef run(query): return [os.environ.get('API_KEY') == {SECRET!r}, 'OTHER_KEY' in os.environ]"
    env = {"API_KEY": SECRET, "OTHER_KEY": "x"}
    with run(code, env=env, secret_names=["API_KEY"]) as container:
        assert container.wait() == 0
        assert container.answer() == [True, False]
        assert SECRET not in container.raw_log()


def test_the_engine_cuts_no_line(run: Run) -> None:
    code = """
        def run(query):
            for text in ("x" * 100_000, chr(1) * 9_000, "\U0001f600" * 9_000, '"' * 20_000): print(text)
    """
    with run(code) as container:
        assert container.wait() == 0
        pieces = [line for line in container.output() if line.get("stream") == "stdout"]
        whole: list[str] = []
        for piece in pieces:
            if piece.get("cont"):
                whole[-1] += piece["text"]
            else:
                whole.append(piece["text"])
        assert whole == ["x" * 100_000, chr(1) * 9_000, "\U0001f600" * 9_000, '"' * 20_000]
        sizes = [len(line) + 1 for line in container.engine.run("logs", container.name).stdout.encode().split(b"\n")]
        assert max(sizes) <= 16_384


def test_a_context_that_cannot_be_fetched_ends_the_container_soon(run: Run, store: ObjectStore) -> None:
    with run("def run(query): return 1", options=(*HARDENED, "--env", "ASSAY_CONTEXT_SHA256=0")) as container:
        assert container.wait() == 1
        assert "SHA-256 differs" in container.raw_log()
