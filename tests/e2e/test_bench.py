"""The benchmark works: a quick run prints a line for every figure. What the figures are is not a test's business."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bench import page
from tests.bench.figures import KINDS

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE_S = 300


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.bench", *options]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


@pytest.mark.slow
def test_a_quick_run_prints_one_line_for_every_figure(tmp_path: Path) -> None:
    file = tmp_path / "figures.jsonl"
    run = bench("--quick", "--json", str(file))
    assert run.returncode == 0, run.stderr
    assert file.read_text() == run.stdout
    first, *lines, last = (json.loads(line) for line in run.stdout.splitlines())
    assert {"cpus", "load", "files_on"} <= first.keys()
    assert last["seconds"] > 0
    wanted = set(KINDS) - (set(page.FIGURES) if page.lacks() else set())
    assert sorted(line["figure"] for line in lines) == sorted(wanted)
    for line in lines:
        check(line)


def check(line: dict[str, Any]) -> None:
    kind = KINDS[line["figure"]]
    assert line["unit"] == kind.unit
    assert isinstance(line["value"], float | int), line
    assert line["n"] > 0
    assert line["load"] >= 0
    assert (line["ratio"] is None) == (line["floor"] is None), line
    assert line["goal"] == (str(kind.goal) if kind.goal else None)
    assert line["met"] in ({True, False} if kind.goal else {None}), line


def test_only_what_is_asked_for_is_measured() -> None:
    run = bench("--only", "help")
    assert run.returncode == 0, run.stderr
    _, line, _ = (json.loads(line) for line in run.stdout.splitlines())
    assert line["figure"] == "help"
    check(line)


def test_an_unknown_figure_is_an_error() -> None:
    run = bench("--only", "nothing-like-it")
    assert run.returncode == 2
    assert "no figure begins with nothing-like-it" in run.stderr
