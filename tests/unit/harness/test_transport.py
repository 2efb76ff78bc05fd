"""Contexts that do not arrive, and containers: the context by GET, the result by PUT."""

from __future__ import annotations

import json

import pytest

from tests.unit.harness.http_store import Store, environment, store
from tests.unit.harness.started import NONCE, context, run, started

ANSWERING = "import os\ndef run(q):\n    print('at work')\n    return [k for k in os.environ if k.endswith('_URL')]"


@pytest.mark.parametrize("failures", [0, 2])
def test_a_container_fetches_its_context_and_sends_its_result(failures: int) -> None:
    given = Store(json.dumps(context(ANSWERING, mode="all")).encode(), failures)
    with store(given) as served, started(b"", env=environment(served)) as harness:
        outcome = harness.ended()
    assert outcome.exit_code == 0, outcome.errors
    assert outcome.output[-1] == {**outcome.output[-1], "mark": "end", "lines": 1, "code": None}
    assert served.requests == ["GET"] * (1 + failures) + ["PUT"]
    assert served.content_type == "application/json"
    assert served.result is not None
    assert served.result["nonce"] == NONCE
    assert served.result["response"] == []  # the agent sees no address


def test_a_result_is_sent_until_it_arrives() -> None:
    given = Store(json.dumps(context(ANSWERING)).encode())
    with store(given) as served, started(b"", env=environment(served)) as harness:
        served.failures = 0
        outcome = harness.ended()
    assert outcome.exit_code == 0
    assert served.result is not None


def test_a_result_whose_files_do_not_get_through_arrives_without_them() -> None:
    code = """
        import os
        def run(q):
            with open("out/large", "wb") as file: file.write(os.urandom(300_000))
            with open("out/small", "wb") as file: file.write(b"x")
            return "worth more than a file"
    """
    outputs = {"max_files": 100, "max_bytes": 1 << 20}
    given = Store(json.dumps(context(code, outputs=outputs)).encode(), takes=200_000)
    with store(given) as served, started(b"", env=environment(served)) as harness:
        outcome = harness.ended()
    assert outcome.exit_code == 0
    assert served.requests == ["GET", "PUT refused", "PUT"]
    assert served.result is not None
    assert served.result["response"] == "worth more than a file"
    assert served.result["outputs"] == []
    assert served.result["outputs_left_out"] == ["All files: they could not be handed over."]
    assert served.contents == b""


@pytest.mark.parametrize("version", [1, 2])
def test_a_context_of_either_version_is_run(version: int) -> None:
    assert run("def run(q): return q", version=version).response == "how are you?"


def test_a_forked_agent_in_a_container_cannot_read_the_addresses() -> None:
    code = """
        def run(q):
            own = open("/proc/self/environ", "rb").read()
            return [b"signature" in own, b"ASSAY_CONTEXT" in own]
    """
    given = Store(json.dumps(context(code)).encode())
    with store(given) as served, started(b"", env=environment(served)) as harness:
        harness.ended()
    assert served.result is not None
    assert served.result["response"] == [False, False]


def test_a_context_that_is_not_the_written_one_is_refused() -> None:
    given = Store(json.dumps(context(ANSWERING)).encode())
    with store(given) as served, started(b"", env=environment(served, ASSAY_CONTEXT_SHA256="0" * 64)) as harness:
        outcome = harness.ended()
    assert outcome.exit_code == 1
    assert served.result is not None
    assert served.result["code"] == "CONTEXT_UNAVAILABLE"
    assert "SHA-256" in served.result["error"]["message"]


def test_an_expired_address_is_not_tried_again_and_not_told() -> None:
    given = Store(b"{}", failures=9, status=403)
    with store(given) as served, started(b"", env=environment(served)) as harness:
        outcome = harness.ended()
    assert outcome.exit_code == 75
    assert served.requests == ["GET", "PUT"]
    assert "HTTP 403" in outcome.errors
    assert "signature" not in outcome.errors


BROKEN: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "not JSON"),
    "no JSON": (b"hello", "not JSON"),
    "cut off": (json.dumps(context("")).encode()[:-20], "not JSON"),
    "two objects": (b"{}{}", "not JSON"),
    "no text": (b"\xff", "not JSON"),
    "a list": (b"[]", "lacks something"),
    "a text": (b'"version"', "lacks something"),
    "no version": (b"{}", "lacks something: KeyError: 'version'"),
    "another version": (b'{"version": 3}', "version 3, this harness knows 1 to 2"),
    "no files": (json.dumps({**context(""), "files": None}).encode(), "lacks something"),
    "no limits": (json.dumps({**context(""), "limits": {}}).encode(), "lacks something: KeyError: 'lines'"),
    "an unknown mode": (json.dumps(context("", mode="fly")).encode(), "unknown mode 'fly'"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_context_runs_nothing_and_is_told_to_the_operator(name: str) -> None:
    raw, message = BROKEN[name]
    with started(raw) as harness:
        outcome = harness.ended(within=10)
    assert outcome.exit_code == 75
    assert outcome.output == []
    assert message in outcome.errors


def test_text_that_is_not_unicode_is_refused() -> None:
    with started(context("def run(q): return 1", query="\ud800")) as harness:
        outcome = harness.ended()
    assert outcome.code == "CONTEXT_UNAVAILABLE"


def test_output_that_nobody_takes_does_not_stop_the_test() -> None:
    import os
    import subprocess
    import tempfile

    from tests.unit.harness.started import HARNESS, SYSTEM_PYTHON

    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as result, tempfile.TemporaryDirectory() as work:
        code = "def run(q):\n    for i in range(5000): print('x' * 100)\n    return 'done'"
        given.write(json.dumps({**context(code), "result_fd": result.fileno()}).encode())
        given.seek(0)
        reading, writing = os.pipe()
        os.close(reading)
        ended = subprocess.run(
            [SYSTEM_PYTHON, "-S", "-I", str(HARNESS)],
            check=False,
            stdin=given,
            stdout=writing,
            stderr=subprocess.PIPE,
            cwd=work,
            env={},
            pass_fds=[result.fileno()],
        )
        os.close(writing)
        result.seek(0)
        assert json.load(result)["response"] == "done"
        assert b"output is lost" in ended.stderr
