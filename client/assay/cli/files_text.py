"""How the files of a test read on a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from assay.cli.text import Line, plural, safe, size
from assay.files import FileKind
from assay.tests import Test

_WORDS = {FileKind.PROJECT: "project", FileKind.INPUT: "input", FileKind.OUTPUT: "output"}


def table(test: Test) -> Iterator[Line]:
    """Every file with kind, size and the beginning of its hash."""
    if not test.files:
        yield [("no files", "dim")]
    for file in test.files:
        mark = "*" if file.executable else ""
        yield [
            (f"{_WORDS[file.kind]:<8}", "dim"),
            (f"{size(file.size):>11}  ", ""),
            (f"{file.sha256[:12]}  ", "dim"),
            (safe(file.path) + mark, ""),
        ]
    if test.output_files and test.files_expire is not None:
        yield [(f"outputs are kept until {test.files_expire.astimezone():%Y-%m-%d %H:%M}", "dim")]


def outputs(test: Test) -> Iterator[Line]:
    """What the agent left, for the end of a story."""
    if test.output_files:
        yield [(f"  {plural(len(test.output_files), 'file')}: ", ""), (f"assay download {test.id}", "id")]
