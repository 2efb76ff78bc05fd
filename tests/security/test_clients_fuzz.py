"""The command line on forged answers of every call that it makes: it says what is wrong, or shows what it got; it never
breaks, and nothing steers the terminal.

ASSAY_FUZZ_EXAMPLES: how many answers are tried, else a slice of them.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.bundle import INLINE
from assay.v1 import log_pb2, package_service_pb2, test_pb2, test_service_pb2
from tests.support.cli_in_process import Ran, command
from tests.support.forging import TEXTS, Forger
from tests.support.hostile_gateway import METHODS, Answer, HostileGateway, Refusal, Said, hostile_gateway

EXAMPLES = int(os.environ.get("ASSAY_FUZZ_EXAMPLES") or 150)
CODES = [
    code
    for code in grpc.StatusCode
    if code.name not in {"OK", "UNAVAILABLE", "CANCELLED"}  # those are tried again, after a pause
]
ENDED = (test_pb2.TEST_STATE_COMPLETED, test_pb2.TEST_STATE_FAILED, test_pb2.TEST_STATE_TIMED_OUT, 99)
DETAILS = [
    error_details_pb2.BadRequest,
    error_details_pb2.ErrorInfo,
    error_details_pb2.QuotaFailure,
    error_details_pb2.RetryInfo,
    error_details_pb2.ResourceInfo,
    error_details_pb2.DebugInfo,
]

# Each with what it must not do without: words that begin with @ are replaced.
COMMANDS: dict[str, tuple[str, ...]] = {
    "get": ("get", "tst_1"),
    "get last": ("get", "last"),
    "list": ("list", "--totals"),
    "list --watch": ("list", "--watch"),
    "submit": ("submit", "@agent", "-q", "x"),
    "submit a folder": ("submit", "@folder", "-q", "x"),
    "submit --follow": ("submit", "@agent", "-q", "x", "--follow"),
    "submit --dry-run": ("submit", "@agent", "-q", "x", "--dry-run"),
    "logs": ("logs", "tst_1"),
    "logs --follow": ("logs", "tst_1", "--follow", "--times"),
    "logs --tail": ("logs", "tst_1", "--tail", "5"),
    "logs --first-error": ("logs", "tst_1", "--first-error"),
    "watch": ("watch", "tst_1"),
    "files": ("files", "tst_1"),
    "download": ("download", "tst_1", "--to", "@out", "--force"),
    "cancel": ("cancel", "tst_1"),
    "retry": ("retry", "tst_1"),
    "retry --follow": ("retry", "tst_1", "--follow"),
    "chain": ("chain", "tst_1"),
    "agents": ("agents",),
    "audit": ("audit",),
    "stats": ("stats", "agent"),
    "archive": ("archive", "tst_1"),
    "package": ("package", "tst_1"),
    "package by id": ("package", "pkg_1"),
    "packages": ("packages",),
    "health": ("health",),
    "whoami": ("whoami",),
    "limits": ("limits", "bob"),
    "limits set": ("limits", "bob", "--weight", "2"),
    "usage": ("usage",),
    "cost": ("cost",),
    "queue": ("queue",),
    "queue list": ("queue", "list"),
    "queue watch": ("queue", "watch"),
    "queue pause": ("queue", "pause"),
    "queue resume": ("queue", "resume"),
    "queue capacity": ("queue", "capacity", "3"),
    "keys": ("keys",),
    "keys create": ("keys", "create", "bob"),
    "keys revoke": ("keys", "revoke", "key_1"),
}
NOT_CALLED = frozenset({"ListDeadLetters", "ReplayDeadLetter"})  # by the SDK only
FOR_DOWNLOADS = frozenset({"RefreshDownloadUrl", "TrackDownload"})  # test_clients_downloads.py


def endings(name: str, chance: random.Random, messages: list[Any]) -> Iterator[Any]:
    """The messages, with an end: what would wait for more, or begin again, would take too long here."""
    for message in messages:
        if name in {"GetPackage", "GeneratePackage"} and (
            message.package.state == package_service_pb2.PACKAGE_STATE_GENERATING
        ):
            message.package.state = package_service_pb2.PACKAGE_STATE_FAILED
        yield message
    if name == "WatchTest":
        messages[-1].test.state = chance.choice(ENDED[:3])
        yield messages[-1]
    if name == "StreamLogs":
        messages[-1].complete.CopyFrom(log_pb2.LogsComplete(complete=True))
        yield messages[-1]


def forged(name: str, chance: random.Random) -> list[Said]:
    """What a server says to a call."""
    kind = chance.random()
    forger = Forger(chance, wild=chance.choice((0.0, 0.0, 0.02, 0.3)))
    if kind < 0.1:
        details = [forger.message(one.DESCRIPTOR) for one in chance.sample(DETAILS, chance.randrange(3))]
        trailer = chance.randbytes(20) if not details and chance.random() < 0.3 else b""
        return [Refusal(chance.choice(CODES), chance.choice(TEXTS), details, trailer)]
    method = METHODS[name]
    if kind < 0.14:
        return [chance.randbytes(30), Refusal(grpc.StatusCode.INTERNAL)]
    count = chance.randrange(1, 4) if method.server_streaming else 1
    said: list[Said] = list(endings(name, chance, [forger.message(method.output_type) for _ in range(count)]))
    return [*said, Refusal(grpc.StatusCode.PERMISSION_DENIED, "enough")] if method.server_streaming else said


class Answers(dict[str, Answer]):
    """Of every method, forged with one source of chance."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    def get(self, name: str, _default: Any = None) -> Any:
        return lambda _request: forged(name, self._chance)


def _answered(message: Any) -> Callable[[Any], list[Said]]:
    return lambda _request: [message]


OUTPUT = test_pb2.Test(
    id="tst_1",
    state=test_pb2.TEST_STATE_COMPLETED,
    output_files=[test_pb2.TestFile(path="a", size=1, sha256="0" * 64)],
)


def _wants_files(request: Any) -> list[Said]:
    if not request.spec.project.digest:
        return [test_service_pb2.SubmitTestResponse(test=OUTPUT)]
    info = error_details_pb2.ErrorInfo(
        reason="FILES_UNKNOWN", domain="assay", metadata={"digest": request.spec.project.digest}
    )
    return [Refusal(grpc.StatusCode.FAILED_PRECONDITION, "not here", [info])]


HELPFUL: dict[str, Answer] = {
    "SubmitTest": _wants_files,
    "GetTest": _answered(test_service_pb2.GetTestResponse(test=OUTPUT)),
    "ListTests": _answered(test_service_pb2.ListTestsResponse(tests=[OUTPUT])),
    "WatchTest": _answered(test_service_pb2.WatchTestResponse(test=OUTPUT)),
    "StreamLogs": _answered(test_service_pb2.StreamLogsResponse(complete=log_pb2.LogsComplete(complete=True))),
    **{name: lambda _request: [Refusal(grpc.StatusCode.PERMISSION_DENIED)] for name in ("WatchTests", "WatchQueue")},
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("fuzz")
    agent = folder / "agent.py"
    agent.write_text("def run(query): return query", encoding="utf-8")
    project = folder / "project"
    project.mkdir()
    (project / "agent.py").write_text("from other import run", encoding="utf-8")
    (project / "other.py").write_text("def run(query): return query", encoding="utf-8")
    (project / "data").write_bytes(random.Random(1).randbytes(INLINE + 1))
    return {"@agent": str(agent), "@folder": str(project), "@out": str(folder / "out")}


@pytest.fixture(scope="module")
def gateway() -> Iterator[tuple[HostileGateway, str]]:
    made = HostileGateway()
    with hostile_gateway(made) as address:
        yield made, address


STEERING = frozenset(map(chr, (*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0), 0x2028, 0x2029))) | frozenset(
    map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
)


def check(ran: Ran, words: tuple[str, ...], *, as_json: bool) -> None:
    assert ran.code in {0, 1, 2}, ran
    assert "Traceback" not in ran.err, ran.err
    raw = words[0] == "logs" and not as_json and "--times" not in words  # an agent's output goes to a pipe as it is
    assert not STEERING & set(ran.err), ran
    assert raw or not STEERING & set(ran.out), ran
    if as_json:
        for line in ran.out.split("\n"):
            assert not line or json.loads(line) is not None


def test_every_call_of_the_command_line_is_forged(gateway: tuple[HostileGateway, str], places: dict[str, str]) -> None:
    """A new one without a row above fails here."""
    hostile, address = gateway
    hostile.asked.clear()
    hostile.answers = dict(HELPFUL)
    for words in COMMANDS.values():
        command(address, *(places.get(word, word) for word in words))
    assert {name for name, _ in hostile.asked} | NOT_CALLED | FOR_DOWNLOADS == METHODS.keys()


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_survives_forged_answers(
    name: str, seed: int, gateway: tuple[HostileGateway, str], places: dict[str, str]
) -> None:
    _run(gateway, places, name, seed * 1000, as_json=False)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(sorted(COMMANDS)), seed=st.integers(0, 2**32), as_json=st.booleans())
def test_no_forged_answer_breaks_a_command(
    gateway: tuple[HostileGateway, str], places: dict[str, str], name: str, seed: int, as_json: bool
) -> None:
    _run(gateway, places, name, seed, as_json=as_json)


def _run(gateway: tuple[HostileGateway, str], places: dict[str, str], name: str, seed: int, *, as_json: bool) -> None:
    hostile, address = gateway
    hostile.answers = Answers(random.Random(seed))
    words = tuple(places.get(word, word) for word in COMMANDS[name])
    ran = command(address, *words, *(["--json"] if as_json else []))
    check(ran, words, as_json=as_json)
