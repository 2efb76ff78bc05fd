"""The threat model promises nothing without a test: each row names one that is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "threat-model.md"
HEAD = "| Wants | Boundary | What holds | Tests |"


def rows() -> list[str]:
    found: list[str] = []
    inside = False
    for line in PAGE.read_text("utf-8").splitlines():
        inside = line == HEAD or (inside and line.startswith("|"))
        if inside and line != HEAD and not line.startswith("| ---"):
            found.append(line)
    return found


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.split("|")[1].strip())
def test_each_row_names_tests_that_are_there(row: str) -> None:
    tests = re.findall(r"\]\(\.\./(tests/[^)]+)\)", row.rsplit("|", 2)[1])
    assert tests
    for name in tests:
        path = ROOT / name
        files = [path] if path.is_file() else sorted(path.glob("test_*.py"))
        assert files, f"{name} is not there"
        assert all("def test_" in file.read_text("utf-8") for file in files)


def test_the_page_has_rows() -> None:
    assert len(rows()) > 20
