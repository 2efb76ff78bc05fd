"""How the files of a test read on a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from assay.cli.text import Line, plural, safe, size
from assay.files import FileKind
from assay.tests import Test

_SHOWN = 5
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
    yield from left_out(test)


def outputs(test: Test) -> Iterator[Line]:
    """What the agent left, for the end of a story."""
    if test.output_files:
        yield [(f"  {plural(len(test.output_files), 'file')}: ", ""), (f"assay download {test.id}", "id")]
    yield from left_out(test)


def left_out(test: Test) -> Iterator[Line]:
    """What was in /work/out and was not kept."""
    told = test.result.files_left_out if test.result else ()
    yield from ([("  not kept: ", "warn"), (safe(line), "")] for line in told[:_SHOWN])
    if len(told) > _SHOWN:
        yield [(f"  and {len(told) - _SHOWN} more (--json has all)", "dim")]
