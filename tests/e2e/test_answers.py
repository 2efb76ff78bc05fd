"""Answers that are not plain JSON, from the command line through all services and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.local_mode import Command

pytestmark = pytest.mark.slow

OBJECT = """
class AgentResult:
    def __init__(self, text):
        self.stop_reason = "end_turn"
        self.message = {"role": "assistant", "content": [{"text": text}]}
    def __str__(self):
        return self.message["content"][0]["text"]
def run(query):
    return AgentResult("The answer is 42.")
"""
INVOICE = """
import dataclasses, datetime, decimal, enum, pathlib, uuid
class Mood(enum.Enum):
    GOOD = "good"
@dataclasses.dataclass
class Invoice:
    number: uuid.UUID
    total: decimal.Decimal
    created: datetime.datetime
    mood: Mood
    path: pathlib.Path
def run(query):
    created = datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.timezone.utc)
    return Invoice(uuid.UUID(int=1), decimal.Decimal("12.50"), created, Mood.GOOD, pathlib.Path("/tmp/x"))
"""


def test_an_object_passes_with_its_text_and_the_command_says_how_it_was_got(assay: Command, tmp_path: Path) -> None:
    agent = tmp_path / "agent.py"  # case 10
    agent.write_text(OBJECT, "utf-8")
    ran = assay("submit", str(agent), "-q", "x", "--follow")
    assert ran.code == 0, ran.out + ran.err
    assert "The answer is 42." in ran.out
    assert "converted answer  AgentResult by str" in ran.out
    shown = assay("get", "last")
    assert "called run(query)" in shown.out
    assert "converted answer  AgentResult by str" in shown.out


def test_a_dataclass_passes_with_its_fields_and_json_has_every_note(assay: Command, tmp_path: Path) -> None:
    agent = tmp_path / "agent.py"  # case 17
    agent.write_text(INVOICE, "utf-8")
    assert assay("submit", str(agent), "-q", "x", "--follow").code == 0
    result = json.loads(assay("get", "last", "--json").out)["result"]
    assert result["response"] == {
        "number": "00000000-0000-0000-0000-000000000001",
        "total": "12.50",
        "created": "2026-01-02T03:04:00Z",
        "mood": "good",
        "path": "/tmp/x",
    }
    assert result["conversions"][0] == {"path": "answer", "type": "Invoice", "how": "its fields"}
    assert {"path": "answer.created", "type": "datetime.datetime", "how": "isoformat"} in result["conversions"]
    assert (result["entry"]["name"], result["entry"]["query_passed"]) == ("agent:run", True)


def test_a_strict_test_fails_and_leaves_the_answer_in_its_log(assay: Command, tmp_path: Path) -> None:
    agent = tmp_path / "agent.py"
    agent.write_text(OBJECT, "utf-8")
    ran = assay("submit", str(agent), "-q", "x", "--strict-answer", "--follow")
    assert ran.code == 1
    assert "RESULT_INVALID" in ran.out
    assert "answer is a AgentResult: not something that JSON can hold." in ran.out
    assert 'The answer, converted: "The answer is 42."' in ran.out
