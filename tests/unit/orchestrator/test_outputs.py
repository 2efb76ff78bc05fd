"""Which of the files that a task hands over are kept."""

import asyncio
import hashlib
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.orchestrator.charges import Charge
from services.orchestrator.harness_result import HarnessFile, HarnessResult
from services.orchestrator.outputs import AT_ONCE, LOST, OutputLimits, Outputs, judged
from services.orchestrator.ports import Handle
from shared.clock import ManualClock
from shared.domain.lifecycle import State
from shared.ids import TestId
from tests.support.fakes.runtime import FakeRuntime, TaskWorld
from tests.support.samples import NOW, execution

LIMITS = OutputLimits(files=3, size=10)


def file(path: str, content: bytes, **changes: Any) -> HarnessFile:
    fields = {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return HarnessFile(**{**fields, **changes})


def test_files_that_are_what_the_list_says_are_kept() -> None:
    kept = judged([file("a", b"one", executable=True), file("sub/b", b"")], b"one", LIMITS)
    assert [(one.path, one.size, one.executable) for one in kept.files] == [("a", 3, True), ("sub/b", 0, False)]
    assert kept.data == b"one"
    assert kept.left_out == ()


def test_what_was_left_out_leaves_no_hole_in_the_piece() -> None:
    kept = judged([file("a", b"12"), file("../b", b"34"), file("c", b"56")], b"123456", LIMITS)
    assert kept.data == b"1256"
    assert [one.path for one in kept.files] == ["a", "c"]


@pytest.mark.parametrize(
    ("listed", "data", "words"),
    [
        ([file("a", b"abc")], b"abd", "SHA-256 differs"),
        ([file("a", b"abc")], b"ab", "not handed over whole"),
        ([file("../a", b"abc")], b"abc", "cannot be kept"),
        ([file("/etc/a", b"abc")], b"abc", "cannot be kept"),
        ([file("a\\b", b"abc")], b"abc", "cannot be kept"),
        ([file("a\nb", b"abc")], b"abc", "cannot be kept"),
        ([file("a//b", b"abc")], b"abc", "cannot be kept"),
        ([file("a" * 241, b"abc")], b"abc", "cannot be kept"),
        ([file("a", b"x" * 11)], b"x" * 11, "10 bytes are kept in all"),
    ],
)
def test_what_does_not_fit_is_left_out_with_a_line(listed: list[HarnessFile], data: bytes, words: str) -> None:
    kept = judged(listed, data, LIMITS)
    assert kept.files == ()
    assert words in kept.left_out[0]


def test_limits_hold_whatever_the_task_says() -> None:
    kept = judged([file(str(number), b"1") for number in range(5)], b"11111", LIMITS)
    assert [one.path for one in kept.files] == ["0", "1", "2"]
    assert len(kept.left_out) == 2
    kept = judged([file("a", b"1"), file("a", b"2")], b"12", LIMITS)
    assert kept.data == b"1"
    assert kept.left_out == ("'a' is there twice",)


def test_files_that_were_lost_are_said_to_be() -> None:
    assert judged([file("a", b"1")], None, LIMITS).left_out == (LOST,)


class Counting(FakeRuntime):
    """Tasks that all leave one file; it knows how many pieces are held at a time."""

    held = most = 0

    async def collect_outputs(self, handle: Handle) -> bytes | None:
        self.held += 1
        self.most = max(self.most, self.held)
        return b"abc"

    async def put(self, test: TestId, attempt: int, data: bytes, expires_at: datetime) -> None:
        assert data == b"abc"
        await asyncio.sleep(0)
        self.held -= 1


async def test_tests_that_end_together_have_their_files_in_memory_a_few_at_a_time() -> None:
    runtime = Counting(TaskWorld())
    outputs = Outputs(runtime, runtime, ManualClock(NOW), LIMITS)
    result = HarnessResult.model_validate({"nonce": "n", "success": True, "outputs": [file("a", b"abc").model_dump()]})
    charges = [Charge(execution(State.RUNNING), {"token": str(number)}, NOW) for number in range(20)]
    kept = await asyncio.gather(*(outputs.keep(charge, result) for charge in charges))
    assert runtime.most == AT_ONCE
    assert runtime.held == 0
    assert [one.files[0].path for one in kept] == ["a"] * 20
    assert {one.data for one in kept} == {b""}  # it is stored: nobody holds it longer
    assert {one.expires_at for one in kept} == {NOW + timedelta(days=30)}
